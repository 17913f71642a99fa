"""Paragraphs of DrawingML made anew from runs in their new order."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy

from lxml import etree

from app.documents.readers.drawing import BESIDE_TEXT
from app.documents.readers.xml import Element, child, name_of
from app.documents.runs import Stretch
from app.documents.segments import Run, RunKind
from app.documents.writers.pieces import UsualTexts, clean
from app.documents.writers.proofing import proofing_tag

_CUT = re.compile("(\n)")
_BREAKS = {"\n": "br"}


def rewrite(
    paragraph: Element, source: Sequence[Stretch], runs: Sequence[Run], language: str | None = None
) -> None:
    """Put `runs` in place of the paragraph's, whose stretches are `source`. What does not change is moved.

    New text is marked as being in `language`.
    """
    tagged: Mapping[int, Stretch] = {each.run.tag: each for each in source if each.run.tag}
    usual = UsualTexts(source)
    free = {id(each) for each in source}
    made: list[Element] = []
    for run in runs:
        like = tagged.get(run.tag) if run.tag else usual.like(run.text)
        elements = [] if like is None else [each.source for each in like.items]
        unchanged = like is not None and like.run.text == run.text and id(like) in free
        if like is not None and (run.kind is not RunKind.TEXT or unchanged):
            free.discard(id(like))
            made += [each for each in elements if isinstance(each, etree._Element)]  # noqa: SLF001 (lxml has no public name for it)
        else:
            lead = None if like is None else like.lead.source
            look = lead if isinstance(lead, etree._Element) else None  # noqa: SLF001 (lxml has no public name for it)
            made += _runs(paragraph, look, clean(run.text), language)
    for each in list(paragraph):
        if name_of(each) not in BESIDE_TEXT:
            paragraph.remove(each)
    properties = child(paragraph, "a:pPr")
    start = 0 if properties is None else paragraph.index(properties) + 1
    for element in made:
        element.tail = None
    paragraph[start:start] = made


def _runs(paragraph: Element, like: Element | None, text: str, language: str | None) -> list[Element]:
    """Runs of this text, a break for each line's end."""
    found: list[Element] = []
    namespace = etree.QName(paragraph).namespace
    properties = None if like is None else child(like, "a:rPr")
    for part in filter(None, _CUT.split(text)):
        made = etree.Element(f"{{{namespace}}}{_BREAKS.get(part, 'r')}")
        if properties is not None:
            made.append(deepcopy(properties))
            made[0].tail = None
        if language is not None:
            own = made[0] if len(made) else etree.SubElement(made, f"{{{namespace}}}rPr")
            own.set("lang", proofing_tag(language))
        if part != "\n":
            etree.SubElement(made, f"{{{namespace}}}t").text = part
        found.append(made)
    return found
