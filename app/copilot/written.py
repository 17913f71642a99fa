"""What rewriting task types give: the new text of each segment, as one text or as guarded operations."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Literal

from rapidfuzz.distance import LCSseq

from app.copilot.parts import Part, runs_between
from app.copilot.result_schemas import COVERAGE, METHODS, MISSING_AT, list_of
from app.copilot.stepwise import Joined, described
from app.copilot.types import NewFile, Outcome, StepContext
from app.copilot.writing_checks import has_other_order
from app.documents.normalize import text_hash
from app.documents.operations import Operation, dump_operations
from app.documents.runs import joined, shown_text
from app.documents.segments import ExcelAnchor, PaneAnchor, Run, Segment, load_runs, runs_json
from app.documents.tags import Answer, Kept, from_tags
from app.llm.errors import InvalidOutput
from app.vocabulary import SegmentKind

Output = Literal["text", "operations", "file"]
"""`file`: the document itself, written anew; what it then is of are all texts that can be written."""
_MOST_DIFF_CHARACTERS = 20_000
_WORDS = re.compile(r"\s*(?:\w+|[^\w\s])|\s+")
"""A word with the space before it, so that unrelated words do not have their spaces in common."""
_OPERATION: Mapping[str, Any] = {
    "type": "object",
    "required": ["anchor", "text_hash", "runs", "kept", "text", "segment", "document"],
    "properties": {
        "document": {"type": "integer"},
        "segment": {"type": "integer"},
        "anchor": {"type": "object"},
        "text_hash": {"type": "string", "description": "holds only while the place has a text of this hash"},
        "text": {"type": "string"},
        "runs": {"type": "array", "description": "[text], [text, tag] or [text, tag, kind]"},
        "kept": {"enum": [Kept.OK, Kept.REPAIRED, Kept.DEGRADED]},
        "client_ref": {"type": "string"},
    },
}
OPERATIONS = list_of(_OPERATION)


_FILE: Mapping[str, Any] = {
    "name": {"type": "string"},
    "media_type": {"type": "string"},
    "size_bytes": {"type": "integer"},
    "etag": {"type": "string"},
    "link": {"type": "string", "description": "where to get it, with the same token"},
    "applied": {"type": "integer", "description": "texts that were written"},
    "degraded": {"type": "integer", "description": "of these, those whose formatting is not all kept"},
    "refused": {"type": "integer", "description": "texts that could not be written and stay as they were"},
    "missing": {
        "type": "integer",
        "description": "texts that nobody could answer for; they stay as they were, named in `missing_at`",
    },
    "reasons": {"type": "object", "additionalProperties": {"type": "integer"}},
    "notes": {"type": "object", "additionalProperties": {"type": "integer"}},
}
FILE: Mapping[str, Any] = {"type": ["object", "null"], "required": list(_FILE), "properties": _FILE}
"""What a result says of the file that was made, if one was asked for."""


def written_result() -> dict[str, Any]:
    """The JSON Schema of such a result."""
    every: dict[str, Any] = {
        "text": {"type": "string", "description": "the whole new text, a segment a line"},
        "operations": OPERATIONS,
        "file": FILE,
        "diff": {
            "type": "array",
            "description": "[what, text]: equal, insert or delete; empty for long texts and operations",
            "items": {"type": "array"},
        },
        "degraded": list_of({"type": "integer", "description": "segments whose formatting is not all kept"}),
        "reordered": list_of(
            {
                "type": "integer",
                "description": "segments whose figures stand in another order than before, so look what each is of",
            }
        ),
        "coverage": COVERAGE,
        "missing": list_of({"type": "integer"}),
        "missing_at": MISSING_AT,
        "method": {"enum": list(METHODS)},
        "language": {"type": "string"},
        "notes": {"type": "object", "additionalProperties": {"type": "integer"}},
    }
    return {"type": "object", "required": list(every), "properties": every}


def take_written(part: Part, text: str) -> Answer:
    """The runs that an answer for a part means. Raises: InvalidOutput when it belongs to no place."""
    # White space at the ends stands before a field or a picture, and models leave it out.
    tagged = part.tagged
    before, after = tagged[: len(tagged) - len(tagged.lstrip())], tagged[len(tagged.rstrip()) :]
    answer = from_tags(f"{before}{text.strip()}{after}" if text.strip() else text, part.runs)
    if answer.kept is Kept.REFUSED:
        raise InvalidOutput(f"tags: {part.id} has lost its text or the borders of its cells")
    return answer


def check_formatting(parts: Sequence[Part], answers: Sequence[Answer]) -> None:
    """Where most of several formatted parts have lost their formatting, another model may do better."""
    formatted = [
        answer for part, answer in zip(parts, answers, strict=True) if any(run.tag for run in part.runs)
    ]
    lost = sum(answer.kept is Kept.DEGRADED for answer in formatted)
    if lost > 1 and lost * 2 > len(formatted):
        raise InvalidOutput(f"tags: {lost} parts have lost their formatting")


def written_item(part: Part, answer: Answer) -> dict[str, Any]:
    """A written part as a step hands it on."""
    piece = part.piece
    return {
        "piece": [piece.segment, piece.start, piece.end],
        "runs": runs_json(answer.runs),
        "kept": answer.kept,
        "reordered": has_other_order(part.text, answer.text),
    }


def write_result(
    context: StepContext, joined: Joined, *, output: Output, language: str, mark: str
) -> Outcome:
    """The result of all written parts; what was not asked about stays as it is. `mark` is for a file's name."""
    written: dict[int, tuple[tuple[Run, ...], Kept]] = {}
    for at, group in groupby(joined.items, key=lambda item: int(item["piece"][0])):
        # Of a segment of which a part is lost nothing is written: half of it would be in another language.
        if at in joined.read:
            written[at] = _segment_runs(context.segments[at], list(group))
    _agree(context.segments, written, joined.asked)
    joined = replace(joined, read=frozenset({*joined.read, *written}))
    texts = [
        shown_text(written[at][0]) if at in written else segment.text
        for at, segment in enumerate(context.segments)
    ]
    changed = {at: written[at] for at in sorted(written) if texts[at] != context.segments[at].text}
    operations = [
        (context.segments[at], operation_of(context.segments[at], runs, kept))
        for at, (runs, kept) in changed.items()
    ]
    result = {
        "text": "\n".join(texts),
        "operations": operations_json(operations) if output == "operations" else [],
        "file": None,
        "diff": words_that_differ([segment.text for segment in context.segments], texts)
        if output == "text"
        else [],
        "degraded": [at for at, (_, kept) in changed.items() if kept is Kept.DEGRADED],
        "reordered": sorted(
            written.keys() & {int(one["piece"][0]) for one in joined.items if one.get("reordered")}
        ),
        "language": language,
        **described(context, joined),
    }
    return Outcome(
        output={},
        result=result,
        partial=bool(result["missing"]),
        file=new_file(output, operations, mark, None if language == context.language else language),
    )


