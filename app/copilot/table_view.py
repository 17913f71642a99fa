"""A range of cells as a model reads it: figures over each column, worked out by code, then row after row."""

from collections.abc import Sequence
from dataclasses import replace

from app.documents.inline import place_of
from app.documents.readers.cells import range_name
from app.documents.readers.statistics import Column
from app.documents.segments import ExcelAnchor, Segment
from app.vocabulary import SegmentKind

_BETWEEN = " | "


def as_table(segments: Sequence[Segment]) -> Sequence[Segment]:
    """Rows and columns of a range whose cells these are; whatever else they are stays as it is."""
    cells: dict[tuple[int, int], str] = {}
    worksheet = None
    for segment in segments:
        if not isinstance(segment.anchor, ExcelAnchor) or ":" in segment.anchor.a1:
            return segments
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


def _row(cells: dict[tuple[int, int], str], row: int, columns: Sequence[int]) -> str:
    return _BETWEEN.join(cells.get((row, column), "") for column in columns)


def _figures(values: Sequence[str]) -> str:
    column = Column()
    column.add([_value(value) for value in values])
    return "" if column.is_blank else column.described()


def _value(text: str) -> str | float:
    try:
        return float(text) if text[-1:].isdigit() and text.isascii() else text
    except ValueError:
        return text
