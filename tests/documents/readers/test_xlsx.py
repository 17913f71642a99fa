import datetime as dt
import functools
import random

import pytest
from xlsxwriter.workbook import Workbook

from app.documents.errors import NoText, TooComplex, UnreadableFile
from app.documents.readers import xlsx, xlsx_parts
from app.documents.readers.cells import Value, column_name, column_number, range_name, range_of, shown
from app.documents.readers.statistics import Column
from app.documents.segments import ExcelAnchor, Extracted
from tests.documents.workbooks import raw_workbook, workbook

_day = functools.partial(dt.datetime, tzinfo=None)
Told = list[tuple[str, str, str, str | None]]


def _told(extracted: Extracted) -> Told:
    found: Told = []
    for segment in extracted.segments:
        assert isinstance(segment.anchor, ExcelAnchor)
        place = f"{segment.anchor.worksheet}!{segment.anchor.a1}"
        found.append((segment.kind.value, place, segment.text, segment.table_header))
    return found


def test_tables_are_read_row_by_row_with_their_header() -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("Umsatz '26")
        sheet.write(1, 1, "Sales of the year")
        sheet.write_row(2, 1, ["Region", "Date", "Units", "Share"])
        day = book.add_format({"num_format": "dd/mm/yyyy"})
        sheet.write_row(3, 1, ["North"])
        sheet.write_datetime(3, 2, _day(2026, 3, 1), day)
        sheet.write_row(3, 3, [1234567, 0.25])
        sheet.write_row(4, 2, ["open", 7.1, True])
        sheet.write(6, 1, "A remark below.")
        book.add_worksheet("Empty")

    header = "Region | Date | Units | Share"
    extracted = xlsx.read(workbook(fill))
    assert _told(extracted) == [
        ("heading", "Umsatz '26!A1", "Umsatz '26", None),
        ("paragraph", "Umsatz '26!B2", "Sales of the year", None),
        ("table_row", "Umsatz '26!B3:E3", header, None),
        ("table_row", "Umsatz '26!B4:E4", "North | 2026-03-01 | 1234567 | 0.25", header),
        ("table_row", "Umsatz '26!B5:E5", "| open | 7.1 | TRUE", header),
        ("paragraph", "Umsatz '26!B7", "A remark below.", None),
    ]
    assert [segment.heading_path for segment in extracted.segments[1:]] == [("Umsatz '26",)] * 5


def test_what_is_hidden_is_counted_and_not_read() -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("Shown")
        for row in range(4):
            sheet.write_row(row, 0, [f"a{row}", f"secret{row}", f"c{row}"])
        sheet.set_column(1, 1, None, None, {"hidden": True})
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.write_comment("A1", "a comment")
        sheet.write_url(3, 0, "https://example.com/", string="a3")
        for hide in ("hide", "very_hidden"):
            hidden = book.add_worksheet(hide)
            hidden.write(0, 0, "secret")
            getattr(hidden, hide)()

    extracted = xlsx.read(workbook(fill))
    assert [text for _, _, text, _ in _told(extracted)] == ["Shown", "a0 |  | c0", "a1 |  | c1", "a3 |  | c3"]
    assert extracted.notes == {
        "comments": 1,
        "hidden_columns": 1,
        "hidden_rows": 1,
        "hidden_sheets": 2,
        "links": 1,
    }


def test_formulas_filled_down_are_one_piece_and_errors_stay_visible() -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("F")
        sheet.write_row(0, 0, ["Units", "Price", "Total"])
        for row in range(1, 5):
            sheet.write_row(row, 0, [row, 2])
            sheet.write_formula(row, 2, f"=A{row + 1}*B{row + 1}*$D$9", None, row * 2)
        sheet.write_formula(5, 2, "=1/0", None, "#DIV/0!")

    extracted = xlsx.read(workbook(fill))
    assert _told(extracted)[-3:] == [
        ("table_row", "F!A6:C6", "|  | #DIV/0!", "Units | Price | Total"),
        ("cell_range", "F!C2:C5", "C2:C5 = A2*B2*$D$9", None),
        ("cell_range", "F!C6", "C6 = 1/0", None),
    ]
    assert extracted.notes == {"formulas": 5}


def test_a_formula_shared_down_a_column_is_read_once_with_its_range() -> None:
    rows = '<row r="1"><c r="A1"><f t="shared" ref="A1:A3" si="0">B1+1</f><v>1</v></c></row>' + "".join(
        f'<row r="{row}"><c r="A{row}"><f t="shared" si="0"/><v>{row}</v></c></row>' for row in (2, 3)
    )
    assert _told(xlsx.read(raw_workbook(rows)))[-1] == ("cell_range", "Raw!A1:A3", "A1:A3 = B1+1", None)


def test_merged_cells_say_their_value_in_each_of_their_rows() -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("M")
        sheet.merge_range("A1:C1", "Title over all")
        sheet.write_row("A2", ["Region", "Quarter", "Sum"])
        sheet.merge_range("A3:A4", "North")
        sheet.write_row("B3", ["Q1", 1])
        sheet.write_row("B4", ["Q2", 2])

    extracted = xlsx.read(workbook(fill))
    assert [text for _, _, text, _ in _told(extracted)][1:] == [
        "Title over all",
        "Region | Quarter | Sum",
        "North | Q1 | 1",
        "North | Q2 | 2",
    ]
    assert extracted.notes["merged_cells"] == 2