def new_file(
    output: str, operations: Sequence[tuple[Segment, Operation]], mark: str, language: str | None = None
) -> NewFile | None:
    """What is to be written into a copy of the document, if that is asked for."""
    if output != "file":
        return None
    return NewFile([operation for _, operation in operations], mark, language)


def operation_of(segment: Segment, runs: tuple[Run, ...], kept: Kept) -> Operation:
    """The operation that writes these runs, guarded by the segment's text."""
    named = segment.anchor.client_ref if isinstance(segment.anchor, PaneAnchor) else None
    return Operation(segment.anchor, text_hash(segment.text), runs, kept, named)


def operations_json(operations: Sequence[tuple[Segment, Operation]]) -> list[dict[str, Any]]:
    """Operations for a result, each with its segment."""
    return [
        {**row, "text": operation.text, "document": segment.document, "segment": segment.index}
        for (segment, operation), row in zip(
            operations, dump_operations([operation for _, operation in operations]), strict=True
        )
    ]


def _segment_runs(segment: Segment, items: Sequence[Mapping[str, Any]]) -> tuple[tuple[Run, ...], Kept]:
    runs: list[Run] = []
    at = 0
    for item in items:
        _, start, end = item["piece"]
        # Pieces without a letter are asked about nowhere and stay with all that is in them.
        runs += runs_between(segment, at, start) if start > at else ()
        runs += load_runs(item["runs"])
        at = end
    runs += runs_between(segment, at, len(segment.text)) if at < len(segment.text) else ()
    worst = max((Kept(item["kept"]) for item in items), key=list(Kept).index)
    if not segment.runs:
        # Breaks were tags for the model alone.
        return (Run(shown_text(runs)),), Kept.OK if worst is Kept.REPAIRED else worst
    return tuple(joined(runs)), worst


def _agree(
    segments: Sequence[Segment], written: dict[int, tuple[tuple[Run, ...], Kept]], asked: Iterable[int]
) -> None:
    """Write cells of a workbook that are the same all like the first, also those nobody answered for: look-ups
    compare them.
    """
    same: dict[tuple[str, tuple[Run, ...]], list[int]] = {}
    for at in sorted(asked):
        segment = segments[at]
        if isinstance(segment.anchor, ExcelAnchor) and segment.kind is SegmentKind.TABLE_ROW:
            same.setdefault((segment.text, segment.runs), []).append(at)
    for cells in same.values():
        answered = next((written[at] for at in cells if at in written), None)
        if answered is not None:
            written.update(dict.fromkeys(cells, answered))


def words_that_differ(before: Sequence[str], after: Sequence[str]) -> list[list[str]]:
    """`[what, text]` in order, what being equal, delete or insert; empty for texts too long to show it.

    By longest common subsequence on bits, which takes milliseconds whatever the texts: it runs on the event loop.
    """
    if sum(map(len, before)) + sum(map(len, after)) > _MOST_DIFF_CHARACTERS:
        return []
    old, new = (_WORDS.findall("\n".join(texts)) for texts in (before, after))
    found: list[list[str]] = []
    for equal, group in groupby(LCSseq.opcodes(old, new), key=lambda one: one.tag == "equal"):
        opcodes = list(group)
        gone = "".join(word for one in opcodes for word in old[one.src_start : one.src_end])
        come = "".join(word for one in opcodes for word in new[one.dest_start : one.dest_end])
        said = [("equal", gone)] if equal else [("delete", gone), ("insert", come)]
        found += [[what, text] for what, text in said if text]
    return found
