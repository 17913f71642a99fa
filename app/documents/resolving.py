"""From an anchor back to its place: what stands there now in a file, or that the place is gone.

    word        the paragraph by its number if its hash is still the same, else the one of that hash whose
                neighbours fit best, wherever it went
    excel       the cells of the range          powerpoint  the paragraph of the shape
    pdf         the text within the box         text        the characters from the offset on
    outlook     the first piece of that part that begins like the quote
    pane        in no file: only the pane knows the place

It parses the file: only for a process with limits, like reading.
"""

import io
from collections import Counter
from collections.abc import Sequence

import pypdfium2 as pdfium
import python_calamine as calamine

from app.documents.normalize import text_hash
from app.documents.readers import html, mail, outlook
from app.documents.readers.cells import range_of, shown
from app.documents.readers.docx import ordinals
from app.documents.readers.docx_inline import InlineReader
from app.documents.readers.docx_styles import Styles
from app.documents.readers.package import Package
from app.documents.readers.plain import decode
from app.documents.readers.pptx import beside, slide_parts
from app.documents.readers.pptx_shapes import paragraphs, shapes, text_of
from app.documents.readers.xml import Element
from app.documents.segments import (
    Anchor,
    ExcelAnchor,
    OutlookAnchor,
    PaneAnchor,
    PdfAnchor,
    PowerPointAnchor,
    TextAnchor,
    WordAnchor,
)
from app.documents.sniff import Format, sniff


def text_at(name: str, content: bytes, anchor: Anchor) -> str | None:
    """The text at a place of a file; `None` if nothing is there any more. Raises: documents.errors."""
    match anchor:
        case WordAnchor():
            return _word(Package(content), anchor)
        case ExcelAnchor():
            return _excel(content, anchor)
        case PowerPointAnchor():
            return _powerpoint(Package(content), anchor)
        case PdfAnchor():
            return _pdf(content, anchor)
        case OutlookAnchor():
            return _outlook(name, content, anchor)
        case TextAnchor() | PaneAnchor():
            return _text(name, content, anchor) if isinstance(anchor, TextAnchor) else None


def _word(package: Package, anchor: WordAnchor) -> str | None:
    if not package.has(anchor.part):
        return None
    styles = next(
        (
            each.part
            for each in package.relationships(package.main_part() or "")
            if each.kind == "styles" and package.has(each.part)
        ),
        None,
    )
    inline = InlineReader(Styles(None if styles is None else package.xml(styles)), Counter())
    root = package.xml(anchor.part)
    numbered = {number: element for element, number in ordinals(root).items()}
    host = numbered.get(anchor.ordinal)
    if host is not None:
        # The paragraph itself, else one in a text box that hangs on it.
        for paragraph in host.iter(host.tag):
            text = inline.read(paragraph).text
            if text_hash(text) == anchor.text_hash:
                return text
    return _moved([inline.read(element).text for element in root.iter("{*}p")], anchor)


def _moved(texts: Sequence[str], anchor: WordAnchor) -> str | None:
    """The paragraph of that hash whose neighbours are most alike; `None` if there is none."""
    filled = [text for text in texts if text.strip()]
    hashes = ["", *map(text_hash, filled), ""]
    fits = [
        ((hashes[at] == anchor.before_hash) + (hashes[at + 2] == anchor.after_hash), -at)
        for at, each in enumerate(hashes[1:-1])
        if each == anchor.text_hash
    ]
    return filled[-max(fits)[1]] if fits else None


def _excel(content: bytes, anchor: ExcelAnchor) -> str | None:
    top, bottom, left, right = range_of(anchor.a1)
    with calamine.load_workbook(io.BytesIO(content)) as workbook:
        if anchor.worksheet not in workbook.sheet_names:
            return None
        sheet = workbook.get_sheet_by_name(anchor.worksheet)
        rows = sheet.to_python(skip_empty_area=False, nrows=bottom + 1)
    lines = [" | ".join(map(shown, row[left : right + 1])) for row in rows[top : bottom + 1]]
    return "\n".join(lines) if lines else None


def _powerpoint(package: Package, anchor: PowerPointAnchor) -> str | None:
    slide = dict(slide_parts(package, package.main_part() or "")).get(anchor.slide_id)
    part = None if slide is None else beside(package, slide, anchor.part)
    if part is None:
        return None
    shape = next((each for each in shapes(package.xml(part)) if each.id == anchor.shape_id), None)
    if shape is None:
        return None
    bodies: list[Element] = list(shape.element.iter("{*}txBody"))
    listed = [paragraph for body in bodies for paragraph in paragraphs(body)]
    if anchor.paragraph < len(listed):
        return text_of(listed[anchor.paragraph])
    return shape.description or None


def _pdf(content: bytes, anchor: PdfAnchor) -> str | None:
    document = pdfium.PdfDocument(content)
    try:
        if anchor.page > len(document):
            return None
        page = document[anchor.page - 1]
        text_page = page.get_textpage()
        found = str(text_page.get_text_bounded(*anchor.bbox))
        text_page.close()
        page.close()
        return found or None
    finally:
        document.close()


def _outlook(name: str, content: bytes, anchor: OutlookAnchor) -> str | None:
    is_msg = sniff(name, content).format is Format.MSG
    for segment in (outlook.read(content) if is_msg else mail.read(content)).segments:
        found = segment.anchor
        same = isinstance(found, OutlookAnchor) and found.part == anchor.part
        if same and segment.text.startswith(anchor.quote):
            return segment.text
    return None


def _text(name: str, content: bytes, anchor: TextAnchor) -> str | None:
    if sniff(name, content).format is Format.HTML:
        text = "\n".join(segment.text for segment in html.read(content).segments)
    else:
        text = decode(content, Counter())
    raw = text.encode("utf-16-le")[2 * anchor.offset : 2 * (anchor.offset + anchor.length)]
    return raw.decode("utf-16-le", "replace") or None
