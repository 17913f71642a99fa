"""What a task type is: its parameters, its steps and how it turns documents into a result."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from app.copilot.work import Work, WorkFacts, one_pass
from app.documents.segments import Segment
from app.llm.types import ModelRequest, ModelResult
from app.vocabulary import StepKind

TEXT_CHARACTERS = 1_000_000
"""The longest text from the pane."""


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
class Outcome:
    """What a handler returns: this step's output, and for the last step the job's result.

    `new_steps` may come from a plan only. `partial` names why the result is not whole.
    """

    output: Mapping[str, Any] = field(default_factory=dict)
    new_steps: tuple[NewStep, ...] = ()
    result: Mapping[str, Any] | None = None
    partial: bool = False
    reused: bool = False


@dataclass(frozen=True)
class Answer:
    """An accepted answer: what `verify` made of it, and the call that produced it."""

    value: Any
    result: ModelResult
    member: Mapping[str, Any]
    """Who wrote it: {"deployment", "provider_name", "request_model", "method"}."""


Verify = Callable[[ModelResult], Any]
"""Checks an answer and turns it into the task type's value. Raises: llm.errors.InvalidOutput."""


class StepContext(Protocol):
    """What a handler may use; the runner makes it. A handler has no database, network or tools."""

    parameters: BaseModel
    input: Mapping[str, Any]
    segments: Sequence[Segment]
    """The job's documents as one list of segments in order (`index` counts over all of them)."""
    predecessors: Sequence[Mapping[str, Any]]
    """Outputs of the finished steps whose successor this step is, by ordinal; a dead one is {"dead": True, "input": ...}."""

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
    """What a task type takes: how many documents, and whether a text from the pane may be the only one.

    `least` 0 is for what can be done from the parameters alone.
    """

    least: int = 1
    most: int = 1
    text: bool = True

    def schema(self) -> dict[str, Any]:
        """As the catalogue shows it."""
        kinds: dict[str, Any] = {
            "documents": {"min": self.least, "max": self.most},
            "drive_items": {"min": self.least, "max": self.most},
        }
        if self.text:
            kinds["text"] = {"max_characters": TEXT_CHARACTERS}
        return kinds

    def wrong(self, documents: int, *, is_text: bool) -> str | None:
        """What is wrong with so many documents, or with a text, which counts as one; None if nothing is."""
        if is_text and not self.text:
            return "takes documents, not a text"
        if self.least <= documents <= self.most:
            return None
        if self.least == self.most:
            return f"takes exactly {self.least} document{'' if self.least == 1 else 's'}, {documents} came"
        return f"takes {self.least} to {self.most} documents, {documents} came"


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
    work: Callable[[WorkFacts], Work] = one_pass
    """What it will take, from what is known before it starts; pure."""
    on_dead: str = "partial"
    """What a step that fails for good makes of the job: `partial` or `fail`."""
