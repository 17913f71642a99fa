"""What a workbook's parts are before calamine may read them, and what it does not tell of them.

calamine holds each cell that has a value in memory, and then the rectangle around all of them: a file of
3.3 MB was seen to take 1.5 GB. So parts are counted first, piece by piece, and refused beyond the limits.
What stands in a few bytes of a sheet (hidden rows and columns, formulas, links) is picked up on the way.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.documents.errors import TooComplex
from app.documents.readers.cells import column_number
from app.documents.readers.package import Package, Relationship
from app.documents.readers.xlsx_unseen import UnseenFormats
from app.documents.readers.xml import attribute, child, name_of, refuse_doctype

MAX_CELLS = 4_000_000
"""Cells of a workbook, empty ones with a format included."""
MAX_AREA = 8_000_000
"""Cells of the rectangle around all that hold something in one sheet."""
MAX_STRINGS = 2_000_000
MAX_STYLES_BYTES = 20 * 2**20
_OVERLAP = 512
"""An element's tag is no longer; what is cut by the border of two pieces is looked at with the next."""

_FILLED = re.compile(rb' r="([A-Z]{1,3})([0-9]{1,7})"[^>/]*>')
"""Begins with a literal, which is what makes it fast over millions of tags."""
_ERROR = re.compile(
    rb"<(?:\w+:)?c\s+r=[\"']([A-Z]{1,3})([0-9]{1,7})[\"'][^>]*?\st=[\"']e[\"'][^>]*>"
    rb"(?:<(?:\w+:)?f[^>]*>[^<]{0,8192}(?:</(?:\w+:)?f>)?)?<(?:\w+:)?v>(#[A-Z0-9/!?_]{1,20})<"
)
_NONE = UnseenFormats()
_MOST_ERRORS = 10_000
_MOST_UNSEEN = 200_000
"""Cells that nobody sees of a sheet; more are read."""
_HIDDEN_ROW = re.compile(
    rb"<(?:\w+:)?row\s(?=[^>]*?\shidden=[\"'](?:1|true))[^>]*?\br=[\"']([0-9]{1,7})[\"']"
)
_HIDDEN_COLUMNS = re.compile(rb"<(?:\w+:)?col\s(?=[^>]*?\shidden=[\"'](?:1|true))([^>]*)>")
_BOUND = re.compile(rb"\b(min|max)=[\"']([0-9]{1,5})[\"']")


@dataclass
class SheetFacts:
    """What a sheet's part holds; rows and columns from 0."""

    cells: int = 0
    formulas: int = 0
    links: int = 0
    rows: int = 0
    columns: int = 0
    errors: dict[int, dict[int, str]] = field(default_factory=dict)
    """Values like #DIV/0! by row and column, which calamine gives as blanks."""
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    unseen: set[tuple[int, int]] = field(default_factory=set)
    """Cells by row and column that nobody sees."""


@dataclass(frozen=True)
class Sheet:
    """A worksheet by the name on its tab; `part` is `None` where the workbook points nowhere."""

    name: str
    part: str | None
    is_hidden: bool


def sheets(package: Package, main: str) -> list[Sheet]:
    """The worksheets of a workbook in their order, chart sheets and the like left out."""
    targets = {each.id: each for each in package.relationships(main)}
    listed = child(package.xml(main), "x:sheets")
    found: list[Sheet] = []
    for each in () if listed is None else listed:
        target = targets.get(attribute(each, "r:id") or "", Relationship("", "", ""))
        if name_of(each) == "x:sheet" and target.kind in {"worksheet", ""}:
            hidden = each.get("state", "visible") != "visible"
            found.append(Sheet(each.get("name", ""), target.part or None, hidden))
    return found


def check_strings(package: Package, main: str) -> None:
    """Refuse too many shared strings or styles. Raises: `TooComplex`, `UnreadableFile`."""
    for each in package.relationships(main):
        if each.kind == "styles" and package.has(each.part) and package.size(each.part) > MAX_STYLES_BYTES:
            raise _too_many("formats")
        if each.kind == "sharedStrings" and package.has(each.part):
            strings = 0
            for piece in _pieces(package, each.part):
                strings += _count(piece, b"si")
                if strings > MAX_STRINGS:
                    raise _too_many("texts")


