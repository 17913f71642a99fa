"""PDF: text by page, put together to paragraphs with their boxes. No text layer means no text: it says so."""

import re
from collections import Counter
from dataclasses import dataclass, field, replace

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from app.documents.errors import EncryptedFile, NoText, TooComplex, UnreadableFile
from app.documents.readers.hiding import count_hidden
from app.documents.readers.labels import labels_of, named_in
from app.documents.readers.limits import check_size
from app.documents.readers.outline import Outline
from app.documents.readers.pdf_layout import (
    Block,
    Line,
    heading_levels,
    paragraphs,
    without_running_headers,
)
from app.documents.readers.pdf_streams import refuse_bombs
from app.documents.readers.pdf_unseen import Unseen
from app.documents.segments import Extracted, PdfAnchor, Segment
from app.vocabulary import SegmentKind

MEDIA_TYPE = "application/pdf"
MAX_PAGES = 5_000
MAX_REPEATED_PAGES = 20
"""How often page objects may stand in the page tree again: few bytes could ask for any amount of work."""
_READ = (-7_654_321.0, -1.0, -7_654_320.0, 5.0)
"""Art box that marks a page as read, in memory: pdfium does not say which object a page is."""
_NEEDS_PASSWORD = (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY)
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\uffff]")
_HYPHEN_AT_END = re.compile("[\x02\ufffe]")
"""How pdfium writes a hyphen by which it put a word together over two lines."""


@dataclass
class _Progress:
    """What the pages so far came to."""

    notes: Counter[str] = field(default_factory=Counter)
    characters: int = 0
    """White space and what is not kept count too: they cost as much."""
    repeated: int = 0


def read(content: bytes) -> Extracted:
    """Segments of a .pdf. Raises: documents.errors."""
    refuse_bombs(content)
    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        if error.err_code in _NEEDS_PASSWORD:
            raise EncryptedFile from error
        raise UnreadableFile from error
    try:
        known = ((name, document.get_metadata_value(name)) for name in named_in(content))
        return replace(_read(document), labels=labels_of(pair for pair in known if pair[1]))
    finally:
        document.close()


def _read(document: pdfium.PdfDocument) -> Extracted:
    count = len(document)
    if count > MAX_PAGES:
        raise TooComplex(
            f"The PDF has {count:,} pages, more than {MAX_PAGES:,}; split it and send the parts."
        )
    progress = _Progress()
    notes = progress.notes
    pages = [_page(document, number, progress) for number in range(count)]
    if notes["pages_unreadable"] == count:
        raise UnreadableFile
    if not any(pages):
        raise NoText(
            "The PDF has no text layer (it holds scanned pages or pictures only);"
            " run text recognition over it and send the result."
        )
    notes["pages_without_text"] = sum(not page for page in pages) - notes["pages_unreadable"]
    body, running = without_running_headers(pages)
    blocks = [block for page in body for block in paragraphs(page)]
    segments = _segments(blocks, running)
    check_size(len(segments), progress.characters)
    return Extracted(
        media_type=MEDIA_TYPE,
        segments=segments,
        notes={name: count for name, count in sorted(notes.items()) if count},
    )


def _segments(blocks: list[Block], running: list[Line]) -> tuple[Segment, ...]:
    levels = heading_levels(blocks)
    outline = Outline()
    found: list[Segment] = []
    for number, block in enumerate(blocks):
        level = levels.get(number)
        kind = SegmentKind.LIST_ITEM if block.is_list_item else SegmentKind.PARAGRAPH
        found.append(
            Segment(
                index=len(found),
                kind=kind if level is None else SegmentKind.HEADING,
                text=block.text,
                anchor=PdfAnchor(page=block.lines[0].page, bbox=block.box),
                heading_path=outline.path if level is None else outline.enter(level, block.text),
                level=level,
            )
        )
    for line in running:
        # A page number alone is no content.
        if any(character.isalpha() for character in line.text):
            anchor = PdfAnchor(page=line.page, bbox=Block([line]).box)
            found.append(Segment(index=len(found), kind=SegmentKind.HEADER, text=line.text, anchor=anchor))
    return tuple(found)


def _page(document: pdfium.PdfDocument, number: int, progress: _Progress) -> list[Line]:
    try:
        page = document[number]
    except pdfium.PdfiumError:
        progress.notes["pages_unreadable"] += 1
        return []
    try:
        _refuse_repetition(page, progress)
        text_page = page.get_textpage()
        try:
            progress.characters += text_page.count_chars()
            check_size(0, progress.characters)
            return _seen_lines(page, text_page, number + 1, progress.notes)
        finally:
            text_page.close()
    except pdfium.PdfiumError:
        progress.notes["pages_unreadable"] += 1
        return []
    finally:
        page.close()


def _refuse_repetition(page: pdfium.PdfPage, progress: _Progress) -> None:
    """Count pages whose object was read before. Raises: `TooComplex`."""
    if page.get_artbox(fallback_ok=False) == _READ:
        progress.repeated += 1
        if progress.repeated > MAX_REPEATED_PAGES:
            raise TooComplex(
                f"The PDF shows the same page more than {MAX_REPEATED_PAGES} times; print it to a new PDF"
                " without the repetitions and send that."
            )
    page.set_artbox(*_READ)


def _seen_lines(
    page: pdfium.PdfPage, text_page: pdfium.PdfTextPage, number: int, notes: Counter[str]
) -> list[Line]:
    """The lines of a page that are seen; the others are counted."""
    lines = _lines(text_page, number, page.get_bbox())
    unseen = Unseen(page, text_page)
    hidden = [unseen.is_unseen(line.box, line.text_index) for line in lines]
    count_hidden(notes, [f"{line.text} " for line, out in zip(lines, hidden, strict=True) if out])
    return [line for line, out in zip(lines, hidden, strict=True) if not out]


def _lines(
    text_page: pdfium.PdfTextPage, number: int, page_box: tuple[float, float, float, float]
) -> list[Line]:
    found: list[Line] = []
    # pdfium counts UTF-16 units, and generates the line ends itself.
    units = 0
    for raw in text_page.get_text_range().split("\r\n"):
        length = len(raw.encode("utf-16-le")) // 2
        text = " ".join(_UNWANTED.sub("", _HYPHEN_AT_END.sub("\u00ad", raw)).split())
        if text:
            lead = len(raw) - len(raw.lstrip())
            last = len(raw.rstrip()) - 1
            box = _box(text_page, units + lead, units + max(last, lead)) or page_box
            found.append(Line(text, number, box, page_box[3] - page_box[1], units + lead))
        units += length + 2
    return found


def _box(text_page: pdfium.PdfTextPage, first: int, last: int) -> tuple[float, float, float, float] | None:
    """The box around the first and the last character of a line, by their place in the page's text."""
    boxes: list[tuple[float, float, float, float]] = []
    for place in (first, last):
        index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(text_page, place)
        try:
            boxes.append(text_page.get_charbox(index, loose=True))
        except pdfium.PdfiumError:
            continue
    if not boxes:
        return None
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)
