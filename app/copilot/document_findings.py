"""What a result says of text that reads as if it were meant for the model: where it stands, never what it says."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.documents.segments import OutlookAnchor, Segment, anchor_json
from app.documents.suspicion import Finding, FindingKind

SCHEMA: Mapping[str, Any] = {
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


def with_findings(result: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a task type's result with what every result says of its documents."""
    return {**result, "properties": {**result["properties"], "findings": SCHEMA}}


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
