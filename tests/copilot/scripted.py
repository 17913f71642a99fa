"""Scripted answers of the task types that answer part by part."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from app.llm.types import ModelRequest
from tests.copilot.conftest import ScriptedProvider


def writes(write: Callable[[str], str]) -> ScriptedProvider:
    """Answers each part with what a function makes of its text with tags."""
    return answers(lambda text: {"text": write(text)})


def answers(answer: Callable[[str], Mapping[str, Any]]) -> ScriptedProvider:
    """Answers each part with the fields that a function makes of its text."""

    def say(request: ModelRequest) -> str:
        return json.dumps({"parts": [{"id": block.id, **answer(block.text)} for block in request.blocks]})

    return ScriptedProvider(say)


def says(answer: Mapping[str, Any]) -> ScriptedProvider:
    """Answers always with this object."""
    return ScriptedProvider(lambda _: json.dumps(answer))
