"""Runs of a Word document that nobody sees though they are not hidden: white on the white page, or minute.

White text in a table, a text box or above any shading is read: its ground may be dark.
"""

from app.documents.readers.docx_styles import Styles
from app.documents.readers.hiding import SMALLEST_POINTS, is_white
from app.documents.readers.xml import Element, attribute, child, name_of, whole_number

_GROUNDS = frozenset({"w:tc", "w:txbxContent", "w:background"})
_NO_FILL = frozenset({"auto", "ffffff", "none", ""})
_SMALLEST_HALF_POINTS = int(2 * SMALLEST_POINTS)


def _is_filled(paragraph: Element, styles: Styles) -> bool:
    """Whether what is behind a paragraph may have a colour of its own."""
    if _shaded(child(paragraph, "w:pPr", "w:shd")) or styles.paragraph_shaded(paragraph):
        return True
    above = paragraph.getparent()
    root = paragraph
    while above is not None:
        if name_of(above) in _GROUNDS:
            return True
        root, above = above, above.getparent()
    return child(root, "w:background") is not None


def is_unseen(run: Element, paragraph: Element, styles: Styles) -> bool:
    """Whether a run of a paragraph is minute, or white with nothing behind it."""
    properties = child(run, "w:rPr")
    if properties is None:
        return False
    size = whole_number(_value(child(properties, "w:sz")))
    if size is not None and size <= _SMALLEST_HALF_POINTS:
        return True
    if not is_white(_value(child(properties, "w:color"))):
        return False
    highlight = _value(child(properties, "w:highlight"))
    if highlight not in {"", "none", "white"} or _shaded(child(properties, "w:shd")):
        return False
    return not _is_filled(paragraph, styles)


def _shaded(shading: Element | None) -> bool:
    if shading is None:
        return False
    fill = (attribute(shading, "w:fill") or "").lower()
    pattern = attribute(shading, "w:val") or "clear"
    return fill not in _NO_FILL or pattern not in {"clear", "nil"} or bool(attribute(shading, "w:themeFill"))


def _value(element: Element | None) -> str:
    return "" if element is None else attribute(element, "w:val") or ""
