"""Paragraphs and tables of one part of a Word document, in reading order, whatever they are wrapped in."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.documents.readers.docx_inline import choice, is_placeholder
from app.documents.readers.xml import Element, attribute, child, name_of, whole_number

LAYOUT_ROW_CHARACTERS = 4_000
"""A table row with more text than this lays out a page; it is read as paragraphs."""


@dataclass(frozen=True)
class Row:
    """A table row; a cell is `None` where a neighbour's merged cell reaches over it."""

    cells: tuple[Element | None, ...]
    is_header: bool


@dataclass
class Table:
    """The rows of one table without those a tracked change removed."""

    rows: list[Row] = field(default_factory=list)

    @property
    def lays_out(self) -> bool:
        """Whether it is a frame around text: one cell a row."""
        return all(sum(cell is not None for cell in row.cells) <= 1 for row in self.rows)

    def header_rows(self) -> int:
        """How many rows at the top name the columns: the marked ones, else the first of several."""
        marked = 0
        while marked < len(self.rows) and self.rows[marked].is_header:
            marked += 1
        if marked == len(self.rows):
            return 0
        return marked or (1 if len(self.rows) > 1 else 0)


def blocks(container: Element, counts: Counter[str]) -> Iterator[Element]:
    """Paragraphs (w:p) and tables (w:tbl) directly in a container or in wrappers there."""
    yield from _unwrapped(container, frozenset({"w:p", "w:tbl"}), counts)


def read_table(table: Element, counts: Counter[str]) -> Table:
    """The rows and cells of a table; nested tables stay inside their cells."""
    found = Table()
    for row in _unwrapped(table, frozenset({"w:tr"}), counts):
        properties = child(row, "w:trPr")
        if properties is not None and child(properties, "w:del") is not None:
            counts["tracked_changes"] += 1
            continue
        if properties is not None and child(properties, "w:ins") is not None:
            counts["tracked_changes"] += 1
        header = None if properties is None else child(properties, "w:tblHeader")
        found.rows.append(
            Row(
                cells=tuple(_cells(row, counts)),
                is_header=header is not None and attribute(header, "w:val") not in {"0", "false", "off"},
            )
        )
    return found


def text_length(row: Row) -> int:
    """Roughly how many characters stand in a row, nested tables included."""
    return sum(
        len(each.text or "")
        for cell in row.cells
        if cell is not None
        for each in cell.iter()
        if name_of(each) == "w:t"
    )


def _cells(row: Element, counts: Counter[str]) -> Iterator[Element | None]:
    before = child(row, "w:trPr", "w:gridBefore")
    yield from [None] * _span(before)
    for cell in _unwrapped(row, frozenset({"w:tc"}), counts):
        if child(cell, "w:tcPr", "w:cellDel") is not None:
            counts["tracked_changes"] += 1
            continue
        merged = child(cell, "w:tcPr", "w:vMerge")
        # A cell that continues the one above is not shown, whatever it holds.
        yield None if merged is not None and attribute(merged, "w:val") != "restart" else cell
        yield from [None] * (_span(child(cell, "w:tcPr", "w:gridSpan")) - 1)


def _span(element: Element | None) -> int:
    # Word has at most 63 columns; a hostile file may claim any number.
    return 0 if element is None else min(whole_number(attribute(element, "w:val")) or 0, 63)


def _unwrapped(container: Element, wanted: frozenset[str], counts: Counter[str]) -> Iterator[Element]:
    for each in container:
        name = name_of(each)
        if name in wanted:
            yield each
        elif name == "w:altChunk":
            counts["embedded_documents"] += 1
        elif name == "w:sdt" and is_placeholder(each):
            counts["placeholders"] += 1
        elif name in _WRAPPERS:
            inside = choice(each) if name == "mc:AlternateContent" else each
            if inside is not None:
                yield from _unwrapped(inside, wanted, counts)


_WRAPPERS = frozenset(
    {"w:sdt", "w:sdtContent", "w:customXml", "w:smartTag", "w:ins", "w:moveTo", "mc:AlternateContent"}
)
