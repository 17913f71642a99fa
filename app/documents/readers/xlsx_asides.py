"""What belongs to a sheet beside its values: formulas, text boxes, charts; comments and pictures are counted."""

import re
from itertools import pairwise

from app.documents.readers.cells import column_name, column_number, range_name
from app.documents.readers.charts import chart_texts
from app.documents.readers.collecting import Collector
from app.documents.readers.hiding import count_instructions, text_within
from app.documents.readers.package import Package
from app.documents.readers.xlsx_parts import Sheet, SheetFacts
from app.documents.readers.xml import Element, attribute, child, name_of, whole_number
from app.documents.segments import ExcelAnchor
from app.vocabulary import SegmentKind

_MOST_FORMULAS = 5_000
_MOST_FORMULA_LINES = 200
_LARGEST_PART = 8 * 2**20
"""Formulas are read where they are few and the sheet is small; else they are only counted."""
_REFERENCE = re.compile(r"(?<![\w.])(\$?[A-Z]{1,3})(\$?)([0-9]{1,7})(?![\w(.])")
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


def read_formulas(package: Package, sheet: Sheet, facts: SheetFacts, collector: Collector) -> None:
    """One segment for each run of like formulas down a column ("E2:E9 = C2*D2")."""
    if not facts.formulas or sheet.part is None:
        return
    if facts.formulas > _MOST_FORMULAS or package.size(sheet.part) > _LARGEST_PART:
        collector.notes["formulas_not_read"] += facts.formulas
        return
    found: dict[int, dict[int, tuple[str, str]]] = {}
    for cell in package.xml(sheet.part).iter("{*}c"):
        formula = child(cell, "x:f")
        place = _CELL.fullmatch(cell.get("r", ""))
        if formula is None or place is None or not formula.text:
            continue
        row, column = int(place[2]) - 1, column_number(place[1])
        if row in facts.hidden_rows or column in facts.hidden_columns:
            continue
        end = _last_row(formula, row, column)
        text = " ".join(formula.text.split())
        for each in range(row, end + 1):
            found.setdefault(column, {})[each] = (text, _relative(text, row))
    lines = 0
    for column in sorted(found):
        for first, last in _runs(found[column]):
            lines += 1
            if lines > _MOST_FORMULA_LINES:
                collector.notes["formulas_not_read"] += last - first + 1
                continue
            place_name = range_name(first, last, column, column)
            text = f"{place_name} = {found[column][first][0]}"
            collector.add(SegmentKind.CELL_RANGE, text, ExcelAnchor(sheet.name, place_name))


def _last_row(formula: Element, row: int, column: int) -> int:
    """Where a formula that is shared down its column ends; what else is shared is left at its first cell."""
    ends = formula.get("ref", "").partition(":")[2]
    place = _CELL.fullmatch(ends)
    if formula.get("t") != "shared" or place is None or column_number(place[1]) != column:
        return row
    return min(max(row, int(place[2]) - 1), row + _MOST_FORMULAS)


def _relative(formula: str, row: int) -> str:
    """The formula with rows counted from its own, so that those filled down a column are alike."""
    return _REFERENCE.sub(
        lambda found: f"{found[1]}{found[3]}" if found[2] else f"{found[1]}[{int(found[3]) - 1 - row}]",
        formula,
    )


def _runs(formulas: dict[int, tuple[str, str]]) -> list[tuple[int, int]]:
    rows = sorted(formulas)
    ends = [a for a, b in pairwise(rows) if b != a + 1 or formulas[a][1] != formulas[b][1]] + rows[-1:]
    begins = rows[:1] + [b for a, b in pairwise(rows) if b != a + 1 or formulas[a][1] != formulas[b][1]]
    return list(zip(begins, ends, strict=True))


def read_asides(package: Package, sheet: Sheet, collector: Collector) -> None:
    """Text boxes and charts where they hang; how many comments and pictures there are."""
    if sheet.part is None:
        return
    comments = {"comments": 0, "threadedComment": 0}
    for each in package.relationships(sheet.part):
        if not package.has(each.part):
            continue
        if each.kind in comments:
            # What is said in a thread stands among the plain comments too, for older programs.
            for said in package.xml(each.part).iter("{*}comment", "{*}threadedComment"):
                comments[each.kind] += 1
                if each.kind == "comments":
                    count_instructions(collector.notes, text_within(said))
        elif each.kind == "drawing":
            _drawing(package, each.part, sheet, collector)
    collector.notes["comments"] += max(comments.values())


def _drawing(package: Package, part: str, sheet: Sheet, collector: Collector) -> None:
    targets = {each.id: each.part for each in package.relationships(part)}
    for anchored in package.xml(part):
        anchor = ExcelAnchor(sheet.name, cell_of(anchored))
        for element in anchored.iter("{*}txBody", "{*}pic", "{*}chart"):
            match name_of(element):
                case "xdr:pic":
                    collector.notes["images"] += 1
                case "xdr:txBody":
                    for paragraph in element.iter("{*}p"):
                        text = "".join(run.text or "" for run in paragraph.iter("{*}t"))
                        collector.add(SegmentKind.PARAGRAPH, text, anchor)
                case "c:chart":
                    chart = targets.get(attribute(element, "r:id") or "", "")
                    if package.has(chart):
                        texts = chart_texts(package.xml(chart), with_values=False)
                        collector.add(SegmentKind.PARAGRAPH, "; ".join(texts), anchor)
                case _:
                    pass


def cell_of(anchored: Element) -> str:
    """The cell at which a drawing begins."""
    start = child(anchored, "xdr:from")
    place = {} if start is None else {name_of(each): each.text or "" for each in start}
    row, column = (whole_number(place.get(name)) for name in ("xdr:row", "xdr:col"))
    return "A1" if row is None or column is None else f"{column_name(column)}{row + 1}"
