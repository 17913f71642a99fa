"""The words by which people know the parameters of task types, in each language: parameter_words.yaml."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.copilot.types import TaskType
from app.core.yaml_text import load_yaml

CHOICES = "x-choices"
"""Beside `enum` or within the `anyOf` that holds it: the title of each value."""


@lru_cache(maxsize=1)
def parameter_words() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Title, description and titles of choices, by `parameter` or `task_type.parameter`, then by language."""
    words: Mapping[str, Mapping[str, Mapping[str, Any]]] = load_yaml(
        Path(__file__).with_name("parameter_words.yaml").read_text(encoding="utf-8")
    )
    return words


def described_parameters(task_type: TaskType, language: str) -> dict[str, Any]:
    """The JSON Schema of a task type's parameters, in that language. Raises: KeyError for a parameter without words."""
    schema = task_type.parameters.model_json_schema()
    schema["title"] = task_type.title[language]
    schema["description"] = task_type.description[language]
    _describe(schema, task_type.name, language)
    for name, inner in schema.get("$defs", {}).items():
        _describe(inner, name, language)
    return schema


def _describe(schema: dict[str, Any], owner: str, language: str) -> None:
    words = parameter_words()
    for name, found in schema.get("properties", {}).items():
        said = (words.get(f"{owner}.{name}") or words[name])[language]
        found["title"], found["description"] = said["title"], said["description"]
        for one in _with_choices(found):
            one[CHOICES] = {value: said["choices"][value] for value in one["enum"]}


def _with_choices(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in (schema, *schema.get("anyOf", ())):
        if "enum" in one:
            yield one
