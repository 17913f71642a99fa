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
                found.append(Item(_text(each), key=_look(each), source=each))
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
    """The texts of a chart in their order: paragraphs of titles and labels, and names kept from its data."""
    for element in root.iter("{*}p", "{*}v"):
        if name_of(element) == "a:p" or (with_names and name_of(element) == "c:v" and _is_name(element)):
            yield element


def paragraphs(containers: Sequence[Element]) -> Iterator[Element]:
    """The paragraphs in these elements, in their order."""
    for container in containers:
        yield from (each for each in container.iter("{*}p") if name_of(each) == "a:p")


def _is_name(value: Element) -> bool:
    """Whether a value kept from a chart's data is a text."""
    point = value.getparent()
    cache = None if point is None else point.getparent()
    if cache is None or name_of(cache) not in {"c:strCache", "c:lvl"}:
        # A name that stands in the chart alone.
        return point is not None and name_of(point) == "c:tx"
    return any(character.isalpha() for character in value.text or "")


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
