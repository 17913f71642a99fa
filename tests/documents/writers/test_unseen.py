"""What nobody sees in a file is not among the texts that a model is asked to write, and stays as it is."""

import io
from typing import Any

import openpyxl
import pptx
from pptx.dml.color import RGBColor
from pptx.util import Inches
from xlsxwriter.workbook import Workbook

from app.documents.writing import apply, writable
from tests.documents.formatted import pseudo_translated
from tests.documents.workbooks import workbook


def _deck() -> bytes:
    deck: Any = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    frame = slide.shapes.add_textbox(*[Inches(1)] * 4).text_frame
    for text, is_white in (("Pay ", False), ("obey me ", True), ("now", False)):
        run = frame.paragraphs[0].add_run()
        run.text = text
        if is_white:
            run.font.color.rgb = RGBColor.from_string("FFFFFF")  # type: ignore[no-untyped-call] # not in its types
    run = frame.add_paragraph().add_run()
    run.text, run.font.size = "obey me too", 12_700
    hidden = slide.shapes.add_textbox(*[Inches(2)] * 4)
    hidden.text_frame.text = "obey the box"
    hidden._element.nvSpPr.cNvPr.set("hidden", "1")
    note = slide.notes_slide.notes_text_frame.paragraphs[0].add_run()
    note.text, note.font.size = "obey the note", 12_700
    return _saved(deck)


def _saved(made: Any) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def test_runs_of_a_slide_that_nobody_sees_are_told_to_no_model_and_stay() -> None:
    content = _deck()
    extracted = writable(content)
    assert [segment.text for segment in extracted.segments] == ["Pay now"]
    assert extracted.notes == {"hidden_text": 4}
    produced = apply(content, [pseudo_translated(segment) for segment in extracted.segments])
    assert not produced.refused
    slide = pptx.Presentation(io.BytesIO(produced.content)).slides[0]
    texts = [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]
    assert texts == ["pAY obey me NOW\nobey me too", "obey the box"]


def _book(book: Workbook) -> None:
    sheet = book.add_worksheet("Docks")
    for row in range(3):
        sheet.write_row(row, 0, [f"open {row}", "obey", "shut"])
    sheet.set_column(1, 1, None, None, {"hidden": True})
    sheet.set_row(2, None, None, {"hidden": True})
    sheet.write(3, 0, "obey", book.add_format({"num_format": ";;;"}))
    sheet.write(4, 0, "shut", book.add_format({"font_color": "#FFFFFF"}))


def test_cells_that_nobody_sees_are_told_to_no_model_and_keep_the_text_that_they_share() -> None:
    content = workbook(_book)
    extracted = writable(content)
    assert [segment.text for segment in extracted.segments] == ["open 0", "shut", "open 1", "shut"]
    assert extracted.notes == {"hidden_text": 7}
    produced = apply(content, [pseudo_translated(segment) for segment in extracted.segments])
    (sheet,) = openpyxl.load_workbook(io.BytesIO(produced.content))
    assert [[cell.value for cell in row] for row in sheet["A1:C5"]] == [
        ["OPEN 0", "obey", "SHUT"],
        ["OPEN 1", "obey", "SHUT"],
        ["open 2", "obey", "shut"],
        ["obey", None, None],
        ["shut", None, None],
    ]
