"""Runs of Word: made of what a slot of the new paragraph holds, and put into the links and controls around them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import groupby

from lxml import etree

from app.documents.readers.docx_units import Role, Unit
from app.documents.readers.xml import Element, child, name_of
from app.documents.writers.pieces import clean
from app.documents.writers.proofing import proofing_tag, word_attribute

_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_BESIDES_TEXT = {"\t": "tab", "\n": "br", "\u2011": "noBreakHyphen"}
_CUT = re.compile("([\t\n\u2011])")
_PROPERTIES = frozenset({"w:sdtPr", "w:sdtEndPr", "w:smartTagPr", "w:customXmlPr"})
_CHANGES = frozenset({"w:rPrChange", "w:ins", "w:del", "w:moveFrom", "w:moveTo"})
_AFTER_LANGUAGE = frozenset({"w:eastAsianLayout", "w:specVanish", "w:oMath"})
"""What stands behind `w:lang` in a run's properties (ISO/IEC 29500-1, CT_RPr), besides all that is of no standard."""

Placed = tuple[tuple[Element, ...], Element]
"""An element and what is to be around it, from the outermost in."""


@dataclass
class Slot:
    """Something in the new paragraph: units of the old one, or new text that looks like the first of them."""

    units: Sequence[Unit]
    text: str | None = None
    home: int = 0
    """Which unit of the old paragraph it comes from, by position."""


class RunMaker:
    """Makes the elements of one paragraph's slots."""

    def __init__(self, paragraph: Element, units: Sequence[Unit], language: str | None = None) -> None:
        self._paragraph = paragraph
        self._language = language
        self._size = Counter(unit.run for unit in units if unit.role is not Role.STALE)

    def elements(self, slot: Slot) -> Iterator[Placed]:
        """The slot's elements; those of the old paragraph are taken out of it."""
        if slot.text is not None:
            if clean(slot.text):
                yield self._text(slot.units, clean(slot.text))
            return
        for run, group in groupby(slot.units, key=lambda unit: unit.run):
            units = [unit for unit in group if unit.role is not Role.STALE]
            if not units:
                continue
            if run is None:
                yield from ((unit.chain, unit.element) for unit in units)
            elif len(units) == self._size[run]:
                yield units[0].chain, run
            else:
                made = self._run(run)
                made.extend([unit.element for unit in units])
                yield units[0].chain, made

    def _text(self, units: Sequence[Unit], text: str) -> Placed:
        like = next((unit for unit in units if unit.run is not None), None)
        made = self._run(None if like is None else like.run)
        if self._language is not None:
            self._mark(made, self._language)
        for part in filter(None, _CUT.split(text)):
            if part in _BESIDES_TEXT:
                self._child(made, _BESIDES_TEXT[part])
                continue
            element = self._child(made, "t")
            element.text = part
            element.set(_SPACE, "preserve")
        return (() if like is None else like.chain), made

    def _run(self, like: Element | None) -> Element:
        """An empty run of the same look."""
        made = self._child(None, "r")
        if like is not None:
            made.attrib.update(like.attrib)
            for each in like:
                if name_of(each) == "w:rPr":
                    properties = deepcopy(each)
                    properties.tail = None
                    for change in [part for part in properties if name_of(part) in _CHANGES]:
                        properties.remove(change)
                    made.append(properties)
        return made

    def _mark(self, run: Element, language: str) -> None:
        """Let Word check the run's spelling by this language."""
        properties = child(run, "w:rPr")
        if properties is None:
            properties = self._child(None, "rPr")
            run.insert(0, properties)
        marked = child(properties, "w:lang")
        if marked is None:
            marked = self._child(None, "lang")
            later = (at for at, each in enumerate(properties) if _is_after_language(name_of(each)))
            properties.insert(next(later, len(properties)), marked)
        namespace = etree.QName(marked).namespace
        marked.set(f"{{{namespace}}}{word_attribute(language)}", proofing_tag(language))

    def _child(self, parent: Element | None, local: str) -> Element:
        tag = f"{{{etree.QName(self._paragraph).namespace}}}{local}"
        if parent is None:
            return etree.Element(tag)
        return etree.SubElement(parent, tag)


def _is_after_language(name: str) -> bool:
    return name in _AFTER_LANGUAGE or not name.startswith("w:")


def wrapped(placed: Sequence[Placed]) -> list[Element]:
    """The elements in their order within what is to be around them.

    A link that is torn apart becomes two to the same place; a control, which has an identity, stays one.
    """
    found: list[Element] = []
    open_around: list[tuple[Element, Element]] = []
    used: set[Element] = set()
    for whole_chain, element in placed:
        depth = 0
        while depth < min(len(whole_chain), len(open_around)) and open_around[depth][0] is whole_chain[depth]:
            depth += 1
        del open_around[depth:]
        for wrapper in whole_chain[depth:]:
            if wrapper in used and name_of(wrapper) == "w:sdt":
                continue
            used.add(wrapper)
            shell, inside = _shell(wrapper)
            (open_around[-1][1].append if open_around else found.append)(shell)
            open_around.append((wrapper, inside))
        element.tail = None
        (open_around[-1][1].append if open_around else found.append)(element)
    return found


def _shell(wrapper: Element) -> tuple[Element, Element]:
    """A wrapper without its content, and where its content goes."""
    made = etree.Element(wrapper.tag)
    made.attrib.update(wrapper.attrib)
    made.extend([deepcopy(each) for each in wrapper if name_of(each) in _PROPERTIES])
    if name_of(wrapper) != "w:sdt":
        return made, made
    return made, etree.SubElement(made, f"{{{etree.QName(wrapper).namespace}}}sdtContent")
