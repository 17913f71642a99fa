"""Anchors resolve back to the place: of every kind of content, in every format."""

import io
from collections.abc import Iterator

import openpyxl
import pptx as python_pptx
import pytest

from app.documents.normalize import normalize, text_hash
from app.documents.reading import read
from app.documents.resolving import text_at
from app.documents.segments import ExcelAnchor, PowerPointAnchor, Segment, WordAnchor
from app.vocabulary import SegmentKind
from tests.documents.everything import KINDS, ONCE, UNREAD, everything, sentinel
from tests.documents.files import paragraph, pdf_file, word_file
from tests.documents.mails import mail

_PAGES = 3
_IN_ORDER = [kind for kind in KINDS if kind not in ONCE]


@pytest.fixture(scope="module")
def word() -> bytes:
    return everything(_PAGES)


def _expected() -> Iterator[str]:
    for page in range(_PAGES):
        yield from (sentinel(kind, page) for kind in KINDS if kind not in ONCE)
    yield from (sentinel(kind, 0) for kind in ONCE)


def test_every_kind_of_content_of_a_word_document_is_read_and_in_order(word: bytes) -> None:
    extracted = read("a.docx", word)
    texts = [segment.text for segment in extracted.segments]
    whole = "\n".join(texts)
    assert [each for each in _expected() if whole.count(each) != 1] == []
    assert not any(kind in whole for kind in UNREAD)
    assert extracted.notes == {
        "comments": 1,
        "hidden_text": _PAGES,
        "placeholders": _PAGES,
        "tracked_changes": 2 * _PAGES,
    }
    places = [
        next(at for at, text in enumerate(texts) if sentinel(kind, page) in text)
        for page in range(_PAGES)
        for kind in _IN_ORDER
    ]
    assert places == sorted(places)


def test_each_anchor_of_a_word_document_leads_to_its_paragraph(word: bytes) -> None:
    resolved = 0
    for segment in read("a.docx", word).segments:
        assert isinstance(segment.anchor, WordAnchor)
        if segment.kind is SegmentKind.SLIDE:
            # What is drawn hangs on a paragraph that says something else.
            continue
        found = text_at("a.docx", word, segment.anchor)
        assert found is not None, segment
        assert text_hash(found) == segment.anchor.text_hash
        assert normalize(found) in normalize(segment.text)
        resolved += 1
    assert resolved > 20 * _PAGES


def test_a_paragraph_that_moved_is_found_by_its_hash_and_its_neighbours() -> None:
    before = word_file("".join(map(paragraph, ["a", "same", "b", "c", "same", "d"])))
    second = read("a.docx", before).segments[4].anchor
    after = word_file("".join(map(paragraph, ["new", "a", "same", "b", "new", "c", "same", "d changed"])))
    assert text_at("a.docx", after, second) == "same"
    assert text_at("a.docx", word_file(paragraph("other")), second) is None
    gone = WordAnchor("word/none.xml", 0, "", "", "")
    assert text_at("a.docx", after, gone) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", "# Ü😀\n\nText *here*.\n\n| a | b |\n|---|---|\n| 1 | 2 |".encode()),
        ("a.txt", "Größe 😀\r\n\r\nzwei\r\nZeilen".encode()),
        ("a.html", "<h1>😀</h1><p>one<br>two<table><tr><th>a<th>b<tr><td>1<td>2</table>".encode()),
        (
            "a.eml",
            mail("Dear Ann,\n\nsee below.\n\n> Old", Subject="Zahlen", From_="b@example.com").as_bytes(),
        ),
    ],
)
def test_each_anchor_of_a_text_leads_to_just_its_text(name: str, content: bytes) -> None:
    segments = read(name, content).segments
    assert segments
    for segment in segments:
        assert text_at(name, content, segment.anchor) == segment.text


def _values(segment: Segment) -> list[str]:
    return [each.strip() for each in segment.text.split(" | ")]


def test_each_anchor_of_a_workbook_leads_to_its_cells_as_another_reader_finds_them() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Zahlen 1"
    for row in (["Region", "Units"], ["North", 7], ["South", 8.5]):
        sheet.append(row)
    sheet["D9"] = "alone"
    buffer = io.BytesIO()
    book.save(buffer)
    content = buffer.getvalue()
    for segment in read("a.xlsx", content).segments[1:]:
        assert isinstance(segment.anchor, ExcelAnchor)
        assert text_at("a.xlsx", content, segment.anchor) == segment.text
        cells = openpyxl.load_workbook(io.BytesIO(content))[segment.anchor.worksheet][segment.anchor.a1]
        there = (
            [str(cell.value) for row in cells for cell in row]
            if isinstance(cells, tuple)
            else [str(cells.value)]
        )
        assert there == _values(segment)
    assert text_at("a.xlsx", content, ExcelAnchor("None", "A1")) is None


def test_each_anchor_of_a_presentation_leads_to_its_paragraph_as_another_reader_finds_it() -> None:
    deck = python_pptx.Presentation()
    for number in range(2):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = f"Title {number}"
        slide.placeholders[1].text_frame.text = "First\nSecond"
        slide.notes_slide.notes_text_frame.text = "Say\nhello"
    buffer = io.BytesIO()
    deck.save(buffer)
    content = buffer.getvalue()
    slides = {slide.slide_id: slide for slide in deck.slides}
    for segment in read("a.pptx", content).segments:
        anchor = segment.anchor
        assert isinstance(anchor, PowerPointAnchor)
        assert text_at("a.pptx", content, anchor) == segment.text
        slide = slides[anchor.slide_id]
        shapes = slide.notes_slide.shapes if anchor.part else slide.shapes
        frame = next(shape for shape in shapes if shape.shape_id == anchor.shape_id).text_frame
        assert frame.paragraphs[anchor.paragraph].text == segment.text
    assert text_at("a.pptx", content, PowerPointAnchor(999, 1, 0)) is None


def test_each_anchor_of_a_pdf_leads_to_a_box_that_holds_its_text() -> None:
    content = pdf_file(
        [("Title", "Harbour report"), ("Normal", "The harbour was closed. " * 12)], [("Normal", "End.")]
    )
    for segment in read("a.pdf", content).segments:
        found = text_at("a.pdf", content, segment.anchor)
        assert found is not None
        assert normalize(found) == normalize(segment.text)
