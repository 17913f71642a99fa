"""What the pane sends of an open document itself: its own paragraphs, cells and shapes, or a range of cells."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.documents.normalize import text_hash
from app.documents.readers.cells import column_name, column_number, shown
from app.documents.segments import ExcelAnchor, Extracted, PaneAnchor, Run, Segment
from app.vocabulary import SegmentKind

MOST_CELLS = 50_000
SEGMENTS_MEDIA_TYPE = "application/vnd.switchboard.segments+json"
CELLS_MEDIA_TYPE = "application/vnd.switchboard.cells+json"

_CELL = re.compile(r"\$?([A-Za-z]{1,3})\$?([1-9][0-9]{0,6})")
Value = str | bool | int | float | None


@dataclass(frozen=True)
class InlineSegment:
    """A piece of text under the pane's own name for its place. Runs, where there are any, are together the text."""

    client_ref: str
    text: str
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True)
class CellRange:
    """A range of cells row by row, its first cell at `a1`; the first row holds the names of the columns."""

    worksheet: str
    a1: str
    values: Sequence[Sequence[Value]]


def read_inline_segments(pieces: Sequence[InlineSegment]) -> Extracted:
    """The pane's pieces as segments; each anchor holds the pane's name and guards the text."""
    segments = tuple(
        Segment(
            index,
            SegmentKind.PARAGRAPH,
            piece.text,
            PaneAnchor(piece.client_ref, text_hash(piece.text)),
            runs=piece.runs,
        )
        for index, piece in enumerate(pieces)
    )
    return Extracted(SEGMENTS_MEDIA_TYPE, segments)


def read_cells(cells: CellRange) -> Extracted:
    """A segment for each cell that holds something, so that each can be found and cited."""
    found = tuple(
        Segment(index, SegmentKind.PARAGRAPH, text, ExcelAnchor(cells.worksheet, a1))
        for index, (a1, text) in enumerate(_filled(cells))
    )
    return Extracted(CELLS_MEDIA_TYPE, found)


def place_of(a1: str) -> tuple[int, int]:
    """Row and column of a cell, from 0. Raises: ValueError if it names none."""
    found = _CELL.fullmatch(a1)
    if found is None:
        raise ValueError(f"{a1!r} names no cell")
    return int(found[2]) - 1, column_number(found[1])


def _filled(cells: CellRange) -> Iterator[tuple[str, str]]:
    top, left = place_of(cells.a1)
    for row, values in enumerate(cells.values, start=top + 1):
        for column, value in enumerate(values, start=left):
            text = "" if value is None else shown(value)
            if text.strip():
                yield f"{column_name(column)}{row}", text