def look_at(package: Package, part: str, cells_before: int, formats: UnseenFormats = _NONE) -> SheetFacts:
    """The facts of a sheet; `formats` are those that show nothing. Raises: `TooComplex`, `UnreadableFile`."""
    facts = SheetFacts()
    unseen = _UnseenCells(formats)
    for piece in _pieces(package, part):
        facts.cells += _count(piece, b"c")
        if cells_before + facts.cells > MAX_CELLS:
            raise _too_many("cells")
        filled = _FILLED.findall(piece)
        if filled:
            facts.rows = max(facts.rows, int(filled[-1][1]))
            widest = max({letters.decode() for letters, _ in filled}, key=lambda each: (len(each), each))
            facts.columns = max(facts.columns, column_number(widest) + 1)
        facts.formulas += _count(piece, b"f")
        facts.links += _count(piece, b"hyperlink")
        if b't="e"' in piece:
            _errors(piece, facts)
        if b"hidden" in piece:
            _hidden(piece, facts)
        unseen.add(piece)
    facts.unseen = unseen.cells
    if facts.rows * facts.columns > MAX_AREA:
        raise TooComplex(
            "Cells of a sheet lie so far apart that reading it would take too much memory; delete what stands"
            " alone in far rows or columns, save the workbook and send it again."
        )
    return facts


class _UnseenCells:
    """Picks cells out of pieces of a sheet that have a format which shows nothing."""

    def __init__(self, formats: UnseenFormats) -> None:
        self._formats = formats
        self._pattern = formats.cells()
        self._white: set[tuple[int, int]] = set()
        self._nothing: set[tuple[int, int]] = set()
        self._may_be_coloured = False

    def add(self, piece: bytes) -> None:
        """Look at the next piece."""
        if self._pattern is None:
            return
        self._may_be_coloured |= b"tablePart" in piece or b"conditionalFormatting" in piece
        for number, letters, row in self._pattern.findall(piece):
            place = int(row) - 1, column_number(letters.decode())
            if len(self._white) + len(self._nothing) < _MOST_UNSEEN:
                (self._nothing if int(number) in self._formats.nothing else self._white).add(place)

    @property
    def cells(self) -> set[tuple[int, int]]:
        """What is unseen, once every piece was looked at."""
        return self._nothing if self._may_be_coloured else self._nothing | self._white


def _count(piece: bytes, name: bytes) -> int:
    """How many elements of that name begin, in any namespace; text that looks like one counts too."""
    return sum(piece.count(start + name + end) for start in (b"<", b":") for end in (b" ", b">", b"/"))


def _errors(piece: bytes, facts: SheetFacts) -> None:
    for letters, row, text in _ERROR.findall(piece):
        if len(facts.errors) < _MOST_ERRORS:
            facts.errors.setdefault(int(row) - 1, {})[column_number(letters.decode())] = text.decode()


def _hidden(piece: bytes, facts: SheetFacts) -> None:
    facts.hidden_rows.update(int(row) - 1 for row in _HIDDEN_ROW.findall(piece))
    for attributes in _HIDDEN_COLUMNS.findall(piece):
        bounds = {name: int(value) for name, value in _BOUND.findall(attributes)}
        if bounds.keys() == {b"min", b"max"}:
            facts.hidden_columns.update(range(bounds[b"min"] - 1, min(bounds[b"max"], 16_384)))


def _pieces(package: Package, part: str) -> Iterator[bytes]:
    """Pieces of a part that end where a row or another element of some size does, so that little is cut."""
    rest = b""
    for piece in package.stream(part):
        held = rest + piece
        refuse_doctype(held)
        cut = max(held.rfind(b"</row>") + 1, held.rfind(b"</si>") + 1, held.rfind(b"<", 0, -1))
        if cut > 0:
            yield held[:cut]
            rest = held[cut:]
        else:
            rest = held[-_OVERLAP:]
    yield rest


def _too_many(what: str) -> TooComplex:
    return TooComplex(
        f"The workbook holds more {what} than can be read at once; split it, or send the sheets that you need."
    )
