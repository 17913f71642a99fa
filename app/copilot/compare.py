"""compare: what changed between two documents, found by code, and in a few sentences what it means.

The changes come from `alignment`; a model only reads those, as blocks of text before and after, and each of its
sentences cites the changes that it speaks of. Tracked changes are read as accepted, in both documents.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.alignment import Change, ChangeKind, figures_changed, find_changes
from app.copilot.citations import Claim, Span
from app.copilot.delivery import coverage
from app.copilot.reading_task import Read, ReadingTask, noted, one_method
from app.copilot.result_schemas import TEXT, list_of, reading_result
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.copilot.work import Work, WorkFacts
from app.documents.segments import Segment, anchor_json
from app.vocabulary import SegmentKind

_SENTENCES = 8
_LABELS = {ChangeKind.ADDED: "Added: ", ChangeKind.REMOVED: "Removed: ", ChangeKind.MOVED: "Moved: "}
_LABEL_TOKENS = 6
_SIDE = {
    "type": ["object", "null"],
    "properties": {
        "document": {"type": "integer"},
        "segment": {"type": "integer"},
        "anchor": {"type": "object"},
        "text": {"type": "string"},
    },
}
_CHANGE = {
    "type": "object",
    "required": ["kind", "before", "after", "figures"],
    "properties": {
        "kind": {"enum": [str(kind) for kind in ChangeKind]},
        "before": _SIDE,
        "after": _SIDE,
        "figures": {
            "type": "object",
            "description": "numbers that only the earlier, and that only the later text has, as they are written",
            "properties": {name: list_of({"type": "string"}) for name in ("before", "after")},
        },
    },
}
_CITATION = {
    "type": "object",
    "required": ["change", "quote", "sentence"],
    "properties": {
        "change": {"type": "integer", "description": "position in changes, from 0"},
        "quote": {"type": "string"},
        "sentence": {"type": "integer"},
    },
}


class CompareParameters(BaseModel):
    """How the changes are told."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    language: str | None = Field(None, pattern=r"^[a-z]{2}$")


class Changes(list[Segment]):
    """The changes as segments to read, one each in their order, with what they are."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.found = find_changes(segments)
        super().__init__(_shown(at, change, segments) for at, change in enumerate(self.found))


def work(facts: WorkFacts) -> Work:
    """Nothing where nothing changed; everything where all did."""
    most = _READING.work(replace(facts, tokens=facts.tokens + _LABEL_TOKENS * facts.segments))
    return Work(least=(), most=most.most, planned=most.planned)


def _shown(at: int, change: Change, segments: Sequence[Segment]) -> Segment:
    sides = [segments[side] for side in (change.before, change.after) if side is not None]
    if change.kind is ChangeKind.CHANGED:
        text = " → ".join(side.text for side in sides)
    elif change.kind is ChangeKind.MOVED and sides[0].text != sides[1].text:
        text = _LABELS[change.kind] + " → ".join(side.text for side in sides)
    else:
        text = _LABELS[change.kind] + sides[-1].text
    return replace(sides[-1], index=at, text=text, kind=SegmentKind.PARAGRAPH, document=0, runs=())


async def _finish(context: StepContext, read: Read) -> Outcome:
    await context.progress("writing", 0, 1, "the summary of the changes is being written")
    segments = context.segments
    changes = _changes_of(read)
    claims: tuple[Claim, ...] = ()
    method, below = None, read.below
    if read.evidence:
        most = min(_SENTENCES, len(read.evidence))
        found, method = await _READING.claims(context, read.evidence, "final", most=most)
        claims = found.claims
        below = below.counted({"removed_claims": found.removed})
    sentences, citations = _summary(claims, read.segments)
    await context.show(sentences)
    unread = {side for at in below.missing for side in (changes[at].before, changes[at].after)}
    cited = {span.segment for claim in claims for span in claim.spans}
    sides = {side for at in cited for side in (changes[at].before, changes[at].after)} - {None}
    shares, missing = coverage(
        segments, read=set(range(len(segments))) - unread, cited={side for side in sides if side is not None}
    )
    result = {
        "text": "".join(sentence for sentence, _ in sentences),
        "citations": citations,
        "changes": [_described(change, segments) for change in changes],
        "tracked_changes": "accepted",
        "coverage": shares,
        "method": one_method(method, below),
        "language": _READING.language_of(context),
        "missing": missing,
        "notes": noted(below.counts),
    }
    return Outcome(output={}, result=result, partial=bool(missing))


def _changes_of(read: Read) -> Sequence[Change]:
    if not isinstance(read.segments, Changes):
        raise TypeError("what was read are no changes")
    return read.segments.found


def _summary(
    claims: Sequence[Claim], changes: Sequence[Segment]
) -> tuple[list[tuple[str, list[dict[str, Any]]]], list[dict[str, Any]]]:
    """Sentences with their markers, and all citations in the markers' order."""
    sentences: list[tuple[str, list[dict[str, Any]]]] = []
    every: list[dict[str, Any]] = []
    for position, claim in enumerate(claims):
        own = [
            {
                "change": span.segment,
                "quote": _quote(changes[span.segment].text, span),
                "sentence": position,
            }
            for span in claim.spans
        ]
        markers = "".join(f"[{len(every) + nth}]" for nth in range(1, len(own) + 1))
        sentences.append((f"{' ' if position else ''}{claim.text} {markers}", own))
        every += own
    return sentences, every


def _quote(text: str, span: Span) -> str:
    """Words of the documents themselves, without the label that a model reads before them."""
    label = next((len(one) for one in _LABELS.values() if text.startswith(one)), 0)
    return text[max(label, span.start) : span.end] or text[label:]


def _described(change: Change, segments: Sequence[Segment]) -> dict[str, Any]:
    before, after = (None if at is None else segments[at] for at in (change.before, change.after))
    lost, new = figures_changed(before.text if before else "", after.text if after else "")
    return {
        "kind": str(change.kind),
        "before": _side(before),
        "after": _side(after),
        "figures": {"before": lost, "after": new},
    }


def _side(segment: Segment | None) -> dict[str, Any] | None:
    if segment is None:
        return None
    return {
        "document": segment.document,
        "segment": segment.index,
        "anchor": anchor_json(segment.anchor),
        "text": segment.text,
    }


_READING = ReadingTask(
    name="compare",
    parameters=CompareParameters,
    most=lambda _: _SENTENCES,
    finish=_finish,
    view=Changes,
)
TASK_TYPE = TaskType(
    name="compare",
    title={"en": "Compare", "de": "Vergleichen"},
    description={
        "en": "What changed between two documents, with the places in both, and a short summary of it.",
        "de": "Was sich zwischen zwei Dokumenten geändert hat, mit den Stellen in beiden, und kurz zusammengefasst.",
    },
    parameters=CompareParameters,
    inputs=Inputs(least=2, most=2, text=False),
    result=reading_result(
        text=TEXT,
        citations=list_of(_CITATION),
        changes=list_of(_CHANGE),
        tracked_changes={"const": "accepted", "description": "how changes were read that are only proposed"},
    ),
    first_step=_READING.first_step,
    run=_READING.run,
    work=work,
)
