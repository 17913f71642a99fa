"""Workbooks: cells of text, text boxes, titles of charts, headers for print. Numbers, formulas and names are never touched.

Cells of the same text share one string. It is changed in place where all of them change alike; a cell that
parts from the others gets a string of its own. So a sheet whose cells all follow is the same bytes.
The names of a table's columns stand in cells too: they are left, because formulas call them by name. So are cells
whose text something else goes by (see xlsx_bound.py).
What nobody sees (hidden sheets, rows, columns and cells) is left too, and told to no model.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial

from app.documents.readers.cells import column_name, column_number, range_of
from app.documents.readers.drawing import paragraphs
from app.documents.readers.package import Package
from app.documents.readers.xlsx_asides import cell_of
from app.documents.readers.xlsx_parts import SheetFacts, look_at, sheets
from app.documents.readers.xlsx_unseen import UnseenFormats, unseen_formats
from app.documents.readers.xml import Element, attribute, child, name_of, walk, whole_number
from app.documents.runs import Stretch, runs_of, shown_text, stretches
from app.documents.segments import ExcelAnchor, Run, Segment
from app.documents.writers import cell_text
from app.documents.writers.graphics import Text, diagrams, drawing_spot, graphic_texts
from app.documents.writers.pieces import Spot, Writable
from app.documents.writers.xlsx_bound import Bindings, bindings
from app.documents.writers.xlsx_print import PrintTexts
from app.documents.writers.xlsx_recalculate import recalculate
from app.vocabulary import SegmentKind


@dataclass(frozen=True)
class _Cell:
    """A cell of text: where it is, and its string: the number of a shared one, or its own."""

    part: str
    a1: str
    string: int | None


@dataclass
class _Book:
    """What is known of a workbook's strings, and what is to become of its cells."""

    package: Package
    main: str
    strings_part: str | None
    has_formulas: bool = False
    strings: list[Element] = field(default_factory=list)
    known: dict[int, list[Stretch]] = field(default_factory=dict)
    users: defaultdict[int, list[_Cell]] = field(default_factory=lambda: defaultdict(list))
    asked: dict[_Cell, tuple[Run, ...]] = field(default_factory=dict)

    def shared(self, number: int) -> list[Stretch]:
        """The stretches of a shared string."""
        if number not in self.known:
            self.known[number] = stretches([cell_text.items(self.strings[number])])
        return self.known[number]

    def finish(self) -> Iterable[str]:
        """Write what was asked; gives the parts that changed."""
        moved: defaultdict[str, dict[str, int]] = defaultdict(dict)
        own: defaultdict[str, dict[str, tuple[Run, ...]]] = defaultdict(dict)
        for number, cells in self.users.items():
            asked = {cell: self.asked[cell] for cell in cells if cell in self.asked}
            if asked:
                self._change(number, asked, moved, is_all=len(asked) == len(cells))
        for cell, runs in self.asked.items():
            if cell.string is None:
                own[cell.part][cell.a1] = runs
            elif self.strings_part is not None:
                yield self.strings_part
        for part in {**moved, **own}:
            self._write_sheet(part, moved[part], own[part])
            yield part
        if self.asked and self.has_formulas and recalculate(self.package.xml(self.main)):
            yield self.main

    def _change(
        self,
        number: int,
        asked: dict[_Cell, tuple[Run, ...]],
        moved: dict[str, dict[str, int]],
        *,
        is_all: bool,
    ) -> None:
        """Change a shared string in place if all its cells follow alike, else add strings for those that do."""
        string, source = self.strings[number], self.shared(number)
        if is_all and len(set(asked.values())) == 1:
            cell_text.rewrite(string, source, next(iter(asked.values())))
            return
        added: dict[tuple[Run, ...], int] = {}
        root = string.getparent()
        if root is None:
            return
        for cell, runs in asked.items():
            if runs not in added:
                new = deepcopy(string)
                cell_text.rewrite(new, source, runs)
                self.strings[-1].addnext(new)
                added[runs] = len(self.strings)
                self.strings.append(new)
            moved[cell.part][cell.a1] = added[runs]
        unique = whole_number(root.get("uniqueCount"))
        if unique is not None:
            root.set("uniqueCount", str(unique + len(added)))

    def _write_sheet(self, part: str, moved: dict[str, int], own: dict[str, tuple[Run, ...]]) -> None:
        root = self.package.xml(part)
        for a1, cell in _cells(each for each in root.iter("{*}row")):
            value = child(cell, "x:v")
            if a1 in moved and value is not None:
                value.text = str(moved[a1])
            string = child(cell, "x:is")
            if a1 in own and string is not None:
                cell_text.rewrite(string, stretches([cell_text.items(string)]), own[a1])


def open_document(package: Package, notes: Counter[str], _language: str | None = None) -> Writable:
    """Every text of the workbook that can be written, but for hidden sheets. Raises: documents.errors.

    Excel keeps no language of texts.
    """
    main = package.main_part() or ""
    strings = [each.part for each in package.relationships(main) if each.kind == "sharedStrings"]
    book = _Book(package, main, next(filter(package.has, strings), None))
    if book.strings_part is not None:
        root = package.xml(book.strings_part)
        book.strings = [each for each in root if name_of(each) == "x:si"]
    found: list[Spot] = []
    prints = PrintTexts(package, notes)
    formats = unseen_formats(package, main)
    listed = sheets(package, main)
    bound = bindings(package, main, listed)
    for sheet in listed:
        if sheet.part is None or not package.has(sheet.part):
            continue
        # The cells of hidden sheets use strings too, which are not changed under them.
        left: Counter[str] = Counter()
        spots = list(_cell_spots(book, sheet.name, sheet.part, formats, bound, left))
        if sheet.is_hidden:
            notes["hidden_sheets"] += 1
            continue
        notes.update(left)
        found += spots
        found += _drawing_spots(package, sheet.name, sheet.part)
        found += prints.spots(sheet.name, sheet.part)
    return Writable(found, lambda: [*book.finish(), *prints.finish()])


