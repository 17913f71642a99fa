"""Cases: what is asked, and what a right answer must and must not hold.

Our own stand in cases/*.yaml, a file per task type over shared texts (cases/texts.yaml). A tenant's set is a file
of JSON lines, a case each, in the form of `Case`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.copilot.types import InlineKind, TaskType
from app.core.yaml_text import load_yaml
from app.evaluation.errors import BadCase

_FOLDER = Path(__file__).with_name("cases")
_TEXTS = "texts.yaml"
_MOST_BYTES = 20 * 2**20


class Case(BaseModel):
    """One case. An entry of `contains` lists alternatives between bars; a right answer holds one of each entry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=120)
    language: str = Field(pattern=r"^[a-z]{2}$")
    """Of a right answer, ISO 639-1."""
    documents: tuple[str, ...] = ()
    """Markdown, in the order in which the task type takes them."""
    cells: tuple[tuple[str | int | float | None, ...], ...] = ()
    """A range of cells instead of documents; the first row holds the names of the columns."""
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    contains: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """Of the rows, in order, where rows are labelled."""
    words: tuple[int, int] | None = None
    """How long a right answer is, least and most."""
    reference: str | None = None
    """A right answer in full, for ROUGE-L."""


def own_cases(task_type: str) -> tuple[Case, ...]:
    """Our cases of a task type; empty where there are none. Raises: `BadCase`."""
    path = _FOLDER / f"{task_type}.yaml"
    if not path.exists() or path.name == _TEXTS:
        return ()
    return tuple(_own(path.stem, entry) for entry in _load(path)["cases"])


def own_task_types() -> tuple[str, ...]:
    """The task types that we have cases of."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml") if path.name != _TEXTS))


def read_lines(content: bytes, name: str) -> tuple[Case, ...]:
    """The cases of a file of JSON lines. Raises: `BadCase` naming the line and what is wrong in it."""
    if len(content) > _MOST_BYTES:
        raise BadCase(f"{name} is larger than {_MOST_BYTES // 2**20} MB; split it into several sets.")
    cases: list[Case] = []
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
        if line.strip():
            cases.append(_case(_json(line, f"{name}, line {number}"), f"{name}, line {number}"))
    if not cases:
        raise BadCase(f"{name} holds no case; it takes one JSON object a line.")
    repeated = sorted({case.id for case in cases if sum(one.id == case.id for one in cases) > 1})
    if repeated:
        raise BadCase(f"{name} names cases twice: {', '.join(repeated[:5])}")
    return tuple(cases)


def dump_lines(cases: Sequence[Case]) -> bytes:
    """The cases as JSON lines, always the same for the same cases."""
    rows = (case.model_dump(mode="json", exclude_defaults=True) for case in cases)
    return b"".join(
        json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        for row in rows
    )


def digest(cases: Sequence[Case]) -> bytes:
    """SHA-256 of the cases: two runs are comparable where it is the same."""
    return hashlib.sha256(dump_lines(cases)).digest()


def check_fit(case: Case, task_type: TaskType) -> BaseModel:
    """The case's parameters as the task type's. Raises: `BadCase` where they, or its documents, do not fit."""
    inputs = task_type.inputs
    inline: InlineKind | None = "cells" if case.cells else None if inputs.documents else "text"
    wrong = inputs.wrong(
        len(case.documents) + bool(case.cells), inline if case.cells or case.documents else None
    )
    if wrong is not None:
        raise BadCase(f"Case {case.id}: {task_type.name} {wrong}.")
    try:
        return task_type.parameters.model_validate(dict(case.parameters))
    except ValidationError as error:
        raise BadCase(f"Case {case.id}: {_places(error)}") from error


def _own(task_type: str, entry: Mapping[str, Any]) -> Case:
    values = dict(entry)
    texts = _texts()
    try:
        named = [texts[name] for name in values.pop("texts", ())]
    except KeyError as error:
        raise BadCase(f"{task_type}, case {values.get('id')}: there is no text {error}") from error
    return _case({**values, "documents": [*named, *values.get("documents", ())]}, task_type)


@lru_cache(maxsize=1)
def _texts() -> Mapping[str, str]:
    texts: Mapping[str, str] = _load(_FOLDER / _TEXTS)
    return texts


def _load(path: Path) -> Any:
    return load_yaml(path.read_text(encoding="utf-8"))


def _case(value: Any, where: str) -> Case:
    try:
        return Case.model_validate(value)
    except ValidationError as error:
        raise BadCase(f"{where}: {_places(error)}") from error


def _json(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise BadCase(f"{where}: not a JSON object") from None


def _places(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'case'}: {one['msg']}" for one in found)
