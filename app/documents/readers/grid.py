"""Tables out of rows of cells: where one begins, what its columns are called, and what is told of a large one.

A table is a run of rows without a blank one between. Its rows become segments, each with its header; of a
large one the first rows do, and the columns' statistics stand for all of them: a whole sheet is no use in
a prompt. What only statistics stand for is counted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from app.documents.readers.cells import Value, shown
from app.documents.readers.collecting import Collector
from app.documents.readers.statistics import Column
from app.documents.segments import Anchor
from app.vocabulary import SegmentKind

MOST_ROWS = 1_000
"""A table with more rows is told in figures."""
MOST_CHARACTERS = 400_000
"""And one whose rows come to more text than this."""
HEAD_ROWS = 20
CELL_JOINT = " | "
_BATCH = 2_000
_NAMED_COLUMNS = 200
"""Columns of a large table that have statistics of their own; further ones are counted."""

Row = tuple[int, list[Value]]
"""A row's number, from 0, and its values."""


@dataclass(frozen=True)
class Place:
    """How a range becomes an anchor: first and last row, first and last column, all from 0."""

    anchor: Callable[[int, int, int, int], Anchor]
    range: Callable[[int, int, int, int], str]


class Grid:
    """Reads the tables of one sheet into a collector."""

    def __init__(
        self,
        collector: Collector,
        place: Place,
        *,
        worth: Callable[[Sequence[Value]], Sequence[Value]] = tuple,
    ) -> None:
        self._collector = collector
        self._place = place
        self._worth = worth
        """What the values of a column are to be taken for in its statistics."""
        self._header: tuple[tuple[int, int], str] | None = None
        """Columns and header of the last table: one that goes on below a blank row has the same."""

    def read(self, rows: Iterable[Row]) -> None:
        """All tables of these rows."""
        pending = iter(rows)
        for first in pending:
            if any(value != "" for value in first[1]):
                self._table(_until_blank(first, pending))

    def _table(self, rows: Iterator[Row]) -> None:
        head: list[Row] = []
        characters = 0
        for row in rows:
            head.append(row)
            characters += sum(len(value) if isinstance(value, str) else 8 for value in row[1])
            if len(head) > MOST_ROWS + 1 or characters > MOST_CHARACTERS:
                break
        further = next(rows, None)
        titles, table = _without_titles(head)
        for row in titles:
            self._row(row, SegmentKind.PARAGRAPH, _columns([row])[0])
        if further is not None:
            self._large(table, chain([further], rows))
        elif table:
            self._small(table)

    def _small(self, rows: list[Row]) -> None:
        columns = _columns(rows)
        names = len(rows) > 1 and _names(rows[0])
        if names:
            self._header = columns, _text(rows[0], columns[0])
        header = self._header[1] if self._header is not None and self._header[0] == columns else None
        for number, row in enumerate(rows):
            named = None if names and number == 0 else header
            self._row(row, SegmentKind.TABLE_ROW, columns[0], named)

    def _large(self, head: list[Row], further: Iterator[Row]) -> None:
        first = next(further) if not head else head.pop(0)
        left = _columns([first, *head[:HEAD_ROWS]])[0]
        named = [shown(value) for value in first[1]] if _names(first) else []
        if not named:
            head.insert(0, first)
        columns: list[Column] = []
        total = last = 0
        for batch in _batches(chain(head, further)):
            last = batch[-1][0]
            _count(columns, [values for _, values in batch], total, self._worth)
            total += len(batch)
        self._tell(columns, named, total=total, top=first[0], first=head[0][0] if head else last, last=last)
        header = _text(first, left) if named else None
        if named:
            self._row(first, SegmentKind.TABLE_ROW, left)
        for row in head[:HEAD_ROWS]:
            self._row(row, SegmentKind.TABLE_ROW, left, header)
        self._collector.notes["rows_only_in_statistics"] += total - min(HEAD_ROWS, len(head))

    def _row(self, row: Row, kind: SegmentKind, left: int, header: str | None = None) -> None:
        anchor = self._place.anchor(row[0], row[0], left, _columns([row])[1])
        self._collector.add(kind, _text(row, left), anchor, header=header)

    def _tell(
        self, columns: Sequence[Column], named: Sequence[str], *, total: int, top: int, first: int, last: int
    ) -> None:
        """One segment for the table and one for each column that holds anything."""
        place, right = self._place, len(columns) - 1
        filled = [at for at, column in enumerate(columns) if not column.is_blank]
        self._collector.add(
            SegmentKind.CELL_RANGE,
            f"{place.range(top, last, filled[0], right)}: {total} rows, {len(filled)} columns",
            place.anchor(top, last, filled[0], right),
        )
        for at in filled[:_NAMED_COLUMNS]:
            name = named[at] if at < len(named) and named[at] else place.range(first, last, at, at)
            text = f"{name}: {columns[at].described()}"
            self._collector.add(SegmentKind.CELL_RANGE, text, place.anchor(first, last, at, at))
        self._collector.notes["columns_without_statistics"] += max(0, len(filled) - _NAMED_COLUMNS)


def _until_blank(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    for row in rows:
        if not any(value != "" for value in row[1]):
            return
        yield row


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


def _count(
    columns: list[Column],
    rows: Sequence[list[Value]],
    before: int,
    worth: Callable[[Sequence[Value]], Sequence[Value]],
) -> None:
    """Add rows to the columns' statistics; a column that begins later was empty `before`."""
    width = max(len(row) for row in rows)
    while len(columns) < width:
        columns.append(Column())
        if before:
            columns[-1].add([""] * before)
    even = [row if len(row) == len(columns) else row + [""] * (len(columns) - len(row)) for row in rows]
    for column, values in zip(columns, zip(*even, strict=True), strict=True):
        column.add(worth(values))


def _without_titles(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Rows of one cell at the top stand above the table; if all are such, there is no table."""
    start = 0
    while start < len(rows) and sum(value != "" for value in rows[start][1]) == 1:
        start += 1
    return rows[:start], rows[start:]


def _names(row: Row) -> bool:
    """Whether a row may name columns: at least two texts, each another, and nothing else."""
    filled = [value for value in row[1] if value != ""]
    texts = {value for value in filled if isinstance(value, str)}
    return 1 < len(filled) == len(texts)


def _columns(rows: Sequence[Row]) -> tuple[int, int]:
    """The first and the last column that any of the rows fills."""
    filled = {at for _, values in rows for at, value in enumerate(values) if value != ""}
    return min(filled), max(filled)


def _text(row: Row, left: int) -> str:
    """The row's cells from column `left` to its last one that holds something."""
    return CELL_JOINT.join(shown(value) for value in row[1][left : _columns([row])[1] + 1])
