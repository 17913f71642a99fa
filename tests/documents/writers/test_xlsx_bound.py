"""Cells that something else in the workbook goes by: they stay, are counted, and everything still agrees."""

import io
import zipfile

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xlsxwriter.workbook import Workbook

from app.documents.segments import ExcelAnchor
from app.documents.writers.xlsx_bound import CHOICE, COMPARED, FILTER, PIVOT, Bindings
from app.documents.writing import apply, writable
from tests.documents.formatted import parts, pseudo_translated
from tests.documents.workbooks import workbook

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_CACHE = (
    f'<pivotCacheDefinition xmlns="{_MAIN}" xmlns:r="{_R}" refreshOnLoad="1" recordCount="0">'
    '<cacheSource type="worksheet"><worksheetSource {source}/></cacheSource><cacheFields count="2">'
    '<cacheField name="Place" numFmtId="0"><sharedItems count="2"><s v="North"/><s v="South"/></sharedItems></cacheField>'
    '<cacheField name="Ships" numFmtId="0"><sharedItems containsSemiMixedTypes="0" containsString="0" '
    'containsNumber="1" containsInteger="1" minValue="1" maxValue="2"/></cacheField></cacheFields></pivotCacheDefinition>'
)
_PIVOT = (
    f'<pivotTableDefinition xmlns="{_MAIN}" name="Pivot" cacheId="1" dataCaption="Values" rowHeaderCaption="By place">'
    '<location ref="E5:F8" firstHeaderRow="1" firstDataRow="1" firstDataCol="1" rowPageCount="1" colPageCount="1"/>'
    '<pivotFields count="2"><pivotField axis="axisRow" showAll="0"><items count="3"><item x="0"/><item x="1"/>'
    '<item t="default"/></items></pivotField><pivotField dataField="1" showAll="0"/></pivotFields>'
    '<rowFields count="1"><field x="0"/></rowFields><rowItems count="3"><i><x/></i><i><x v="1"/></i>'
    '<i t="grand"><x/></i></rowItems><colItems count="1"><i/></colItems>'
    '<dataFields count="1"><dataField name="Sum of Ships" fld="1" baseField="0" baseItem="0"/></dataFields>'
    "</pivotTableDefinition>"
)


def pivoted(source: str = 'ref="A1:B3" sheet="Docks"') -> bytes:
    """A sheet with a pivot table of the cells beside it."""

    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("Docks")
        for row, cells in enumerate((["Place", "Ships"], ["North", 1], ["South", 2], ["a remark", "south"])):
            sheet.write_row(row, 0, cells)
        for row, cells in enumerate((["By place", "Sum of Ships"], ["North", 1], ["South", 2], ["Total", 3])):
            sheet.write_row(4 + row, 4, cells)
        sheet.write_row(2, 4, ["State", "(All)"])
        sheet.write(0, 6, "Beside")
        book.define_name("Source", "=Docks!$A$1:$B$3")

    def linked(kind: str, target: str) -> bytes:
        return (
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="p1" Type="{_R}/{kind}" Target="{target}"/></Relationships>'
        ).encode()

    found = parts(workbook(fill))
    cache, table = "xl/pivotCache/pivotCacheDefinition1.xml", "xl/pivotTables/pivotTable1.xml"
    found["[Content_Types].xml"] = found["[Content_Types].xml"].replace(
        b"</Types>",
        f'<Override PartName="/{cache}" ContentType="{_TYPES}.pivotCacheDefinition+xml"/>'
        f'<Override PartName="/{table}" ContentType="{_TYPES}.pivotTable+xml"/></Types>'.encode(),
    )
    found["xl/workbook.xml"] = found["xl/workbook.xml"].replace(
        b"<calcPr", b'<pivotCaches><pivotCache cacheId="1" r:id="p1"/></pivotCaches><calcPr'
    )
    rels = found["xl/_rels/workbook.xml.rels"]
    found["xl/_rels/workbook.xml.rels"] = rels.replace(
        b"</Relationships>",
        f'<Relationship Id="p1" Type="{_R}/pivotCacheDefinition" Target="/{cache}"/></Relationships>'.encode(),
    )
    found["xl/worksheets/_rels/sheet1.xml.rels"] = linked("pivotTable", f"/{table}")
    found["xl/pivotTables/_rels/pivotTable1.xml.rels"] = linked("pivotCacheDefinition", f"/{cache}")
    found[cache] = _CACHE.replace("{source}", source).encode()
    found[table] = _PIVOT.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as container:
        for name, part in found.items():
            container.writestr(name, part)
    return buffer.getvalue()


