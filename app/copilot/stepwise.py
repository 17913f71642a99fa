"""Task types that answer part by part: plan -> map (each chunk by itself) -> final, where code joins the answers.

A short input is one step. Step outputs: {"items": [...], "read": ranges, "method", "counts"}.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from app.copilot.chunking import ID_TOKENS, Chunk, Piece, chunk
from app.copilot.delivery import coverage
from app.copilot.endings import may_pass
from app.copilot.findings import add_counts, dead, indexes, ranges
from app.copilot.merge_tree import Node
from app.copilot.parts import Part, parts_of
from app.copilot.planning import dump_piece, load_pieces, new_steps
from app.copilot.reading_task import budget_within, no_text, noted, nothing_read
from app.copilot.tree_work import chunk_bounds, flat_work
from app.copilot.types import Outcome, StepContext
from app.copilot.work import Work, WorkFacts, one_pass
from app.documents.segments import PaneAnchor, Segment, anchor_json
from app.jobs.errors import Discard
from app.llm.errors import CallFailed
from app.vocabulary import StepKind

CHUNK_TOKENS = 1_000
"""An answer may be three times as long as what it answers, and models end at a few thousand tokens."""
_ANSWER_SENTENCES = 14
_UNKNOWN = "nothing_read"
"""Why a step died that left no word of it."""
P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True)
class Answered:
    """What the parts of one chunk came to, as JSON."""

    items: Sequence[Mapping[str, Any]]
    method: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Joined:
    """What all chunks came to, in the document's order."""

    items: Sequence[Mapping[str, Any]]
    asked: frozenset[int]
    """Segments that are to be asked about."""
    read: frozenset[int]
    """Those of which every part was answered."""
    method: str
    counts: Mapping[str, int]
    reasons: Mapping[int, str]
    """Of segments with a part that nobody answered: the code of the error."""


