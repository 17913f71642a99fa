"""Cells whose text something else in the workbook goes by; they stay, so that the workbook holds together.

pivot tables     their own cells, and those that they were made of: a cache names columns and items by text
filters          the cells of a column with criteria: rows would vanish when the filter is applied again
lists to choose  cells with such a list, and those that the list is made of
formulas         cells whose whole text stands in a formula that compares: COUNTIF(B:B;"open")
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape
from itertools import accumulate

from app.documents.readers.cells import column_number
from app.documents.readers.package import Package
from app.documents.readers.xlsx_parts import Sheet
from app.documents.readers.xml import Element, child, name_of, walk, whole_number

PIVOT, FILTER, CHOICE, COMPARED = (
    "pivot_cells_kept",
    "filtered_cells_kept",
    "choices_kept",
    "compared_texts_kept",
)
_LAST_ROW, _LAST_COLUMN = 2**20 - 1, 2**14 - 1
_REFERENCE = re.compile(
    r"(?<![\w.$'!\]])(?:(?:'((?:[^']|'')+)'|([\w.]+))!)?"
    r"(?:\$?([A-Z]{1,3})\$?([0-9]{1,7})(?::\$?([A-Z]{1,3})\$?([0-9]{1,7}))?"
    r"|\$?([A-Z]{1,3}):\$?([A-Z]{1,3})|\$?([0-9]{1,7}):\$?([0-9]{1,7}))(?![\w(\[!.])"
)
"""A cell, a range, whole columns or whole rows; on another sheet or not."""
_WORD = re.compile(r"[^\W\d][\w.\\]*")
_LITERAL = re.compile(r'"((?:[^"]|"")*)"')
_FORMULA = re.compile(rb"<(?:\w+:)?(?:f|formula[12]?|definedName)(?:\s[^<>]*)?>([^<]+)<")
_COMPARES = re.compile(
    r'[=<>]\s*"|"\s*[=<>]|^\s*"[^"]*"\s*$|\b(?:(?:COUNT|SUM|AVERAGE|MAX|MIN)IFS?|X?MATCH|[VHX]?LOOKUP|SEARCH|FIND'
    r"|EXACT|FILTER|SWITCH|GETPIVOTDATA|D(?:SUM|COUNTA?|GET|MAX|MIN|AVERAGE))\(",
    re.IGNORECASE,
)
_CRITERIA = frozenset({"x:filters", "x:customFilters"})

_WIDE = 256
"""Columns from which an area is not kept column by column."""

Area = tuple[int, int, int, int]
"""First and last row, first and last column, from 0."""


class _Areas:
    """The bound areas of one sheet. Lists to choose from may be on thousands of small ones."""

    def __init__(self) -> None:
        self._wide: list[tuple[Area, str]] = []
        self._columns: defaultdict[int, list[tuple[int, int, str]]] = defaultdict(list)
        self._reach: dict[int, list[tuple[int, str]]] = {}

    def add(self, area: Area, note: str) -> None:
        """One more area."""
        top, bottom, left, right = area
        if right - left >= _WIDE:
            self._wide.append((area, note))
            return
        for column in range(left, right + 1):
            self._columns[column].append((top, bottom, note))
            self._reach.pop(column, None)

    def note(self, row: int, column: int) -> str | None:
        """The note of an area that holds this cell."""
        for (top, bottom, left, right), note in self._wide:
            if top <= row <= bottom and left <= column <= right:
                return note
        rows = self._columns.get(column)
        if not rows:
            return None
        if column not in self._reach:
            # Of the areas that begin above a row, the one that reaches lowest holds it if any does.
            rows.sort()
            self._reach[column] = list(accumulate(((bottom, note) for _, bottom, note in rows), max))
        before = bisect_right(rows, row, key=lambda each: each[0])
        bottom, note = self._reach[column][before - 1] if before else (-1, "")
        return note if row <= bottom else None


@dataclass
class Bindings:
    """What is bound: areas by sheet, and texts (in small letters) anywhere, each with the note that counts it."""

    areas: defaultdict[str, _Areas] = field(default_factory=lambda: defaultdict(_Areas))
    texts: dict[str, str] = field(default_factory=dict)

    def note(self, sheet: str, row: int, column: int, text: str) -> str | None:
        """The note that counts this cell, if it is bound; row and column from 0."""
        return self.areas[sheet.casefold()].note(row, column) or self.texts.get(_plain(text))


def bindings(package: Package, main: str, sheets: Sequence[Sheet]) -> Bindings:
    """What binds cells of a workbook, hidden sheets included. Raises: `UnreadableFile`, `TooComplex`."""
    found = Bindings()
    names = _Names(package, main, sheets)
    _compared(found, package.content(main))
    for sheet in sheets:
        if sheet.part is not None and package.has(sheet.part):
            _sheet(found, names, package, sheet.name, sheet.part)
    for cache in _related(package, main, "pivotCacheDefinition"):
        _cached(found, names, cache)
    return found


def _sheet(found: Bindings, names: "_Names", package: Package, sheet: str, part: str) -> None:
    content = package.content(part)
    _compared(found, content)
    for rule in walk(content, "dataValidation") if b"dataValidation" in content else ():
        _choices(found, names, sheet, rule)
    for rule in walk(content, "autoFilter") if b"filterColumn" in content else ():
        _filtered(found, sheet, rule)
    for table in _related(package, part, "table"):
        _filtered(found, sheet, child(table, "x:autoFilter"))
    for pivot in _related(package, part, "pivotTable"):
        _shown(found, sheet, child(pivot, "x:location"))


def _related(package: Package, part: str, kind: str) -> Iterator[Element]:
    """The roots of the parts of a kind that a part points to."""
    for each in package.relationships(part):
        if each.kind == kind and package.has(each.part):
            yield package.xml(each.part)


class _Names:
    """What names of a workbook stand for."""

    def __init__(self, package: Package, main: str, sheets: Sequence[Sheet]) -> None:
        self._names: dict[str, str] = {}
        self._tables: dict[str, tuple[str, Area]] = {}
        listed = child(package.xml(main), "x:definedNames")
        for each in () if listed is None else listed:
            self._names[each.get("name", "").casefold()] = each.text or ""
        for sheet in sheets:
            for root in _related(package, sheet.part or "", "table"):
                for _, area in _areas(root.get("ref", ""), sheet.name):
                    for named in (root.get("name", ""), root.get("displayName", "")):
                        self._tables[named.casefold()] = sheet.name, area

    def areas(self, formula: str, sheet: str, *, depth: int = 0) -> Iterator[tuple[str, Area]]:
        """The cells that a formula on a sheet speaks of, names followed."""
        yield from _areas(formula, sheet)
        for word in {each.casefold() for each in _WORD.findall(formula)}:
            if word in self._tables:
                yield self._tables[word]
            if word in self._names and depth < 2:
                yield from self.areas(self._names[word], sheet, depth=depth + 1)


def _areas(formula: str, sheet: str) -> Iterator[tuple[str, Area]]:
    for found in _REFERENCE.finditer(formula):
        quoted, bare, left, top, right, bottom, first, last, upper, lower = found.groups()
        named = quoted.replace("''", "'") if quoted else bare or sheet
        columns, rows = (0, _LAST_COLUMN), (0, _LAST_ROW)
        if left or first:
            columns = column_number(left or first), column_number(right or last or left)
        if top or upper:
            rows = int(top or upper) - 1, int(bottom or lower or top) - 1
        yield named, (*rows, *columns)


def _add(found: Bindings, areas: Iterable[tuple[str, Area]], note: str) -> None:
    for sheet, area in dict.fromkeys(areas):
        found.areas[sheet.casefold()].add(area, note)


def _choices(found: Bindings, names: _Names, sheet: str, rule: Element) -> None:
    if rule.get("type") != "list":
        return
    formula = next(("".join(map(str, each.itertext())) for each in rule.iter("{*}formula1")), "")
    told = rule.get("sqref") or next((each.text or "" for each in rule.iter("{*}sqref")), "")
    _add(found, _areas(told, sheet), CHOICE)
    if not formula.lstrip().startswith('"'):
        _add(found, names.areas(formula, sheet), CHOICE)


def _filtered(found: Bindings, sheet: str, rule: Element | None) -> None:
    if rule is None:
        return
    for _, (top, bottom, left, _) in _areas(rule.get("ref", ""), sheet):
        for column in rule:
            number = whole_number(column.get("colId"))
            if number is not None and any(name_of(each) in _CRITERIA for each in column):
                _add(found, [(sheet, (top + 1, bottom, left + number, left + number))], FILTER)


def _shown(found: Bindings, sheet: str, location: Element | None) -> None:
    """A pivot table's own cells, and those above it that choose what it shows."""
    if location is None:
        return
    pages, beside = (whole_number(location.get(each)) or 0 for each in ("rowPageCount", "colPageCount"))
    for _, (top, bottom, left, right) in _areas(location.get("ref", ""), sheet):
        area = (top, bottom, left, right)
        above = (max(0, top - pages - 1), top, left, max(right, left + 3 * beside))
        _add(found, [(sheet, area), *([(sheet, above)] if pages else [])], PIVOT)


def _cached(found: Bindings, names: _Names, cache: Element) -> None:
    """What a pivot table was made of; where that is nowhere in the workbook, its texts wherever they stand."""
    sources: list[tuple[str, Area]] = []
    for each in cache.iter("{*}worksheetSource", "{*}rangeSet"):
        sheet = each.get("sheet", "")
        sources += _areas(each.get("ref", ""), sheet) if sheet else names.areas(each.get("name", ""), sheet)
    _add(found, sources, PIVOT)
    if sources:
        return
    for each in cache.iter("{*}cacheField", "{*}s"):
        text = _plain(each.get("name") or each.get("v") or "")
        found.texts.setdefault(text, PIVOT)


def _compared(found: Bindings, content: bytes) -> None:
    for formula in set(_FORMULA.findall(content)) if b'"' in content else ():
        text = unescape(formula.decode("utf-8", "replace"))
        if _COMPARES.search(text):
            for literal in _LITERAL.findall(text):
                found.texts.setdefault(_plain(literal.replace('""', '"')), COMPARED)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
