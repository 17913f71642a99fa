"""A table as a model reads it: figures over each column, worked out by code, then row after row.

A range comes cell by cell from the pane. Of a workbook the reader has made rows, and figures where there are many.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.documents.inline import place_of
from app.documents.readers.cells import range_name
from app.documents.readers.grid import CELL_JOINT
from app.documents.readers.statistics import Column
from app.documents.segments import Anchor, ExcelAnchor, Segment
from app.vocabulary import SegmentKind

_LEAST_ROWS = 2
"""Of fewer rows figures say nothing."""


def as_table(segments: Sequence[Segment]) -> Sequence[Segment]:
    """Rows and columns of a range whose cells these are; of a workbook's tables the figures are added."""
    cells: dict[tuple[int, int], str] = {}
    worksheet = None
    for segment in segments:
        if not isinstance(segment.anchor, ExcelAnchor) or ":" in segment.anchor.a1:
            return _with_figures(segments)
        worksheet = segment.anchor.worksheet
        cells[place_of(segment.anchor.a1)] = segment.text
    if worksheet is None:
        return segments
    rows = sorted({row for row, _ in cells})
    columns = sorted({column for _, column in cells})
    header = _row(cells, rows[0], columns)

    def place(first: int, last: int, left: int, right: int) -> ExcelAnchor:
        return ExcelAnchor(worksheet, range_name(first, last, left, right))

    found = [Segment(0, SegmentKind.TABLE_ROW, header, place(rows[0], rows[0], columns[0], columns[-1]))]
    for column in columns if len(rows) > 1 else ():
        figures = _figures([cells.get((row, column), "") for row in rows[1:]])
        if figures:
            name = cells.get((rows[0], column), "")
            anchor = place(rows[1], rows[-1], column, column)
            found.append(Segment(0, SegmentKind.CELL_RANGE, f"{name}: {figures}", anchor))
    for row in rows[1:]:
        text, anchor = _row(cells, row, columns), place(row, row, columns[0], columns[-1])
        found.append(Segment(0, SegmentKind.TABLE_ROW, text, anchor, table_header=header))
    return [replace(segment, index=at) for at, segment in enumerate(found)]


def _with_figures(segments: Sequence[Segment]) -> Sequence[Segment]:
    """The same with figures over the columns of each small table, after the row that names them."""
    found: list[Segment] = []
    for at, segment in enumerate(segments):
        found.append(segment)
        if segment.kind is not SegmentKind.TABLE_ROW or segment.table_header is not None:
            continue
        if at and segments[at - 1].kind is SegmentKind.CELL_RANGE:
            # The figures of a large table stand before its first rows.
            continue
        rows: list[Segment] = []
        for row in segments[at + 1 :]:
            # White space at the ends is told of a header above rows, not of the row itself.
            if (
                row.kind is not SegmentKind.TABLE_ROW
                or (row.table_header or "").strip() != segment.text.strip()
            ):
                break
            rows.append(row)
        found += _column_figures(segment, rows)
    if len(found) == len(segments):
        return segments
    return [replace(segment, index=at) for at, segment in enumerate(found)]


def _column_figures(header: Segment, rows: Sequence[Segment]) -> list[Segment]:
    if len(rows) < _LEAST_ROWS:
        return []
    names = _by_column(header)
    values = [each for each in map(_by_column, rows) if each is not None]
    if names is None or len(values) < len(rows):
        return []
    if any(not each.keys() <= names.keys() for each in values):
        return []
    found: list[Segment] = []
    for column in sorted({column for each in values for column in each}):
        figures = _figures([each.get(column, "") for each in values])
        if figures:
            text = f"{names.get(column, '')}: {figures}"
            anchor = _below(header.anchor, rows, column)
            found.append(
                Segment(
                    0, SegmentKind.CELL_RANGE, text, anchor, header.heading_path, document=header.document
                )
            )
    return found


def _below(header: Anchor, rows: Sequence[Segment], column: int) -> Anchor:
    """The cells of a column; where only rows have places, that of the row that names it."""
    if not isinstance(header, ExcelAnchor):
        return header
    first, last = (_ends(row)[0][0] for row in (rows[0], rows[-1]))
    return ExcelAnchor(header.worksheet, range_name(first, last, column, column))


def _by_column(row: Segment) -> dict[int, str] | None:
    """The cells of a row; None where a cell's own text looks like the border of two."""
    # White space at the ends is not told.
    text = f" {row.text}" if row.text.startswith(CELL_JOINT.strip()) else row.text
    texts = text.split(CELL_JOINT)
    if not isinstance(row.anchor, ExcelAnchor):
        return dict(enumerate(texts))
    (_, left), (_, right) = _ends(row)
    return None if len(texts) > right - left + 1 else dict(enumerate(texts, start=left))


def _ends(row: Segment) -> tuple[tuple[int, int], tuple[int, int]]:
    first, _, last = row.anchor.a1.partition(":") if isinstance(row.anchor, ExcelAnchor) else ("A1", "", "")
    return place_of(first), place_of(last or first)


def _row(cells: dict[tuple[int, int], str], row: int, columns: Sequence[int]) -> str:
    return CELL_JOINT.join(cells.get((row, column), "") for column in columns)


def _figures(values: Sequence[str]) -> str:
    column = Column()
    column.add([_value(value) for value in values])
    return "" if column.is_blank else column.described()


def _value(text: str) -> str | float:
    try:
        return float(text) if text[-1:].isdigit() and text.isascii() else text
    except ValueError:
        return text