def test_text_boxes_and_charts_are_read_where_they_hang() -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("Drawn")
        sheet.write_row(0, 0, ["Q1", 1])
        sheet.insert_textbox(4, 2, "Read me too")
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=Drawn!$B$1:$B$1", "name": "Units"})
        chart.set_title({"name": "Development"})
        sheet.insert_chart(9, 0, chart)

    found = _told(xlsx.read(workbook(fill)))
    assert ("paragraph", "Drawn!C5", "Read me too", None) in found
    assert ("paragraph", "Drawn!A10", "Development; Units", None) in found


def test_of_a_large_table_the_head_and_figures_over_all_rows_are_read() -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("Large")
        sheet.write(0, 0, "A title")
        sheet.write_row(1, 0, ["Id", "Region", "Due"])
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for row in range(1_500):
            sheet.write_row(row + 2, 0, [row, "North" if row % 3 else "South"])
            if row % 2:
                sheet.write_datetime(row + 2, 2, _day(2026, 1, 1 + row % 28), day)

    extracted = xlsx.read(workbook(fill))
    found = _told(extracted)
    assert found[:7] == [
        ("heading", "Large!A1", "Large", None),
        ("paragraph", "Large!A1", "A title", None),
        ("cell_range", "Large!A2:C1502", "A2:C1502: 1500 rows, 3 columns", None),
        (
            "cell_range",
            "Large!A3:A1502",
            "Id: 1500 numbers, minimum 0, maximum 1499, mean 749.5, sum 1124250",
            None,
        ),
        (
            "cell_range",
            "Large!B3:B1502",
            "Region: 1500 texts, 2 different, most often North (1000), South (500)",
            None,
        ),
        (
            "cell_range",
            "Large!C3:C1502",
            "Due: 750 dates, first 2026-01-02, last 2026-01-28; 750 empty",
            None,
        ),
        ("table_row", "Large!A2:C2", "Id | Region | Due", None),
    ]
    assert len(found) == 7 + 20
    assert extracted.notes == {"rows_only_in_statistics": 1_480}


def test_a_strict_workbook_reads_like_another() -> None:
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t>Strictly</t></is></c></row>'
    assert _told(xlsx.read(raw_workbook(rows, strict=True)))[1] == ("paragraph", "Raw!A1", "Strictly", None)


def test_a_workbook_without_values_says_so() -> None:
    with pytest.raises(NoText, match="no values"):
        xlsx.read(workbook(lambda book: book.add_worksheet("Empty")))


_NOISE = random.Random(1)
"""So that the limit of what a part may unpack to is not what refuses it."""
_CELL = b"<c><v>1</v></c>"
_HOSTILE = {
    "cells": b"".join(
        b"<row>" + _CELL * 200 + _NOISE.randbytes(9).hex().encode() + b"</row>" for _ in range(1_010)
    ),
    "lie so far apart": b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
}


@pytest.mark.parametrize("words", _HOSTILE)
def test_few_bytes_that_would_take_much_memory_are_refused_at_once(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx_parts, "MAX_CELLS", 200_000)
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        + _HOSTILE[words]
        + b"</sheetData></worksheet>"
    )
    content = raw_workbook(sheet)
    with pytest.raises(TooComplex, match=words):
        xlsx.read(content)


def test_too_many_shared_strings_are_refused() -> None:
    strings = b"".join(b"<si/>" * 300 + _NOISE.randbytes(9).hex().encode() for _ in range(7_000))
    with pytest.raises(TooComplex, match="texts"):
        xlsx.read(raw_workbook("", strings=b"<sst>" + strings + b"</sst>"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_document_type_in_a_sheet_is_refused(encoding: str) -> None:
    declared = '<!DOCTYPE x [<!ENTITY a "b">]><worksheet/>'.encode(encoding)
    with pytest.raises(UnreadableFile, match="document type"):
        xlsx.read(raw_workbook(declared))


def test_values_mean_the_same_in_every_country() -> None:
    cases: list[tuple[Value, str]] = [
        (1234567.0, "1234567"),
        (0.1 + 0.2, "0.3"),
        (1e300, "1e+300"),
        (float("inf"), "inf"),
        (_day(2026, 1, 2, 3, 4, 5, 600), "2026-01-02 03:04:05"),
        (_day(2026, 1, 2), "2026-01-02"),
        (dt.time(12, 30), "12:30:00"),
        (dt.timedelta(hours=-26), "-26:00:00"),
        ("  a\nb ", "a b"),
    ]
    assert [shown(value) for value, _ in cases] == [text for _, text in cases]


def test_names_of_cells_go_both_ways() -> None:
    assert [column_name(at) for at in (0, 25, 26, 701, 702, 16_383)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]
    assert all(column_number(column_name(at)) == at for at in range(16_384))
    assert (range_name(0, 0, 0, 0), range_name(0, 8, 1, 27)) == ("A1", "B1:AB9")
    assert (range_of("A1"), range_of("B1:AB9")) == ((0, 0, 0, 0), (0, 8, 1, 27))


def test_statistics_of_mixed_columns_and_of_many_texts() -> None:
    column = Column()
    column.add([1, 2.5, "", "x", True])
    column.add(["y", "x"])
    assert column.described() == (
        "2 numbers, minimum 1, maximum 2.5, mean 1.75, sum 3.5;"
        " 4 texts, 3 different, most often x (2), TRUE (1), y (1); 1 empty"
    )
    many = Column()
    many.add([str(number) for number in range(1_001)])
    assert many.described() == "1001 texts, more than 1000 different"
