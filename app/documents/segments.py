"""Segments and anchors: a document as a list of pieces, each with its place in Office.

The JSON form is what is sealed into the segment blob and what citations show.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
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


@dataclass(frozen=True)
class ExcelAnchor:
    """A cell or a range of a workbook, as Excel writes it ("B7", "A2:F2"), without the sheet's name."""

    worksheet: str
    a1: str
    type: Literal["excel"] = "excel"


@dataclass(frozen=True)
class PowerPointAnchor:
    """A paragraph of a shape, from 0; of a table it counts through the cells, row by row.

    Ids are those of Office.js as numbers: the slide's (`p:sldId`, before the `#`) and the shape's.
    `part` is "notes", "layout" or "master" where the shape stands there, with ids of its own.
    """

    slide_id: int
    shape_id: int
    paragraph: int
    part: str | None = None
    type: Literal["powerpoint"] = "powerpoint"


@dataclass(frozen=True)
class OutlookAnchor:
    """A place in a mail: "headers" or "body", after "2/" and the like for each mail attached around it.

    `quote` is how the text begins there. `item_id` is Outlook's, known only to who fetched the mail.
    """

    part: str
    quote: str
    item_id: str | None = None
    type: Literal["outlook"] = "outlook"


@dataclass(frozen=True)
class PaneAnchor:
    """A place that only the pane knows, by the name that it sent (`client_ref`); `text_hash` guards its text."""

    client_ref: str
    text_hash: str
    type: Literal["pane"] = "pane"


Anchor = WordAnchor | PdfAnchor | TextAnchor | ExcelAnchor | PowerPointAnchor | OutlookAnchor | PaneAnchor
_ANCHORS: Mapping[str, Callable[..., Anchor]] = {
    "word": WordAnchor,
    "text": TextAnchor,
    "excel": ExcelAnchor,
    "powerpoint": PowerPointAnchor,
    "outlook": OutlookAnchor,
    "pane": PaneAnchor,
}


class RunKind(StrEnum):
    """What a run is. All but text are opaque: kept as they are, only their place can change."""

    TEXT = "text"
    TAB = "tab"
    BREAK = "break"
    """Of a line, column or page."""
    NOTE = "note"
    """The reference to a foot- or endnote."""
    FIELD = "field"
    """A page number, a cross-reference, a date: its text is worked out by Office."""
    OBJECT = "object"
    """A picture, a shape, a formula, a control, or anything that is not known here."""
    JOINT = "joint"
    """The border between two paragraphs or cells of one segment; its place in the order never changes."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of a segment's text. Tag 0 is the usual formatting of its paragraph, any other is one item's own."""

    text: str
    tag: int = 0
    kind: RunKind = RunKind.TEXT


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
    runs: tuple[Run, ...] = ()
    """Together the text. None where it has one formatting and nothing in it is opaque."""

    def is_header_of(self, row: "Segment") -> bool:
        """Whether it is the row that names the columns of this row's table.

        A header is told with the empty cells at its ends, and without the line of dashes that Markdown puts below.
        """
        if row.table_header is None or row.document != self.document:
            return False
        text = self.text.strip()
        return row.table_header.strip() in {text, text.partition("\n")[0].strip()}


@dataclass(frozen=True)
class SensitivityLabel:
    """A label of Microsoft Purview as the file carries it; nobody vouches for what stands there.

    `id` and `site_id` (the tenant that set it) are GUIDs. A label that was taken off is not enabled.
    """

    id: str
    site_id: str | None = None
    name: str | None = None
    is_enabled: bool = True


@dataclass(frozen=True)
class Extracted:
    """What a reader found. `notes` counts what was not taken or read in a certain way, by name."""

    media_type: str
    segments: tuple[Segment, ...]
    notes: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[SensitivityLabel, ...] = ()


def anchor_json(anchor: Anchor) -> dict[str, Any]:
    """The tagged union as JSON."""
    return {key: value for key, value in asdict(anchor).items() if value is not None}


def runs_json(runs: Sequence[Run]) -> list[list[Any]]:
    """Runs as JSON: `[text]`, `[text, tag]` or `[text, tag, kind]`, as short as it can be."""
    return [_run_json(run) for run in runs]


def load_runs(value: Sequence[Sequence[Any]]) -> tuple[Run, ...]:
    """Runs that `runs_json` made."""
    return tuple(Run(each[0], *each[1:2], *map(RunKind, each[2:3])) for each in value)


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
            **({"runs": runs_json(segment.runs)} if segment.runs else {}),
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
            anchor=load_anchor(row["anchor"]),
            heading_path=tuple(row["path"]),
            level=row["level"],
            table_header=row["header"],
            runs=load_runs(row.get("runs", ())),
        )
        for index, row in enumerate(json.loads(blob))
    )


def _run_json(run: Run) -> list[Any]:
    if run.kind is not RunKind.TEXT:
        return [run.text, run.tag, run.kind]
    return [run.text, run.tag] if run.tag else [run.text]


def load_anchor(value: dict[str, Any]) -> Anchor:
    """The anchor that `anchor_json` made. Raises: ValueError for an unknown type."""
    if value["type"] == "pdf":
        return PdfAnchor(**{**value, "bbox": tuple(value["bbox"])})
    kind = _ANCHORS.get(value["type"])
    if kind is None:
        raise ValueError(f"unknown anchor type {value['type']!r}")
    return kind(**value)
