"""What every result says of its documents: how each was read, and what reads as if it were meant for the model.

Of the latter it says where it stands, never what it says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.documents.segments import OutlookAnchor, Segment, anchor_json
from app.documents.service import DocumentReading
from app.documents.suspicion import Finding, FindingKind

DOCUMENTS: Mapping[str, Any] = {
    "type": "array",
    "description": "how each of the input's documents was read, in their order",
    "items": {
        "type": "object",
        "required": ["notes", "findings"],
        "properties": {
            "notes": {
                "type": "object",
                "description": "counts of what was left out (hidden_text, ...) or read in a certain way"
                " (tracked_changes as accepted, rows_only_in_statistics, ...)",
                "additionalProperties": {"type": "integer"},
            },
            "findings": {
                "type": "array",
                "description": "text that reads as if it were meant for the model; it was not obeyed",
                "items": {
                    "type": "object",
                    "required": ["kind", "count"],
                    "properties": {
                        "kind": {"enum": [str(kind) for kind in FindingKind]},
                        "count": {
                            "type": "integer",
                            "description": "segments with it; of hidden text, places",
                        },
                        "segment": {
                            "type": "integer",
                            "description": "the first; none for hidden text and names",
                        },
                        "anchor": {"type": "object"},
                    },
                },
            },
        },
    },
}
_ROWS = "rows_only_in_statistics"


def described_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a task type's result with what every result says of its documents."""
    return {**result, "properties": {**result["properties"], "documents": DOCUMENTS}}


def with_readings(
    result: Mapping[str, Any], told: Sequence[DocumentReading], segments: Sequence[Segment]
) -> dict[str, Any]:
    """A result with what it says of its documents.

    Rows of a large table that stand in no segment, only in the figures over its columns, are told beside the
    coverage, whose shares are of segments. A file is made of every text that can be written: there are no such
    rows, and its segments are not those in which something was found.
    """
    is_file = bool(result.get("file"))
    starts: dict[int, int] = {}
    for segment in () if is_file else segments:
        starts.setdefault(segment.document, segment.index)
    documents = [
        {
            "notes": dict(one.notes),
            "findings": [
                {
                    "kind": str(finding.kind),
                    "count": finding.count,
                    **_place(finding, starts.get(number), segments),
                }
                for finding in one.findings
            ],
        }
        for number, one in enumerate(told)
    ]
    rows = sum(one.notes.get(_ROWS, 0) for one in told)
    if not rows or is_file or "coverage" not in result:
        return {**result, "documents": documents}
    return {**result, "documents": documents, "coverage": {**result["coverage"], _ROWS: rows}}


def _place(finding: Finding, start: int | None, segments: Sequence[Segment]) -> dict[str, Any]:
    """Where the first segment stands in the job's own count; nothing where that is not known."""
    at = None if finding.segment is None or start is None else start + finding.segment
    if at is None or at >= len(segments):
        return {}
    anchor = segments[at].anchor
    shown = anchor_json(anchor)
    if isinstance(anchor, OutlookAnchor):
        # It quotes the text.
        shown["quote"] = ""
    return {"segment": at, "anchor": shown}
