"""A `StepContext` in memory: drives a task type's steps with real providers, without a database."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel

from app.copilot.catalog import task_types
from app.copilot.findings import dead
from app.copilot.prompt_files import load_prompt_files
from app.copilot.types import Answer, NewStep, Outcome, Verify
from app.documents.language import detect, sample
from app.documents.segments import Segment, TextAnchor
from app.documents.tokens import estimate_tokens
from app.llm.errors import CallFailed, ProviderError
from app.llm.providers.extractive import ExtractiveProvider
from app.llm.types import Message, ModelRequest, ModelResult, Provider, TokenUsage
from app.vocabulary import SegmentKind, StepKind

PROMPTS = {(file.task_type, file.name): file.prompts for file in load_prompt_files()}


class ScriptedProvider:
    """Answers with what a function makes of the request; keeps the messages it was sent."""

    def __init__(self, answer: Callable[[ModelRequest], str], *, prompts: str = "default") -> None:
        self.answer = answer
        self.prompt_set = prompts
        self.seen: list[Sequence[Message]] = []

    async def complete(
        self, request: ModelRequest, messages: Sequence[Message], *, timeout_seconds: float
    ) -> ModelResult:
        self.seen.append(messages)
        return ModelResult(self.answer(request), TokenUsage(1, 1), "stop", "scripted")

    async def close(self) -> None:
        """Nothing to release."""


def claims_json(*sentences: tuple[str, str, str], **extra: str) -> str:
    """The JSON of (text, block, quote) sentences, each with these fields beside."""
    return json.dumps(
        {
            "sentences": [
                {"citations": [{"block": b, "quote": q}], "text": t, **extra} for t, b, q in sentences
            ]
        }
    )


def echo_first(request: ModelRequest) -> str:
    """A generative answer that is right: the first words of each of the first blocks, said again."""
    most = int((request.response_schema or {})["properties"]["sentences"]["maxItems"])
    return claims_json(*((block.text, block.id, block.text) for block in request.blocks[:most]))


class MemoryStep:
    """One step of a `MemoryJob`."""

    mark_key = b"tenant one"

    def __init__(
        self,
        job: "MemoryJob",
        kind: StepKind,
        step_input: Mapping[str, Any],
        predecessors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.job = job
        self.kind = kind
        self.input = step_input
        self.predecessors = predecessors
        self.parameters = job.parameters
        self.segments = job.segments
        self.worked_out = job.worked_out

    @property
    def context_tokens(self) -> int:
        return self.job.context_tokens

    @property
    def language(self) -> str:
        return self.job.language

    def call(self, request: ModelRequest, verify: Verify) -> Awaitable[Answer]:
        return self.job.call(request, verify)

    async def progress(self, phase: str, done: int, total: int, message: str) -> None:
        self.job.phases.append(phase)

    async def show(self, sentences: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> None:
        self.job.shown.extend(sentence for sentence, _ in sentences)


@dataclass
class MemoryJob:
    """Runs all steps of one job. `dies` chooses steps (by kind and ordinal) that fail for good."""

    segments: Sequence[Segment]
    parameters: BaseModel
    context_tokens: int = 8192
    providers: Sequence[Provider] = field(default_factory=lambda: [ExtractiveProvider()])
    dies: Callable[[StepKind, int], bool] = lambda _kind, _ordinal: False
    task_type: str = "summarize"
    rejections: list[str] = field(default_factory=list)
    requests: list[ModelRequest] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    steps: tuple[NewStep, ...] = ()

    worked_out: dict[str, Any] = field(default_factory=dict)
    language: str = ""

    def __post_init__(self) -> None:
        texts = [segment.text for segment in self.segments]
        self.language = detect(sample(texts, total_characters=sum(map(len, texts)))).code

    async def call(self, request: ModelRequest, verify: Verify) -> Answer:
        self.requests.append(request)
        for provider in self.providers:
            prompts = PROMPTS[self.task_type, getattr(provider, "prompt_set", "default")]
            try:
                result = await provider.complete(request, request.render(prompts), timeout_seconds=60)
                return Answer(verify(result), result, {"method": result.method})
            except ProviderError as error:
                self.rejections.append(error.message)
        raise NobodyAnswered(self.rejections[-3:])

    async def run(self) -> Outcome:
        """The outcome of the last step."""
        kind = task_types()[self.task_type]
        tokens = sum(estimate_tokens(segment.text) for segment in self.segments)
        first = kind.first_step(tokens, self.context_tokens)
        outcome = await kind.run(MemoryStep(self, first, {}))
        self.steps = tuple(
            NewStep(s.kind, s.ordinal, json.loads(json.dumps(s.input)), s.estimated_tokens, s.successor)
            for s in outcome.new_steps
        )
        outputs: dict[int, Mapping[str, Any]] = {}
        for position, step in enumerate(self.steps):
            before = [outputs[at] for at in range(position) if self.steps[at].successor == position]
            try:
                if self.dies(step.kind, step.ordinal):
                    raise NobodyAnswered
                outcome = await kind.run(MemoryStep(self, step.kind, step.input, before))
                outputs[position] = json.loads(json.dumps(outcome.output))
            except NobodyAnswered as error:
                if step.kind is StepKind.FINAL or kind.on_dead != "partial":
                    raise
                outputs[position] = dead(step.input, {"code": error.code, "message": error.message})
            await asyncio.sleep(0)
        return outcome


class NobodyAnswered(CallFailed):
    """Every provider failed or was rejected, and would be again."""

    def __init__(self, rejections: Sequence[str] = ()) -> None:
        super().__init__(f"nobody answered: {rejections}", code="invalid_output", hops=())


def document(*parts: str | tuple[SegmentKind, str], path: tuple[str, ...] = ()) -> list[Segment]:
    """Segments from texts (paragraphs) and (kind, text); `# ` begins a heading."""
    found: list[Segment] = []
    for index, part in enumerate(parts):
        kind, text = (SegmentKind.PARAGRAPH, part) if isinstance(part, str) else part
        if text.startswith("# "):
            kind, text = SegmentKind.HEADING, text[2:]
            path = (text,)
        anchor = TextAnchor(offset=index, length=len(text), line=index + 1)
        found.append(Segment(index, kind, text, anchor, path, 1 if kind is SegmentKind.HEADING else None))
    return found


@pytest.fixture(scope="session")
def memo() -> list[Segment]:
    """A short English memo with figures and names."""
    return document(
        "# Quarterly review",
        "Revenue of Contoso rose by 12 % to 3.5 million euros in the third quarter of 2026.",
        "The growth came from the Munich office, which Maria Keller has led since May 2024.",
        "# Risks",
        "A supplier in Gdansk announced higher prices from 1 March 2027, which would cost 240,000 euros a year.",
        "The board wants a second supplier to be chosen before the end of January.",
    )
