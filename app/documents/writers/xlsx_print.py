"""What a sheet prints above and below its pages: texts with codes in them (ECMA-376 part 1, 18.3.1.39).

&L &C &R                    the left, middle and right section
&P &N &D &T &F &A &Z &G     the page's number, how many, the date, ...: shown, and nobody's to write
&B &"Arial,Bold" &12 &K..   the look from there on
&&                          an "&"
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from app.documents.readers.package import Package
from app.documents.readers.xml import Element, child, name_of, walk
from app.documents.runs import Item, Stretch, runs_of, shown_text, stretches
from app.documents.segments import ExcelAnchor, Run, RunKind, Segment
from app.documents.writers.pieces import Spot, clean
from app.vocabulary import SegmentKind

_CODE = re.compile(
    r'&(?:"[^"]*"|[0-9]+|K[0-9A-Fa-f]{6}|K[0-9]{2}[+-][0-9]{3}|[A-Za-z](?:[+-][0-9]+)?|&)', re.DOTALL
)
_VALUES = "PNDTFAZG"
_VALUE = "#"
"""What stands for them."""
_LONGEST = 255
"""Characters of a header with its codes; Excel repairs a file with more, which is to lose it."""
_WHERE = "A1"
"""They stand in no cell."""

_Place = tuple[str, str, int]
"""The sheet's part, the name of the element, and which section of it."""


class PrintTexts:
    """The texts of a workbook that are for print, and what is to become of them."""

    def __init__(self, package: Package, notes: Counter[str]) -> None:
        self._package = package
        self._notes = notes
        self._sections: dict[tuple[str, str], list[str]] = {}
        self._changed: defaultdict[str, set[str]] = defaultdict(set)

    def spots(self, sheet: str, part: str) -> Iterator[Spot]:
        """Those of a sheet, section by section. Raises: `UnreadableFile`."""
        content = self._package.content(part)
        for each in walk(content, "headerFooter") if b"headerFooter" in content else ():
            for element in each if _is_of_sheet(each) else ():
                sections = _split(element.text or "")
                self._sections[part, name_of(element)] = sections
                for number, section in enumerate(sections):
                    yield from self._spot(sheet, (part, name_of(element), number), section)

    def finish(self) -> Iterable[str]:
        """Write what was asked; gives the parts that changed."""
        for part, names in self._changed.items():
            held = child(self._package.xml(part), "x:headerFooter")
            for element in () if held is None else held:
                if name_of(element) in names:
                    element.text = clean("".join(self._sections[part, name_of(element)]))
            yield part

    def _spot(self, sheet: str, place: _Place, section: str) -> Iterator[Spot]:
        found = stretches([list(_items(section))])
        text = shown_text([each.run for each in found])
        if any(each.run.kind is RunKind.TEXT and each.run.text.strip() for each in found):
            kept = runs_of(found)
            segment = Segment(
                0, SegmentKind.HEADER, text, ExcelAnchor(sheet, _WHERE), heading_path=(sheet,), runs=kept
            )
            yield Spot(segment, (), partial(self._write, place, found))

    def _write(self, place: _Place, source: Sequence[Stretch], runs: Sequence[Run]) -> None:
        part, name, number = place
        sections = self._sections[part, name]
        new = [*sections[:number], _joined(source, runs), *sections[number + 1 :]]
        if sum(map(len, new)) > _LONGEST:
            self._notes["headers_too_long"] += 1
            return
        sections[:] = new
        self._changed[part].add(name)


def _is_of_sheet(found: Element) -> bool:
    """Not of somebody's own view of it."""
    above = found.getparent()
    return above is not None and name_of(above) == "x:worksheet"


def _split(text: str) -> list[str]:
    """The sections of a header, each with the code that opens it."""
    found = [""]
    for part in _parts(text):
        if part in {"&L", "&C", "&R"}:
            found.append("")
        found[-1] += part
    return found


def _parts(text: str) -> Iterator[str]:
    """Codes and what is between them."""
    at = 0
    for code in _CODE.finditer(text):
        yield from filter(None, (text[at : code.start()], code.group()))
        at = code.end()
    yield from filter(None, (text[at:],))


def _items(section: str) -> Iterator[Item]:
    text = ""
    for part in _parts(section):
        if part == "&&" or not part.startswith("&"):
            text += "&" if part == "&&" else part
            continue
        if text:
            yield Item(text)
        text = ""
        is_value = part[1] in _VALUES
        yield Item(_VALUE if is_value else "", RunKind.FIELD if is_value else RunKind.OBJECT, source=part)
    if text:
        yield Item(text)


def _joined(source: Sequence[Stretch], runs: Sequence[Run]) -> str:
    codes = {each.run.tag: str(each.lead.source) for each in source if each.run.tag}
    made = ""
    for run in runs:
        if run.kind is not RunKind.TEXT:
            made += codes[run.tag]
        elif run.text:
            # A figure right after a size would be more of it.
            is_figure = re.search(r"&[0-9]+$", made) and run.text[0].isdigit()
            made += " " * bool(is_figure) + run.text.replace("&", "&&")
    return made
