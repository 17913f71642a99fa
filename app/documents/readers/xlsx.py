"""Excel workbooks: values by calamine, table by table; what it does not tell comes from the parts themselves.

Read: visible sheets in their order, text boxes, charts' figures, formulas as they stand in the file.
Counted and left out: hidden sheets, rows and columns, comments, pictures.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator

import python_calamine as calamine

from app.documents.errors import EncryptedFile, UnreadableFile
from app.documents.readers.cells import Value, range_name
from app.documents.readers.collecting import Collector
from app.documents.readers.grid import Grid, Place, Row
from app.documents.readers.hiding import count_hidden
from app.documents.readers.labels import package_labels
from app.documents.readers.package import Package
from app.documents.readers.xlsx_asides import read_asides, read_formulas
from app.documents.readers.xlsx_parts import Sheet, SheetFacts, check_strings, look_at, sheets
from app.documents.readers.xlsx_unseen import unseen_formats
from app.documents.segments import ExcelAnchor, Extracted
from app.vocabulary import SegmentKind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MOST_MERGED = 5_000
"""Merged ranges of a sheet whose value is repeated downwards."""


def read(content: bytes) -> Extracted:
    """Segments of an .xlsx. Raises: documents.errors."""
    package = Package(content)
    main = package.main_part()
    if main is None:
        raise UnreadableFile("The file holds no workbook; save it anew in Excel and send that.")
    collector = Collector()
    collector.labels = package_labels(package)
    check_strings(package, main)
    shown = [sheet for sheet in sheets(package, main) if not sheet.is_hidden]
    collector.notes["hidden_sheets"] = len(sheets(package, main)) - len(shown)
    formats = unseen_formats(package, main)
    facts: dict[str, SheetFacts] = {}
    cells = 0
    for sheet in shown:
        if sheet.part is not None and package.has(sheet.part):
            facts[sheet.name] = look_at(package, sheet.part, cells, formats)
            cells += facts[sheet.name].cells
    try:
        with calamine.load_workbook(io.BytesIO(content)) as workbook:
            for sheet in shown:
                if sheet.name in facts:
                    _sheet(package, workbook, sheet, facts[sheet.name], collector)
    except calamine.PasswordError as error:
        raise EncryptedFile from error
    except calamine.CalamineError as error:
        raise UnreadableFile from error
    return collector.extracted(
        MEDIA_TYPE, nothing="The workbook holds no values on a sheet that is shown; there is nothing to read."
    )


def _sheet(
    package: Package,
    workbook: calamine.CalamineWorkbook,
    sheet: Sheet,
    facts: SheetFacts,
    collector: Collector,
) -> None:
    notes = collector.notes
    notes["formulas"] += facts.formulas
    notes["links"] += facts.links
    values = workbook.get_sheet_by_name(sheet.name)
    before = len(collector)
    collector.add(SegmentKind.HEADING, sheet.name, ExcelAnchor(sheet.name, "A1"), level=1)
    if values.start is not None:
        Grid(collector, _place(sheet.name)).read(_rows(values, facts, collector))
    read_formulas(package, sheet, facts, collector)
    read_asides(package, sheet, collector)
    if len(collector) == before + 1:
        collector.withdraw()


def _place(name: str) -> Place:
    return Place(anchor=lambda *at: ExcelAnchor(name, range_name(*at)), range=range_name)


def _rows(values: calamine.CalamineSheet, facts: SheetFacts, collector: Collector) -> Iterator[Row]:
    """The rows that are shown, with blank cells for what is hidden."""
    notes = collector.notes
    top, left = values.start or (0, 0)
    bottom, right = values.end or (0, 0)
    merged = values.merged_cell_ranges or []
    notes["merged_cells"] += len(merged)
    repeated = _Merged(merged[:_MOST_MERGED])
    unseen = _by_row(facts.unseen)
    hidden = sorted(column for column in facts.hidden_columns if left <= column <= right)
    notes["hidden_columns"] += len(hidden)
    notes["hidden_rows"] += sum(top <= row <= bottom for row in facts.hidden_rows)
    # iter_rows begins at the first row of the sheet, but at the first column of the data (python-calamine 0.9).
    for number, row in enumerate(values.iter_rows()):
        if number in facts.hidden_rows:
            continue
        cells: list[Value] = [""] * left + row if left else row
        for column, value in (facts.errors.get(number) or {}).items():
            cells += [""] * (column + 1 - len(cells))
            cells[column] = value
        if number in unseen:
            _leave_out(unseen[number], cells, notes)
        repeated.fill(number, cells)
        for column in hidden:
            cells[column] = ""
        yield number, cells


def _by_row(unseen: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {}
    for row, column in unseen:
        rows.setdefault(row, []).append(column)
    return rows


def _leave_out(columns: Iterable[int], cells: list[Value], notes: Counter[str]) -> None:
    """Blank the cells of a row that nobody sees, and count them."""
    for column in columns:
        if column < len(cells) and cells[column] != "":
            count_hidden(notes, [str(cells[column])])
            cells[column] = ""


class _Merged:
    """Repeats the value of cells that are merged downwards in each of their rows, so that a row says all."""

    def __init__(self, ranges: Iterable[tuple[tuple[int, int], tuple[int, int]]]) -> None:
        self._tall = sorted((top, bottom, left) for (top, left), (bottom, _) in ranges if bottom > top)
        self._tall.reverse()
        self._open: dict[int, tuple[int, Value]] = {}
        """By column: the last row, and the value."""

    def fill(self, number: int, cells: list[Value]) -> None:
        """Fill the row of that number; rows come in order."""
        for column, (bottom, value) in list(self._open.items()):
            if number > bottom:
                del self._open[column]
            elif column < len(cells) and cells[column] == "":
                cells[column] = value
        while self._tall and self._tall[-1][0] <= number:
            top, bottom, left = self._tall.pop()
            if top == number and left < len(cells) and cells[left] != "":
                self._open[left] = bottom, cells[left]
