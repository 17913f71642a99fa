"""The shapes of a slide or of its notes, in the order in which they are drawn, groups opened."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from app.documents.readers.docx_inline import choice
from app.documents.readers.xml import Element, attribute, child, name_of, whole_number

_SHAPES = {
    "p:sp": "p:nvSpPr",
    "p:pic": "p:nvPicPr",
    "p:graphicFrame": "p:nvGraphicFramePr",
    "p:cxnSp": "p:nvCxnSpPr",
}
_NUMBERS = frozenset({"slidenum", "datetime"})
_BULLETS = ("a:buChar", "a:buAutoNum", "a:buBlip")


@dataclass(frozen=True)
class Shape:
    """One shape. `placeholder` is its role ("title", "body", "ftr", ...), "" for none."""

    element: Element
    id: int
    placeholder: str
    description: str
    is_hidden: bool


def shapes(root: Element) -> Iterator[Shape]:
    """All shapes of a slide's part."""
    tree = child(root, "p:cSld", "p:spTree")
    if tree is not None:
        yield from _within(tree)


def _within(group: Element) -> Iterator[Shape]:
    for element in group:
        match name_of(element):
            case "p:grpSp":
                properties = child(element, "p:nvGrpSpPr", "p:cNvPr")
                if properties is None or not _is_on(properties.get("hidden")):
                    yield from _within(element)
            case "mc:AlternateContent":
                chosen = choice(element)
                if chosen is not None:
                    yield from _within(chosen)
            case name if name in _SHAPES:
                yield _shape(element, _SHAPES[name])
            case _:
                pass


def _shape(element: Element, named: str) -> Shape:
    properties = child(element, named, "p:cNvPr")
    holder = child(element, named, "p:nvPr", "p:ph")
    return Shape(
        element=element,
        id=0 if properties is None else whole_number(properties.get("id")) or 0,
        placeholder="" if holder is None else holder.get("type", "obj"),
        description="" if properties is None else properties.get("descr", ""),
        is_hidden=properties is not None and _is_on(properties.get("hidden")),
    )


def _is_on(value: str | None) -> bool:
    return value in {"1", "true"}


def paragraphs(body: Element | None) -> list[Element]:
    """The paragraphs of a text body."""
    return [] if body is None else [each for each in body if name_of(each) == "a:p"]


def text_of(paragraph: Element, unseen: Collection[Element] = ()) -> str:
    """What a paragraph shows: runs, breaks, formulas; numbers of slides and dates that change are left out."""
    texts: list[str] = []
    for element in paragraph.iter("{*}t", "{*}br"):
        if name_of(element) == "a:br":
            texts.append("\n")
        elif name_of(element) in {"a:t", "m:t"} and not _left_out(element, paragraph, unseen):
            texts.append(element.text or "")
    return "".join(texts)


def _left_out(element: Element, paragraph: Element, unseen: Collection[Element]) -> bool:
    above = element.getparent()
    while above is not None and above is not paragraph:
        if name_of(above) == "mc:Fallback" or above in unseen:
            return True
        if name_of(above) == "a:fld" and (above.get("type") or "").startswith(tuple(_NUMBERS)):
            return True
        above = above.getparent()
    return False


def is_listed(paragraph: Element, placeholder: str) -> bool:
    """Whether a paragraph is a point: marked as one, or in a body and not marked as none."""
    properties = child(paragraph, "a:pPr")
    if properties is not None:
        if any(child(properties, bullet) is not None for bullet in _BULLETS):
            return True
        if child(properties, "a:buNone") is not None:
            return False
    return placeholder in {"body", "obj"}


def links(element: Element) -> int:
    """How many links that lead somewhere hang on a shape and its text."""
    return sum(bool(attribute(each, "r:id")) for each in element.iter("{*}hlinkClick"))
