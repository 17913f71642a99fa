"""Paragraphs of DrawingML, which slides, charts, diagrams and the shapes of a workbook are made of."""

from collections.abc import Collection, Iterator, Sequence

from lxml import etree

from app.documents.readers.xml import Element, child, name_of
from app.documents.runs import Item
from app.documents.segments import RunKind

BESIDE_TEXT = frozenset({"a:pPr", "a:endParaRPr"})
_NO_LOOK = ("lang", "altLang", "dirty", "err", "smtClean", "noProof", "bmk", "smtId")
"""Attributes of a run's properties that change nothing on the slide."""


def items(paragraph: Element, unseen: Collection[Element] = ()) -> list[Item]:
    """The items of an `a:p`; the source of each is its element. Of runs that are `unseen` nothing is told."""
    found: list[Item] = []
    for each in paragraph:
        match name_of(each):
            case "a:r" if each in unseen:
                found.append(Item("", RunKind.OBJECT, source=each))
            case "a:r":
                look = _look(each)
                found.append(Item(_text(each), key=look, source=each, is_within=b"hlinkClick" in look))
            case "a:br":
                found.append(Item("\n", RunKind.BREAK, source=each))
            case "a:fld":
                found.append(Item(_text(each), RunKind.FIELD, source=each))
            case name if name not in BESIDE_TEXT and isinstance(each.tag, str):
                found.append(Item(_text(each), RunKind.OBJECT, source=each))
            case _:
                pass
    return found


def chart_texts(root: Element, *, with_names: bool) -> Iterator[Element]:
    """The texts of a chart in their order: paragraphs of titles and labels, names that stand in it alone, and
    with `with_names` those kept from its data.
    """
    wanted = {"c:strLit", "c:tx", *(("c:strCache", "c:lvl") if with_names else ())}
    for element in root.iter("{*}p", "{*}v"):
        if name_of(element) == "a:p" or (name_of(element) == "c:v" and _holder(element) in wanted):
            yield element


def paragraphs(containers: Sequence[Element]) -> Iterator[Element]:
    """The paragraphs in these elements, in their order."""
    for container in containers:
        yield from (each for each in container.iter("{*}p") if name_of(each) == "a:p")


def _holder(value: Element) -> str:
    """What a value of a chart is a text of: the name of it; "" for a number."""
    point = value.getparent()
    if point is None or not any(character.isalpha() for character in value.text or ""):
        return ""
    cache = point.getparent()
    return "c:tx" if name_of(point) == "c:tx" else "" if cache is None else name_of(cache)


def _text(element: Element) -> str:
    return "".join(each.text or "" for each in element.iter("{*}t") if name_of(each) == "a:t")


def _look(run: Element) -> bytes:
    """What the properties of a run say of its look, comparable."""
    properties = child(run, "a:rPr")
    if properties is None:
        return b""
    told = sorted(
        (str(name), str(value)) for name, value in properties.attrib.items() if name not in _NO_LOOK
    )
    inside = b"".join([etree.tostring(each, with_tail=False) for each in properties])
    # Properties that say nothing of the look are as none.
    return (repr(told).encode() if told else b"") + inside
