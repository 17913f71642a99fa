"""What every result says of its documents: how each was read, and what reads as if it were meant for the model.

Of the latter it says where it stands, never what it says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.documents.segments import OutlookAnchor, Segment, anchor_json
from app.documents.service import DocumentReading
from app.documents.suspicion import Finding, FindingKind

FINDINGS: Mapping[str, Any] = {
    "type": "array",
    "description": "text of the documents that reads as if it were meant for the model; it was not obeyed",
    "items": {
        "type": "object",
        "required": ["document", "kind", "count"],
        "properties": {
            "document": {"type": "integer", "description": "which of the input's documents, from 0"},
            "kind": {"enum": [str(kind) for kind in FindingKind]},
            "count": {"type": "integer", "description": "segments with it; of hidden text, places"},
            "segment": {"type": "integer", "description": "the first; none for hidden text and file names"},
            "anchor": {"type": "object"},
        },
    },
}


DOCUMENTS: Mapping[str, Any] = {
    "type": "array",
    "description": "how each of the input's documents was read, in their order",
    "items": {
        "type": "object",
        "required": ["notes"],
        "properties": {
            "notes": {
                "type": "object",
                "description": "counts of what was left out (hidden_text, ...) or read in a certain way"
                " (tracked_changes as accepted, rows_only_in_statistics, ...)",
                "additionalProperties": {"type": "integer"},
            }
        },
    },
}
_ROWS = "rows_only_in_statistics"


def described_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a task type's result with what every result says of its documents."""
    every = {**result["properties"], "findings": FINDINGS, "documents": DOCUMENTS}
    return {**result, "properties": every}


def with_readings(
    result: Mapping[str, Any], told: Sequence[DocumentReading], segments: Sequence[Segment]
) -> dict[str, Any]:
    """A result with what it says of its documents.

    Rows of a large table that stand in no segment, only in the figures over its columns, are told beside the
    coverage, whose shares are of segments; a file is made of the cells themselves.
    """
    found: dict[str, Any] = {
        "findings": placed([one.findings for one in told], segments),
        "documents": [{"notes": dict(one.notes)} for one in told],
    }
    rows = sum(one.notes.get(_ROWS, 0) for one in told)
    if rows and "coverage" in result and not result.get("file"):
        found["coverage"] = {**result["coverage"], _ROWS: rows}
    return {**result, **found}


def placed(found: Sequence[Sequence[Finding]], segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """The findings of each document with the place of their first segment in the job's own count."""
    starts: dict[int, int] = {}
    for segment in segments:
        starts.setdefault(segment.document, segment.index)
    return [
        {
            "document": number,
            "kind": str(finding.kind),
            "count": finding.count,
            **_place(finding, starts.get(number, 0), segments),
        }
        for number, findings in enumerate(found)
        for finding in findings
    ]


def _place(finding: Finding, start: int, segments: Sequence[Segment]) -> dict[str, Any]:
    at = None if finding.segment is None else start + finding.segment
    if at is None or at >= len(segments):
        return {}
    anchor = segments[at].anchor
    shown = anchor_json(anchor)
    if isinstance(anchor, OutlookAnchor):
        # It quotes the text.
        shown["quote"] = ""
    return {"segment": at, "anchor": shown}