@dataclass(frozen=True)
class StepwiseTask(Generic[P]):
    """How one task type answers parts, and what it makes of the answers."""

    name: str
    parameters: type[P]
    answer: Callable[[StepContext, P, Sequence[Part]], Awaitable[Answered]]
    finish: Callable[[StepContext, P, Joined], Outcome]
    letters_only: bool = True
    takes: Callable[[P, Sequence[Segment], int], bool] = lambda _parameters, _segments, _at: True
    """Which of the segments are asked about; the others stay as they are."""

    def first_step(self, estimated_tokens: int, context_tokens: int) -> StepKind:
        """One step for what one request answers."""
        return StepKind.FINAL if estimated_tokens <= _cap(context_tokens) else StepKind.PLAN

    def work(self, facts: WorkFacts) -> Work:
        """One request, or one for each chunk; a file is done chunk by chunk in any case."""
        in_parts = flat_work(facts, budget_tokens=_cap(facts.context_tokens), handed_on=_ANSWER_SENTENCES)
        is_file = facts.parameters.get("output") == "file"
        if is_file or self.first_step(facts.tokens, facts.context_tokens) is StepKind.PLAN:
            return in_parts
        answer = 200 + 3 * facts.tokens + 30 * facts.segments
        short = one_pass(facts, answer_tokens=answer)
        fits = facts.tokens + ID_TOKENS * facts.segments <= _cap(facts.context_tokens)
        return short if fits else replace(short, most=in_parts.most)

    async def run(self, context: StepContext) -> Outcome:
        """Do one step. Raises: Discard when there is nothing to answer, or nobody answered any of it."""
        match context.kind:
            case StepKind.PLAN:
                return await self._plan(context)
            case StepKind.MAP:
                return Outcome(
                    output=await self._answered(context, load_pieces(context.input, context.segments))
                )
            case StepKind.FINAL:
                return await self._final(context)
            case _:
                raise ValueError(f"{self.name} has no step of the kind {context.kind}")

    def parameters_of(self, context: StepContext) -> P:
        """The job's parameters as their own type."""
        return self.parameters.model_validate(context.parameters.model_dump())

    async def _plan(self, context: StepContext) -> Outcome:
        chunks = [each for each in self._chunks(context) if self._parts(context, each.pieces)]
        if not chunks:
            raise no_text(self.name)
        steps = new_steps(chunks, ([Node((at,), "", 0) for at in range(len(chunks))],))
        await context.progress("reading", 0, len(steps), f"{len(chunks)} parts to work on")
        return Outcome(output={"chunks": len(chunks)}, new_steps=steps)

    async def _final(self, context: StepContext) -> Outcome:
        outputs = context.predecessors
        if context.input.get("over") != "facts":
            chunks = self._chunks(context, minimum_tokens=_cap(context.context_tokens))
            outputs = await self._each_answered(
                context, [each for each in chunks if self._parts(context, each.pieces)]
            )
        joined = self._joined(context, outputs)
        if not joined.read:
            raise _nothing_answered(outputs)
        return self.finish(context, self.parameters_of(context), joined)

    async def _each_answered(self, context: StepContext, chunks: Sequence[Chunk]) -> list[dict[str, Any]]:
        """Outputs of all chunks that one step asks about; one fails as a step of its own would, not with the rest."""
        if not chunks:
            raise no_text(self.name)
        outputs: list[dict[str, Any]] = []
        for at, each in enumerate(chunks):
            try:
                outputs.append(await self._answered(context, each.pieces))
            except CallFailed as error:
                is_last_hope = at + 1 == len(chunks) and all(one.get("dead") for one in outputs)
                if may_pass(error) or is_last_hope:
                    raise
                pieces = {"pieces": [dump_piece(piece) for piece in each.pieces]}
                outputs.append(dead(pieces, {"code": error.code, "message": error.message}))
        return outputs

    async def _answered(self, context: StepContext, pieces: Sequence[Piece]) -> dict[str, Any]:
        parts = self._parts(context, pieces)
        answered = await self.answer(context, self.parameters_of(context), parts)
        return {
            "items": list(answered.items),
            "read": ranges({part.piece.segment for part in parts}),
            "method": answered.method,
            "counts": dict(answered.counts),
        }

    def _joined(self, context: StepContext, outputs: Sequence[Mapping[str, Any]]) -> Joined:
        alive = [one for one in outputs if not one.get("dead")]
        reasons: dict[int, str] = {}
        for one in outputs:
            if one.get("dead"):
                lost = self._parts(context, load_pieces(one["input"], context.segments))
                for at in _segments_of(lost):
                    reasons.setdefault(at, one["error"].get("code", _UNKNOWN))
        methods = {one["method"] for one in alive}
        read = {at for one in alive for at in indexes(one["read"])}
        whole = [Piece(at, 0, len(segment.text)) for at, segment in enumerate(context.segments)]
        return Joined(
            items=[item for one in alive for item in one["items"]],
            asked=_segments_of(self._parts(context, whole)),
            read=frozenset(read - reasons.keys()),
            method=methods.pop() if len(methods) == 1 else ("mixed" if methods else "none"),
            counts=reduce(add_counts, (one["counts"] for one in alive), {}),
            reasons=reasons,
        )

    def _parts(self, context: StepContext, pieces: Sequence[Piece]) -> list[Part]:
        parameters = self.parameters_of(context)
        taken = [piece for piece in pieces if self.takes(parameters, context.segments, piece.segment)]
        return parts_of(context.segments, taken, letters_only=self.letters_only)

    def _chunks(self, context: StepContext, *, minimum_tokens: int | None = None) -> tuple[Chunk, ...]:
        cap, minimum = chunk_bounds(_cap(context.context_tokens))
        return chunk(
            context.segments,
            language=context.language,
            cap_tokens=cap,
            minimum_tokens=minimum if minimum_tokens is None else minimum_tokens,
        )


def described(context: StepContext, joined: Joined) -> dict[str, Any]:
    """What every result of such a task type says of itself."""
    shares, missing = coverage(context.segments, read=joined.read, cited=joined.read, asked=joined.asked)
    return {
        "coverage": shares,
        "missing": missing,
        "missing_at": [
            {**place_json(context.segments[at]), "reason": joined.reasons.get(at, _UNKNOWN)} for at in missing
        ],
        "method": joined.method,
        "notes": noted(joined.counts),
    }


def place_json(segment: Segment) -> dict[str, Any]:
    """Where a segment stands, for results; what the pane named keeps its name."""
    named = segment.anchor.client_ref if isinstance(segment.anchor, PaneAnchor) else None
    return {
        "document": segment.document,
        "segment": segment.index,
        "anchor": anchor_json(segment.anchor),
        "client_ref": named,
    }


def _nothing_answered(outputs: Sequence[Mapping[str, Any]]) -> Discard:
    """Every part is lost: the job ends as its first lost part did."""
    error = next((one["error"] for one in outputs if one.get("dead") and one["error"]), None)
    return Discard(error["code"], error["message"]) if error else nothing_read()


def _cap(context_tokens: int) -> int:
    return min(CHUNK_TOKENS, budget_within(context_tokens) // 3)


def _segments_of(parts: Sequence[Part]) -> frozenset[int]:
    return frozenset(part.piece.segment for part in parts)