def _cell_spots(
    book: _Book, sheet: str, part: str, formats: UnseenFormats, bound: Bindings, notes: Counter[str]
) -> Iterator[Spot]:
    package = book.package
    facts = look_at(package, part, 0, formats)
    book.has_formulas |= facts.formulas > 0
    named = _column_names(package, part)
    for a1, cell in _cells(walk(package.content(part), "row")):
        value, string = child(cell, "x:v"), child(cell, "x:is")
        is_formula = child(cell, "x:f") is not None
        kind = cell.get("t")
        number = None if value is None or kind != "s" else whole_number(value.text)
        if number is not None:
            if number >= len(book.strings):
                continue
            here = _Cell(part, a1, number)
            book.users[number].append(here)
            source = book.shared(number)
        elif kind == "inlineStr" and string is not None:
            here, source = _Cell(part, a1, None), stretches([cell_text.items(string)])
        else:
            continue
        text = shown_text([each.run for each in source])
        if is_formula or not text.strip():
            continue
        why = "column_names_kept" if a1 in named else _why_kept(sheet, a1, text, facts, bound)
        if why is not None:
            notes[why] += 1
            continue
        segment = Segment(
            0,
            SegmentKind.TABLE_ROW,
            text,
            ExcelAnchor(sheet, a1),
            heading_path=(sheet,),
            runs=runs_of(source),
        )
        yield Spot(segment, (), partial(_ask, book, here))


def _why_kept(sheet: str, a1: str, text: str, facts: SheetFacts, bound: Bindings) -> str | None:
    """The note that counts a cell which is not to be written."""
    letters = a1.rstrip("0123456789")
    row, column = int(a1[len(letters) :]) - 1, column_number(letters)
    if row in facts.hidden_rows or column in facts.hidden_columns or (row, column) in facts.unseen:
        return "hidden_text"
    return bound.note(sheet, row, column, text)


def _ask(book: _Book, cell: _Cell, runs: Sequence[Run]) -> None:
    book.asked[cell] = tuple(runs)


def _drawing_spots(package: Package, sheet: str, part: str) -> Iterator[Spot]:
    """Text boxes and the titles of charts that hang on a sheet."""
    for drawing in [each.part for each in package.relationships(part) if each.kind == "drawing"]:
        if not package.has(drawing):
            continue
        related = {each.id: (each.kind, each.part) for each in package.relationships(drawing)}
        drawn = diagrams(package, [drawing])
        for anchored in package.xml(drawing):
            anchor = ExcelAnchor(sheet, cell_of(anchored))
            texts = [Text(drawing, each) for each in paragraphs([anchored]) if not _falls_back(each)]
            shown = [
                related.get(attribute(each, "r:dm" if name_of(each) == "dgm:relIds" else "r:id") or "")
                for each in anchored.iter("{*}chart", "{*}relIds")
            ]
            held = [each for each in shown if each is not None and package.has(each[1])]
            for _, more in graphic_texts(package, dict.fromkeys(held), drawn, with_names=False):
                texts += more
            for text in texts:
                spot = drawing_spot(text, SegmentKind.PARAGRAPH, partial(_same, anchor), (sheet,))
                if spot is not None:
                    yield spot


def _falls_back(element: Element) -> bool:
    """Whether only older programs show it: they say there what they cannot show."""
    return any(True for _ in element.iterancestors("{*}Fallback"))


def _same(anchor: ExcelAnchor, _: str) -> ExcelAnchor:
    return anchor


def _cells(rows: Iterable[Element]) -> Iterator[tuple[str, Element]]:
    """The cells of these rows by name; where a file leaves names out they are counted."""
    row_number = 0
    for row in rows:
        told = whole_number(row.get("r"))
        row_number = row_number + 1 if told is None else told
        column = -1
        for cell in row:
            if name_of(cell) != "x:c":
                continue
            letters = cell.get("r", "").rstrip("0123456789")
            column = column_number(letters) if letters.isalpha() and letters.isascii() else column + 1
            yield f"{column_name(column)}{row_number}", cell


def _column_names(package: Package, part: str) -> set[str]:
    """The cells that name the columns of a table of Excel's, and those of its row of totals."""
    found: set[str] = set()
    for table in [each.part for each in package.relationships(part) if each.kind == "table"]:
        if not package.has(table):
            continue
        root = package.xml(table)
        try:
            top, bottom, left, right = range_of(root.get("ref", ""))
        except ValueError:
            continue
        rows = [top] * (root.get("headerRowCount", "1") != "0")
        rows += [bottom] * (root.get("totalsRowCount", "0") != "0")
        columns = range(left, min(right, left + 16_384) + 1)
        found |= {f"{column_name(column)}{row + 1}" for row in rows for column in columns}
    return found