def _places(content: bytes) -> list[str]:
    return [each.anchor.a1 for each in writable(content).segments if isinstance(each.anchor, ExcelAnchor)]


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ('ref="A1:B3" sheet="Docks"', ["G1", "A4", "B4"]),
        ('name="source"', ["G1", "A4", "B4"]),
        ('ref="A1:B3" sheet="Elsewhere" r:id="r9"', ["A1", "B1", "G1", "A2", "A3", "A4", "B4"]),
        # Nobody knows of what: its texts stay wherever they stand.
        ("", ["G1", "A4"]),
    ],
    ids=["cells", "name", "other", "nowhere"],
)
def test_a_pivot_table_and_what_it_was_made_of_stay(source: str, written: list[str]) -> None:
    content = pivoted(source)
    extracted = writable(content)
    assert _places(content) == written
    assert extracted.notes[PIVOT] == 14 - len(written)
    produced = apply(content, [pseudo_translated(segment) for segment in extracted.segments])
    assert not produced.refused
    made = openpyxl.load_workbook(io.BytesIO(produced.content))["Docks"]
    (pivot,) = made._pivots
    if "A1" not in written:
        assert [cell.value for cell in made[1][:2]] == [each.name for each in pivot.cache.cacheFields]
        assert [made["A2"].value, made["A3"].value] == ["North", "South"]
    assert made["G1"].value == "bESIDE"


def _ruled(book: Workbook) -> None:
    sheet = book.add_worksheet("Stock")
    sheet.write_row(0, 0, ["Good", "State", "Place", "Remark", "Colour"])
    for row, state in enumerate(("open", "shut", "open"), start=1):
        sheet.write_row(row, 0, [f"Rope {row}", state, f"Dock {row}", "as said", "red"])
    sheet.autofilter(0, 0, 3, 3)
    sheet.filter_column_list("B", ["open"])
    sheet.data_validation("E2:E9", {"validate": "list", "source": ["red", "blue"]})
    sheet.data_validation("C2:C4", {"validate": "list", "source": "=Places"})
    lists = book.add_worksheet("The lists")
    lists.write_column(0, 0, ["Dock 1", "Dock 2", "Dock 3", "Not in it"])
    lists.write_formula(0, 2, '=COUNTIF(Stock!D:D,"As said")&" times"', None, "3 times")
    lists.write_formula(1, 2, '=IF(C9,"Not in it","")', None, "")
    book.define_name("Places", "='The lists'!$A$1:$A$3")


def test_filters_lists_to_choose_from_and_formulas_that_compare_still_find_their_cells() -> None:
    content = workbook(_ruled)
    extracted = writable(content)
    assert _places(content) == ["A1", "B1", "C1", "D1", "E1", "A2", "A3", "A4", "A4"]
    assert extracted.notes == {FILTER: 3, CHOICE: 9, COMPARED: 3}
    produced = apply(content, [pseudo_translated(segment) for segment in extracted.segments])
    made = openpyxl.load_workbook(io.BytesIO(produced.content))
    stock, lists = made["Stock"], made["The lists"]
    assert [[cell.value for cell in row] for row in stock["A1:E2"]] == [
        ["gOOD", "sTATE", "pLACE", "rEMARK", "cOLOUR"],
        ["rOPE 1", "open", "Dock 1", "as said", "red"],
    ]
    assert [lists[f"A{row}"].value for row in range(1, 5)] == ["Dock 1", "Dock 2", "Dock 3", "nOT IN IT"]


@given(
    st.lists(st.tuples(*[st.integers(0, 6)] * 3, st.sampled_from([0, 2, 300])), max_size=8),
    st.integers(0, 12),
    st.integers(0, 9),
)
def test_a_cell_is_bound_if_any_area_holds_it(
    drawn: list[tuple[int, int, int, int]], row: int, column: int
) -> None:
    found = Bindings()
    areas = [(top, top + height, left, left + width) for top, height, left, width in drawn]
    for area in areas:
        found.areas["s"].add(area, CHOICE)
    holds = any(top <= row <= bottom and left <= column <= right for top, bottom, left, right in areas)
    assert found.note("S", row, column, "x") == (CHOICE if holds else None)


def test_the_totals_of_a_table_keep_their_label() -> None:
    def fill(book: Workbook) -> None:
        columns = [{"header": "Good", "total_string": "Sum"}, {"header": "Count", "total_function": "sum"}]
        sheet = book.add_worksheet("Stock")
        sheet.add_table("A1:B4", {"columns": columns, "total_row": True})
        sheet.write("A2", "Rope")

    extracted = writable(workbook(fill))
    assert [each.text for each in extracted.segments] == ["Rope"]
    assert extracted.notes == {"column_names_kept": 3}
