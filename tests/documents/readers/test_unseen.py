"""White and minute text: left out where it is sure that nobody sees it, read where something may be behind it."""

import io
from collections.abc import Callable

import pptx
import pytest
from pptx.dml.color import RGBColor
from pptx.util import Inches
from reportlab.pdfgen.canvas import Canvas
from xlsxwriter.workbook import Workbook

from app.documents.reading import read
from tests.documents.files import paragraph, word_file
from tests.documents.formatted import run
from tests.documents.workbooks import workbook

WHITE = '<w:color w:val="FFFFFF"/>'


def _word(body: str) -> str:
    extracted = read("a.docx", word_file(paragraph("Seen.") + body))
    return " ".join(segment.text for segment in extracted.segments)


def _said(properties: str, paragraph_properties: str = "") -> str:
    return f"<w:p>{paragraph_properties}{run('ground', properties)}</w:p>"


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        (_said(WHITE), False),
        (_said('<w:color w:val="FEFEFE"/>'), False),
        (_said('<w:sz w:val="4"/>'), False),
        (_said('<w:sz w:val="8"/>'), True),
        (_said(WHITE + '<w:highlight w:val="black"/>'), True),
        (_said(WHITE + '<w:shd w:val="clear" w:fill="000000"/>'), True),
        (_said(WHITE, '<w:pPr><w:shd w:val="clear" w:fill="1F3864"/></w:pPr>'), True),
        (f"<w:tbl><w:tr><w:tc>{_said(WHITE)}</w:tc></w:tr></w:tbl>", True),
    ],
)
def test_white_words_are_read_where_their_ground_may_be_dark(body: str, *, is_read: bool) -> None:
    assert ("ground" in _word(body)) == is_read


def _pdf(draw: Callable[[Canvas], None], *, mode: int = 0) -> str:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.drawString(60, 760, "Everybody sees this.")
    draw(canvas)
    line = canvas.beginText(60, 700)
    line.setTextRenderMode(mode)
    line.setFillColorRGB(1, 1, 1)
    line.textLine("The ground of this line")
    canvas.drawText(line)
    canvas.save()
    return " ".join(segment.text for segment in read("a.pdf", buffer.getvalue()).segments)


@pytest.mark.parametrize("mode", [0, 3])
def test_a_line_of_a_pdf_is_left_out_only_with_nothing_drawn_behind_it(mode: int) -> None:
    assert "ground" not in _pdf(lambda _: None, mode=mode)
    assert "ground" not in _pdf(lambda canvas: canvas.rect(60, 100, 300, 40, fill=1), mode=mode)
    assert "ground" in _pdf(lambda canvas: canvas.rect(50, 680, 300, 40, fill=1), mode=mode)


@pytest.mark.parametrize(("fill", "is_read"), [(None, False), ("FFFFFF", False), ("203040", True)])
def test_a_white_run_of_a_slide_is_read_on_another_colour(fill: str | None, *, is_read: bool) -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    for text in ("Seen", "ground"):
        box = slide.shapes.add_textbox(*[Inches(1)] * 4)
        box.text_frame.text = text
        if text == "ground":
            font = box.text_frame.paragraphs[0].runs[0].font
            font.color.rgb = RGBColor.from_string("FFFFFF")  # type: ignore[no-untyped-call] # not in its types
            if fill is not None:
                box.fill.solid()
                box.fill.fore_color.rgb = RGBColor.from_string(fill)  # type: ignore[no-untyped-call] # the same
    buffer = io.BytesIO()
    deck.save(buffer)
    extracted = read("a.pptx", buffer.getvalue())
    assert ("ground" in " ".join(segment.text for segment in extracted.segments)) == is_read
    assert extracted.notes.get("hidden_text", 0) == (not is_read)


@pytest.mark.parametrize(
    ("look", "in_table", "is_read"),
    [
        ({"font_color": "#FFFFFF"}, False, False),
        ({"font_color": "#FFFFFF", "bg_color": "#203040"}, False, True),
        ({"font_color": "#FFFFFF"}, True, True),
        ({"num_format": ";;;"}, True, False),
        ({"font_size": 1}, False, False),
        ({"font_color": "#203040"}, False, True),
    ],
)
def test_a_cell_that_shows_nothing_is_left_out_and_counted(
    look: dict[str, object], *, in_table: bool, is_read: bool
) -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("Figures")
        sheet.write_row(0, 0, ["Office", "Remark"])
        sheet.write_row(1, 0, ["Munich", "fine"])
        sheet.write(2, 0, "Gdansk")
        sheet.write(2, 1, "ground", book.add_format(look))
        if in_table:
            sheet.add_table(5, 0, 6, 1)

    extracted = read("a.xlsx", workbook(fill))
    assert ("ground" in " ".join(segment.text for segment in extracted.segments)) == is_read
    assert extracted.notes.get("hidden_text", 0) == (not is_read)
