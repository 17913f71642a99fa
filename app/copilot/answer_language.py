"""In which language an answer is, where nobody has named one."""

from collections.abc import Mapping
from typing import Any

from app.copilot.asking import Asked
from app.documents.language import detect

_SURE = 0.8
_FEWEST_LETTERS = 8
"""Of a question: people ask in few words, and in plain ones."""


def language_of_words(words: str) -> str:
    """The language of a person's own words; `und` where they are too few or could be of several."""
    found = detect(words, fewest_letters=_FEWEST_LETTERS)
    return found.code if found.confidence >= _SURE and len(found.code) == len("en") else "und"


def in_askers_language(asked: Asked, language: str, liked: str | None) -> Mapping[str, Any]:
    """The parameters, with the language that who asks likes where neither their question nor the text tells one.

    `language` is the text's. A table of a few cells has too few words; that is no reason to answer in any language.
    """
    found = asked.worded
    if liked is None or language != "und" or found.get("language") or "question" not in found:
        return found
    if language_of_words(found["question"]) != "und":
        return found
    return {**found, "language": liked}
