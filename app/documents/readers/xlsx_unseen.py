"""Cells of a workbook that nobody sees: formatted as nothing (;;;), in a minute font, or white on no fill.

White cells are read in a sheet with tables or rules of conditional formatting, which may colour their ground.
"""

import re
from dataclasses import dataclass

from app.documents.readers.hiding import SMALLEST_POINTS, is_white
from app.documents.readers.package import Package
from app.documents.readers.xml import Element, child, name_of, whole_number

_NOTHING = ";;;"
_BACKGROUND = "0"
"""The theme's first colour, which is that of the sheet: white unless somebody has made another theme."""


@dataclass(frozen=True)
class UnseenFormats:
    """Formats of cells (`s` of a cell) by number: those that show nothing, and those that are white on no fill."""

    nothing: frozenset[int] = frozenset()
    white: frozenset[int] = frozenset()

    def cells(self) -> re.Pattern[bytes] | None:
        """Finds the tags of cells with one of them; none where there are none."""
        numbers = sorted(self.nothing | self.white)
        if not numbers:
            return None
        listed = b"|".join(b"%d" % number for number in numbers)
        return re.compile(
            rb"<(?:\w+:)?c\s(?=[^>]*?\bs=[\"']("
            + listed
            + rb")[\"'])[^>]*?\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']"
        )


def unseen_formats(package: Package, main: str) -> UnseenFormats:
    """What the workbook's styles say. Raises: `UnreadableFile`, `TooComplex`."""
    part = next((each.part for each in package.relationships(main) if each.kind == "styles"), "")
    if not package.has(part):
        return UnseenFormats()
    root = package.xml(part)
    fonts, fills = _listed(root, "x:fonts"), _listed(root, "x:fills")
    hiding = {
        each.get("numFmtId") for each in _listed(root, "x:numFmts") if each.get("formatCode") == _NOTHING
    }
    nothing: set[int] = set()
    white: set[int] = set()
    for number, each in enumerate(_listed(root, "x:cellXfs")):
        font, fill = _at(fonts, each.get("fontId")), _at(fills, each.get("fillId"))
        if each.get("numFmtId") in hiding or _is_minute(font):
            nothing.add(number)
        elif _is_white(font) and not _is_filled(fill):
            white.add(number)
    return UnseenFormats(frozenset(nothing), frozenset(white))


def _listed(root: Element, name: str) -> list[Element]:
    listed = child(root, name)
    return [] if listed is None else list(listed)


def _at(found: list[Element], number: str | None) -> Element | None:
    at = whole_number(number)
    return found[at] if at is not None and at < len(found) else None


def _is_minute(font: Element | None) -> bool:
    size = None if font is None else child(font, "x:sz")
    try:
        return size is not None and float(size.get("val", "11")) <= SMALLEST_POINTS
    except ValueError:
        return False


def _is_white(font: Element | None) -> bool:
    color = None if font is None else child(font, "x:color")
    if color is None:
        return False
    if color.get("theme") == _BACKGROUND:
        return color.get("tint") in {None, "0"}
    return is_white((color.get("rgb") or "")[-6:])


def _is_filled(fill: Element | None) -> bool:
    """Whether a fill may be any other than white."""
    pattern = None if fill is None else child(fill, "x:patternFill")
    if pattern is None:
        return fill is not None and any(name_of(each) == "x:gradientFill" for each in fill)
    if pattern.get("patternType", "none") == "none":
        return False
    front = child(pattern, "x:fgColor")
    return front is None or not (is_white((front.get("rgb") or "")[-6:]) or front.get("theme") == _BACKGROUND)
