"""Workbooks made anew: cells of text follow, numbers, formulas and names do not."""

import io
import zipfile

import openpyxl
import pytest
import xlsxwriter
from lxml import etree

from app.documents.operations import Operation, operation_for
from app.documents.segments import ExcelAnchor, Run, Segment
from app.documents.tags import from_tags, with_tags
from app.documents.writing import apply, writable
from tests.documents.formatted import elements, parts, pseudo_translated

_X = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def workbook() -> bytes:
    """A workbook with each kind of text, and with what must never change."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        plain = book.add_format()
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet("Docks")
        sheet.write_row("A1", ["Place", "State", 2026])
        sheet.write_row("A2", ["North", "open", 12])
        sheet.write_row("A3", ["South", "open", 30])
        sheet.write_rich_string("A4", plain, "Pay ", bold, "now", plain, " or later")
        sheet.write("A5", "two\nlines")
        sheet.write_formula("C4", '=SUM(C2:C3)&" open"', None, "42 open")
        book.define_name("Places", "=Docks!$A$2:$A$3")
        sheet.insert_textbox("E2", "In a box")
        chart = book.add_chart({"type": "column"})
        chart.add_series({"name": "=Docks!$B$1", "values": "=Docks!$C$2:$C$3"})
        chart.set_title({"name": "Ships a year"})
        sheet.insert_chart("E8", chart)
        sheet.write_comment("A2", "A remark that stays")
        other = book.add_worksheet("Stock")
        other.add_table("A1:B3", {"columns": [{"header": "Good"}, {"header": "Count"}]})
        other.write_row("A2", ["Rope", 3])
        other.write_row("A3", ["open", 4])
        hidden = book.add_worksheet("Old")
        hidden.write("A1", "North")
        hidden.hide()
    return buffer.getvalue()


_BOOK = workbook()
_SEGMENTS = writable(_BOOK).segments


def _place(segment: Segment) -> tuple[str, str]:
    assert isinstance(segment.anchor, ExcelAnchor)
    return segment.anchor.worksheet, segment.anchor.a1


def _answered(segment: Segment, answer: str) -> Operation:
    return operation_for(segment, from_tags(answer, segment.runs or (Run(segment.text),)))


def _values(content: bytes) -> dict[str, dict[str, object]]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    return {
        sheet.title: {cell.coordinate: cell.value for row in sheet for cell in row if cell.value is not None}
        for sheet in book
    }


def test_every_text_is_a_segment_of_its_own_and_hidden_sheets_and_column_names_are_none() -> None:
    extracted = writable(_BOOK)
    assert [(*_place(each), each.text) for each in extracted.segments] == [
        ("Docks", "A1", "Place"),
        ("Docks", "B1", "State"),
        ("Docks", "A2", "North"),
        ("Docks", "B2", "open"),
        ("Docks", "A3", "South"),
        ("Docks", "B3", "open"),
        ("Docks", "A4", "Pay now or later"),
        ("Docks", "A5", "two\nlines"),
        ("Docks", "E8", "Ships a year"),
        ("Docks", "E2", "In a box"),
        ("Stock", "A2", "Rope"),
        ("Stock", "A3", "open"),
    ]
    assert [with_tags(each.runs) for each in extracted.segments if each.runs] == [
        "Pay <g1>now</g1> or later",
        "two<x1/>lines",
    ]
    assert extracted.notes == {"column_names_kept": 2, "hidden_sheets": 1}


def test_texts_follow_and_everything_else_is_as_it_was() -> None:
    produced = apply(_BOOK, [pseudo_translated(segment) for segment in _SEGMENTS])
    assert (len(produced.applied), produced.refused) == (len(_SEGMENTS), ())
    old, new = _values(_BOOK), _values(produced.content)
    for sheet, cells in old.items():
        for a1, value in cells.items():
            moved = isinstance(value, str) and (sheet, a1) in map(_place, _SEGMENTS)
            assert new[sheet][a1] == (value.swapcase() if moved and isinstance(value, str) else value)
    assert new["Docks"]["C4"] == '=SUM(C2:C3)&" open"'
    assert new["Old"] == {"A1": "North"}
    before, after = parts(_BOOK), parts(produced.content)
    changed = {name for name in before if before[name] != after[name]}
    # The hidden sheet and the table's names share texts with cells that follow: those get texts of their own.
    assert changed == {
        *("xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"),
        *("xl/drawings/drawing1.xml", "xl/charts/chart1.xml"),
    }
    assert elements(produced.content, ("b", "r", "f", "definedName", "c", "v")) >= elements(
        _BOOK, ("b", "f", "definedName", "c", "v")
    )
    assert b"<a:t>sHIPS A YEAR</a:t>" in after["xl/charts/chart1.xml"]
    assert b"iN A BOX" in after["xl/drawings/drawing1.xml"]


def test_a_text_that_all_its_cells_give_up_is_changed_in_place_and_the_sheets_stay() -> None:
    chosen = [segment for segment in _SEGMENTS if segment.text == "open"]
    assert len(chosen) == 3
    produced = apply(_BOOK, [_answered(segment, "offen") for segment in chosen])
    before, after = parts(_BOOK), parts(produced.content)
    assert [name for name in before if before[name] != after[name]] == ["xl/sharedStrings.xml"]
    assert before["xl/sharedStrings.xml"].count(b"<si>") == after["xl/sharedStrings.xml"].count(b"<si>")


def test_a_cell_that_parts_from_the_others_gets_a_text_of_its_own() -> None:
    first, second, third = [segment for segment in _SEGMENTS if segment.text == "open"]
    produced = apply(_BOOK, [_answered(first, "offen"), _answered(third, "geöffnet")])
    new = _values(produced.content)
    assert (new["Docks"]["B2"], new["Docks"]["B3"], new["Stock"]["A3"]) == ("offen", "open", "geöffnet")
    strings = etree.fromstring(parts(produced.content)["xl/sharedStrings.xml"])
    assert strings.get("uniqueCount") == str(len(strings))
    assert strings.get("count") == etree.fromstring(parts(_BOOK)["xl/sharedStrings.xml"]).get("count")
    assert second.text == "open"


def test_rich_text_follows_the_order_of_the_answer_and_lines_stay_lines() -> None:
    rich, lines = [segment for segment in _SEGMENTS if segment.runs]
    produced = apply(
        _BOOK, [_answered(rich, "<g1>Jetzt</g1> oder später zahlen"), _answered(lines, "zwei<x1/>Zeilen")]
    )
    found = [
        each
        for each in etree.fromstring(parts(produced.content)["xl/sharedStrings.xml"])
        if "oder" in etree.tostring(each, encoding="unicode")
    ]
    runs = [(each.find(f"{_X}rPr/{_X}b") is not None, each.findtext(f"{_X}t")) for each in found[0]]
    assert runs == [(True, "Jetzt"), (False, " oder später zahlen")]
    assert _values(produced.content)["Docks"]["A5"] == "zwei\nZeilen"


def _with(content: bytes, name: str, old: bytes, new: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        for each, part in parts(content).items():
            assert each != name or old in part
            container.writestr(each, part.replace(old, new) if each == name else part)
    return buffer.getvalue()


@pytest.mark.parametrize("named", [True, False])
def test_texts_that_stand_in_the_sheet_itself_are_written_there(named: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    cell = b'<c r="A2" t="s"><v>2</v></c>'
    inline = b'<c%s t="inlineStr"><is><t>Inline</t><rPh sb="0" eb="1"><t>x</t></rPh></is></c>' % (
        b' r="A2"' if named else b""
    )
    content = _with(_BOOK, "xl/worksheets/sheet1.xml", cell, inline)
    (segment,) = (each for each in writable(content).segments if each.text == "Inline")
    assert _place(segment) == ("Docks", "A2")
    produced = apply(content, [_answered(segment, "In der Zelle")])
    assert _values(produced.content)["Docks"]["A2"] == "In der Zelle"
    assert b"rPh" not in parts(produced.content)["xl/worksheets/sheet1.xml"]


@pytest.mark.parametrize(
    "number", ["²", "9" * 5_000, "-1", ""], ids=["superscript", "long", "negative", "none"]
)
def test_an_odd_number_in_the_sheet_names_no_text(number: str) -> None:
    odd = '<c r="A2" t="s"><v>' + number + "</v></c>"
    content = _with(_BOOK, "xl/worksheets/sheet1.xml", b'<c r="A2" t="s"><v>2</v></c>', odd.encode())
    places = [_place(each) for each in writable(content).segments if isinstance(each.anchor, ExcelAnchor)]
    assert ("Docks", "A2") not in places
    assert places


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b' fullCalcOnLoad="1"', b""),
        (b'<calcPr calcId="124519" fullCalcOnLoad="1"/>', b""),
        (b"fullCalcOnLoad", b"fullCalcOnLoad"),
    ],
    ids=["not told", "nothing", "told"],
)
def test_excel_works_formulas_out_anew_where_texts_have_changed(old: bytes, new: bytes) -> None:
    content = _with(_BOOK, "xl/workbook.xml", old, new)
    segments = writable(content).segments
    produced = apply(content, [pseudo_translated(segment) for segment in segments])
    made = parts(produced.content)["xl/workbook.xml"]
    book = etree.fromstring(made)
    names = [etree.QName(each).localname for each in book]
    assert book.find(f"{_X}calcPr").get("fullCalcOnLoad") == "1"  # type: ignore[union-attr]
    assert names.index("calcPr") == names.index("definedNames") + 1
    assert (made == parts(content)["xl/workbook.xml"]) is (old == new)
    (box,) = (each for each in segments if each.text == "In a box")
    produced = apply(content, [pseudo_translated(box)])
    assert parts(produced.content)["xl/workbook.xml"] == parts(content)["xl/workbook.xml"]
