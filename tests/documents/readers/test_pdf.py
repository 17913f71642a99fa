from pathlib import Path

import pytest
from reportlab.pdfgen import canvas

from app.documents.errors import EncryptedFile, NoText, TooComplex, UnreadableFile
from app.documents.readers import limits, pdf
from app.documents.segments import PdfAnchor
from app.vocabulary import SegmentKind
from tests.documents.files import encrypted_pdf, pdf_file, repetitive_pdf

_SENTENCES = "The committee examined the report and recommends that the board adopt it. " * 5


def test_paragraphs_keep_page_and_place_and_headings_are_found_by_size() -> None:
    content = pdf_file(
        [("Title", "Annual report"), ("Heading2", "Scope"), ("Normal", _SENTENCES), ("Normal", "Short one.")],
        [("Normal", "On page two.")],
    )
    found = pdf.read(content).segments
    assert [(segment.kind, segment.text, segment.heading_path) for segment in found] == [
        (SegmentKind.HEADING, "Annual report", ()),
        (SegmentKind.HEADING, "Scope", ("Annual report",)),
        (SegmentKind.PARAGRAPH, _SENTENCES.strip(), ("Annual report", "Scope")),
        (SegmentKind.PARAGRAPH, "Short one.", ("Annual report", "Scope")),
        (SegmentKind.PARAGRAPH, "On page two.", ("Annual report", "Scope")),
    ]
    anchors = [segment.anchor for segment in found]
    assert all(isinstance(anchor, PdfAnchor) for anchor in anchors)
    assert [anchor.page for anchor in anchors if isinstance(anchor, PdfAnchor)] == [1, 1, 1, 1, 2]
    tops = [anchor.bbox[3] for anchor in anchors if isinstance(anchor, PdfAnchor)]
    assert tops[0] > tops[1] > tops[2] > tops[3]


def test_running_headers_are_taken_once_and_page_numbers_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    book = canvas.Canvas(str(path), pagesize=(600, 800))
    for number in range(1, 5):
        book.drawString(50, 780, "Contoso handbook")
        book.drawString(50, 400, f"Body of chapter {number} stands here.")
        book.drawString(300, 20, str(number))
        book.showPage()
    book.save()
    found = pdf.read(path.read_bytes()).segments
    assert [(segment.kind, segment.text) for segment in found] == [
        *((SegmentKind.PARAGRAPH, f"Body of chapter {number} stands here.") for number in range(1, 5)),
        (SegmentKind.HEADER, "Contoso handbook"),
    ]


def test_scanned_pages_are_said_to_have_no_text_layer() -> None:
    with pytest.raises(NoText, match="text layer"):
        pdf.read(pdf_file([]))


def test_a_page_without_text_among_others_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "mixed.pdf"
    book = canvas.Canvas(str(path))
    book.drawString(50, 400, "Some text.")
    book.showPage()
    book.rect(10, 10, 20, 20)
    book.showPage()
    book.save()
    assert pdf.read(path.read_bytes()).notes == {"pages_without_text": 1}


def test_a_password_is_said_to_be_in_the_way() -> None:
    with pytest.raises(EncryptedFile, match="remove the password"):
        pdf.read(encrypted_pdf(pdf_file([("Normal", "Secret")])))


@pytest.mark.parametrize("content", [b"%PDF-1.7\n", b"%PDF-1.7\n" + bytes(500)])
def test_a_damaged_pdf_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        pdf.read(content)


def test_too_many_pages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MAX_PAGES", 1)
    with pytest.raises(TooComplex, match="2 pages"):
        pdf.read(pdf_file([("Normal", "a")], [("Normal", "b")]))


def test_one_page_that_is_shown_many_times_is_refused() -> None:
    with pytest.raises(TooComplex, match="same page more than 20 times"):
        pdf.read(repetitive_pdf(4_000, letters=1_000, same_object=True))


def test_a_few_repetitions_and_equal_pages_of_their_own_are_read() -> None:
    for pages, same in ((20, True), (60, False)):
        found = pdf.read(repetitive_pdf(pages, letters=3, same_object=same)).segments
        assert found[0].text == "aaa"


def test_reading_stops_at_the_limit_of_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CHARACTERS", 2_500)
    with pytest.raises(TooComplex, match="characters"):
        pdf.read(repetitive_pdf(5_000, letters=1_000, same_object=False))
