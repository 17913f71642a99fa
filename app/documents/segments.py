"""Segments and anchors: a document as a list of pieces, each with its place in Office.

The JSON form is what is sealed into the segment blob and what citations show.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from app.vocabulary import SegmentKind


@dataclass(frozen=True)
class WordAnchor:
    """A paragraph of a Word document: part, position in it, and hashes of it and its neighbours."""

    part: str
    ordinal: int
    text_hash: str
    before_hash: str
    after_hash: str
    para_id: str | None = None
    type: Literal["word"] = "word"


@dataclass(frozen=True)
class PdfAnchor:
    """A page (from 1) and a box on it: left, bottom, right, top in points."""

    page: int
    bbox: tuple[float, float, float, float]
    type: Literal["pdf"] = "pdf"


@dataclass(frozen=True)
class TextAnchor:
    """Offset and length in UTF-16 code units, as JavaScript counts; line from 1."""

    offset: int
    length: int
    line: int
    type: Literal["text"] = "text"


Anchor = WordAnchor | PdfAnchor | TextAnchor


@dataclass(frozen=True)
class Segment:
    """A piece of a document. `index` counts from 0 in reading order; `level` is a heading's depth."""

    index: int
    kind: SegmentKind
    text: str
    anchor: Anchor
    heading_path: tuple[str, ...] = ()
    level: int | None = None
    table_header: str | None = None
    """Header row of the table that a table row belongs to; repeated for models, never counted as body."""
    document: int = 0
    """Which of a job's documents it is of, from 0; each is stored without."""


@dataclass(frozen=True)
class Extracted:
    """What a reader found. `notes` counts what was not taken or read in a certain way, by name."""

    media_type: str
    segments: tuple[Segment, ...]
    notes: Mapping[str, int] = field(default_factory=dict)


def anchor_json(anchor: Anchor) -> dict[str, Any]:
    """The tagged union as JSON."""
    return {key: value for key, value in asdict(anchor).items() if value is not None}


def dump_segments(segments: Sequence[Segment]) -> bytes:
    """The segment blob."""
    rows = [
        {
            "kind": segment.kind,
            "text": segment.text,
            "anchor": anchor_json(segment.anchor),
            "path": list(segment.heading_path),
            "level": segment.level,
            "header": segment.table_header,
        }
        for segment in segments
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def load_segments(blob: bytes) -> tuple[Segment, ...]:
    """The segments of a blob that `dump_segments` made."""
    return tuple(
        Segment(
            index=index,
            kind=SegmentKind(row["kind"]),
            text=row["text"],
            anchor=_anchor(row["anchor"]),
            heading_path=tuple(row["path"]),
            level=row["level"],
            table_header=row["header"],
        )
        for index, row in enumerate(json.loads(blob))
    )


def _anchor(value: dict[str, Any]) -> Anchor:
    match value["type"]:
        case "word":
            return WordAnchor(**value)
        case "pdf":
            return PdfAnchor(**{**value, "bbox": tuple(value["bbox"])})
        case "text":
            return TextAnchor(**value)
        case other:
            raise ValueError(f"unknown anchor type {other!r}")
