"""What a task type is: its parameters, its steps and how it turns documents into a result."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from app.copilot.work import Work, WorkFacts, one_pass
from app.documents.inline import MOST_CELLS
from app.documents.operations import Operation
from app.documents.segments import Segment
from app.llm.types import ModelRequest, ModelResult
from app.vocabulary import StepKind

TEXT_CHARACTERS = 1_000_000
"""The longest text from the pane."""
MOST_INLINE_SEGMENTS = 5_000

InlineKind = Literal["text", "segments", "cells"]
"""What the pane sends itself, instead of a file."""


@dataclass(frozen=True)
class NewStep:
    """A step that a plan asks for. `successor` is the position of another new step in the same list."""

    kind: StepKind
    ordinal: int
    input: Mapping[str, Any]
    """What the step works on, as JSON; sealed at rest. Segment indexes, never copies of the text."""
    estimated_tokens: int
    successor: int | None = None


@dataclass(frozen=True)
class NewFile:
    """What is to be changed in a copy of the document; `mark` goes before the ending of its name.

    `language`: what the new texts are in (ISO 639-1), where it is not that of the document.
    """

    operations: Sequence[Operation]
    mark: str
    language: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a handler returns: this step's output, and for the last step the job's result.

    `new_steps` may come from a plan only. `partial` names why the result is not whole.
    """

    output: Mapping[str, Any] = field(default_factory=dict)
    new_steps: tuple[NewStep, ...] = ()
    result: Mapping[str, Any] | None = None
    partial: bool = False
    file: NewFile | None = None
    """With a result: the document is to be written anew."""
    reused: bool = False


@dataclass(frozen=True)
class Answer:
    """An accepted answer: what `verify` made of it, and the call that produced it."""

    value: Any
    result: ModelResult
    member: Mapping[str, Any]
    """Who wrote it, with which prompts: as in the decision record (`app.llm.loop`)."""


Verify = Callable[[ModelResult], Any]
"""Checks an answer and turns it into the task type's value. Raises: llm.errors.InvalidOutput."""


class StepContext(Protocol):
    """What a handler may use; the runner makes it. A handler has no database, network or tools."""

    parameters: BaseModel
    input: Mapping[str, Any]
    segments: Sequence[Segment]
    """The job's documents as one list of segments in order (`index` counts over all of them)."""
    worked_out: dict[str, Any]
    """What steps of this job have worked out of its segments in this process, by name; it goes when the job does."""
    predecessors: Sequence[Mapping[str, Any]]
    """Outputs of the finished steps whose successor this step is, by ordinal; of a dead one `findings.dead`."""

    @property
    def kind(self) -> StepKind:
        """What the step does."""
        ...

    @property
    def language(self) -> str:
        """The documents' language, as found when the job was accepted; `und` when unknown."""
        ...

    @property
    def context_tokens(self) -> int:
        """The largest input, in estimated tokens, that a generative member of the pool takes in one request."""
        ...

    @property
    def mark_key(self) -> bytes:
        """Key of the tenant for datamarking."""
        ...

    def call(self, request: ModelRequest, verify: Verify) -> Awaitable[Answer]:
        """Ask the pool: reserved member first, the next after a failure or a failed check."""
        ...

    def progress(self, phase: str, done: int, total: int, message: str) -> Awaitable[None]:
        """Tell whoever watches."""
        ...

    def show(self, sentences: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> Awaitable[None]:
        """Emit checked sentences with their citations, one after another. Final step only."""
        ...


@dataclass(frozen=True)
class Inputs:
    """What a task type takes: how many documents, and what from the pane may be the only one.

    `least` 0 is for what can be done from the parameters alone.
    """

    least: int = 1
    most: int = 1
    text: bool = True
    """Text from the pane, in one piece or as segments."""
    cells: bool = False
    """A range of cells from the pane."""
    documents: bool = True
    """Documents that were taken in or are fetched."""
    by_line: bool = False
    """Each line of a text from the pane is a segment of its own; else a paragraph is."""

    def schema(self) -> dict[str, Any]:
        """As the catalogue shows it."""
        kinds: dict[str, Any] = {}
        if self.documents:
            kinds["documents"] = kinds["drive_items"] = {"min": self.least, "max": self.most}
        if self.text:
            kinds["text"] = {"max_characters": TEXT_CHARACTERS}
            kinds["segments"] = {"max": MOST_INLINE_SEGMENTS, "max_characters": TEXT_CHARACTERS}
        if self.cells:
            kinds["cells"] = {"max": MOST_CELLS}
        return kinds

    def wrong(self, documents: int, inline: InlineKind | None = None) -> str | None:
        """What is wrong with so many documents, or with what the pane sent, which counts as one; None if nothing is."""
        came = {None: "documents", "cells": "a range of cells"}.get(inline, "a text")
        if not {None: self.documents, "cells": self.cells}.get(inline, self.text) and documents:
            return f"takes {self._kinds()}, not {came}"
        if self.least <= documents <= self.most:
            return None
        if not self.documents:
            return f"takes {self._kinds()}, nothing came"
        if self.least == self.most:
            return f"takes exactly {self.least} document{'' if self.least == 1 else 's'}, {documents} came"
        return f"takes {self.least} to {self.most} documents, {documents} came"

    def _kinds(self) -> str:
        kinds = {"documents": self.documents, "a text": self.text, "a range of cells": self.cells}
        return " or ".join(name for name, taken in kinds.items() if taken)


def all_of_it(estimated_tokens: int, _context_tokens: int) -> int:
    """What one pass reads where nothing is left out."""
    return estimated_tokens


@dataclass(frozen=True)
class TaskType:
    """A kind of work, one per file in app/copilot; found by its module-level `TASK_TYPE`."""

    name: str
    title: Mapping[str, str]
    """By language (ISO 639-1): English, German and whatever more there is; the description in the same."""
    description: Mapping[str, str]
    parameters: type[BaseModel]
    inputs: Inputs
    result: Mapping[str, Any]
    """JSON Schema of `result`."""
    first_step: Callable[[int, int], StepKind]
    """(estimated tokens of the input, context tokens of the pool) -> `final` in one pass, or `plan`."""
    run: Callable[[StepContext], Awaitable[Outcome]]
    reads: Callable[[int, int], int] = all_of_it
    """(estimated tokens of the input, context tokens of the pool) -> the most of them that a single pass sends."""
    work: Callable[[WorkFacts], Work] = one_pass
    """What it will take, from what is known before it starts; pure."""
    on_dead: str = "partial"
    """What a step that fails for good makes of the job: `partial` or `fail`."""
