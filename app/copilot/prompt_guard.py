"""Whether an answer hands on the instructions that the model was given.

A document may order it to. A run of eight words of a prompt in an answer is such a copy, unless the text that
was read says the same. What a member asked for stands in the prompts' places and is no part of them.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from app.llm.errors import InvalidOutput

_WORD = re.compile(r"\w+")
_PLACE = re.compile(r"\$\{?\w+\}?")
_RUN = 8


class PromptGuard:
    """Remembers the prompts that a request was rendered with: each member of a pool may have its own."""

    def __init__(self) -> None:
        self._prompts: list[str] = []

    def told(self, prompts: Iterable[str]) -> None:
        """These prompts, their places still open, were sent."""
        self._prompts += prompts

    def check(self, answer: str, source: str) -> None:
        """No run of eight words of a prompt is in the answer that is not in the source. Raises: InvalidOutput."""
        runs = {run for text in _texts(answer) for run in _runs(text)}
        if not runs:
            return
        copied = runs & {run for prompt in self._prompts for run in _runs_of_prompt(prompt)}
        if copied and copied - _runs(source):
            raise InvalidOutput("prompt: the answer repeats what the model was told")


def _texts(answer: str) -> list[str]:
    """What an answer says: names of fields stand in prompts too, which show the shape that is asked for."""
    try:
        left: list[Any] = [json.loads(answer)]
    except (ValueError, RecursionError):
        return [answer]
    found = []
    while left:
        value = left.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value
    return found


def _runs_of_prompt(prompt: str) -> set[str]:
    return {run for piece in _PLACE.split(prompt) for run in _runs(piece)}


def _runs(text: str) -> set[str]:
    words = [word.casefold() for word in _WORD.findall(text)]
    return {" ".join(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
