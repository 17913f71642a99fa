"""Presentations made anew: every text of every slide, notes, tables, charts and groups."""

import io
from typing import Any

import pptx
import pptx.chart.data
import pytest
from lxml import etree
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from app.documents.operations import Operation, operation_for
from app.documents.resolving import text_at
from app.documents.segments import PowerPointAnchor, Run, Segment
from app.documents.tags import from_tags, with_tags
from app.documents.writing import apply, writable
from app.vocabulary import SegmentKind
from tests.documents.formatted import elements, parts, pseudo_translated

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_COUNTED = ("r", "br", "fld", "p", "hlinkClick", "rPr", "tc", "sp", "graphicFrame")


def _untyped(value: Any) -> Any:
    """What python-pptx does not type."""
    return value


def presentation() -> bytes:
    """Two slides that are shown and a hidden one."""
    made: Any = pptx.Presentation()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text = "Harbour report"
    frame = slide.placeholders[1].text_frame
    frame.text = "Pay "
    for text, is_bold in (("now", True), (" or ", False)):
        run = frame.paragraphs[0].add_run()
        run.text, run.font.bold = text, is_bold or None
    link = frame.paragraphs[0].add_run()
    link.text, link.hyperlink.address = "here", "https://example.com/"
    frame.add_paragraph().text = "First line\vsecond line"
    size = (Inches(1), Inches(4), Inches(4), Inches(1))
    table = slide.shapes.add_table(2, 2, *size).table
    for number, cell in enumerate(table.iter_cells()):
        cell.text = f"cell {number}"
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(*size).text_frame.text = "In a group"
    slide.notes_slide.notes_text_frame.text = "Say it slowly"
    second = made.slides.add_slide(made.slide_layouts[6])
    data: Any = _untyped(pptx.chart.data).CategoryChartData()
    data.categories = ["East", "West"]
    data.add_series("Arrivals", (1.0, 2.0))
    chart = second.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *size, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Ships a year"
    hidden = made.slides.add_slide(made.slide_layouts[5])
    hidden.shapes.title.text = "Not shown"
    hidden._element.set("show", "0")
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


_FILE = presentation()
_SEGMENTS = writable(_FILE).segments


def _answered(segment: Segment, answer: str) -> Operation:
    return operation_for(segment, from_tags(answer, segment.runs or (Run(segment.text),)))


def test_every_text_is_found_with_the_ids_of_its_slide_and_shape() -> None:
    extracted = writable(_FILE)
    assert extracted.notes == {"hidden_slides": 1}
    assert [each.text for each in extracted.segments] == [
        *("Harbour report", "Pay now or here", "First line\nsecond line"),
        *("cell 0", "cell 1", "cell 2", "cell 3", "In a group", "Say it slowly"),
        *("Ships a year", "Arrivals", "East", "West"),
    ]
    slides = list(pptx.Presentation(io.BytesIO(_FILE)).slides)
    for segment in extracted.segments:
        assert isinstance(segment.anchor, PowerPointAnchor)
    title, body = (each.anchor for each in extracted.segments[:2])
    assert title == PowerPointAnchor(slides[0].slide_id, slides[0].shapes[0].shape_id, 0)
    assert body == PowerPointAnchor(slides[0].slide_id, slides[0].shapes[1].shape_id, 0)
    cells = [each.anchor for each in extracted.segments[3:7]]
    assert [each.paragraph for each in cells if isinstance(each, PowerPointAnchor)] == [0, 1, 2, 3]
    assert [each.anchor.part for each in extracted.segments if isinstance(each.anchor, PowerPointAnchor)] == [
        *[None] * 8,
        "notes",
        *[None] * 4,
    ]
    assert with_tags(extracted.segments[1].runs) == "Pay <g1>now</g1> or <g2>here</g2>"


def test_texts_follow_and_everything_else_is_as_it_was() -> None:
    produced = apply(_FILE, [pseudo_translated(segment) for segment in _SEGMENTS])
    assert (len(produced.applied), produced.refused) == (len(_SEGMENTS), ())
    assert [each.text for each in writable(produced.content).segments] == [
        each.text.swapcase() for each in _SEGMENTS
    ]
    assert elements(produced.content, _COUNTED) == elements(_FILE, _COUNTED)
    before, after = parts(_FILE), parts(produced.content)
    assert list(before) == list(after)
    assert {name for name in before if before[name] != after[name]} == {
        *("ppt/slides/slide1.xml", "ppt/notesSlides/notesSlide1.xml"),
        next(name for name in before if name.startswith("ppt/charts/chart")),
    }
    assert len(pptx.Presentation(io.BytesIO(produced.content)).slides) == 3


def test_the_order_of_the_answer_is_followed_and_a_link_goes_with_its_words() -> None:
    produced = apply(_FILE, [_answered(_SEGMENTS[1], "<g2>Hier</g2> oder <g1>jetzt</g1> zahlen")])
    slide = etree.fromstring(parts(produced.content)["ppt/slides/slide1.xml"])
    (paragraph,) = (
        each for each in slide.iter(f"{_A}p") if "Hier" in etree.tostring(each, encoding="unicode")
    )
    runs = [
        (
            each.findtext(f"{_A}t"),
            each.find(f"{_A}rPr/{_A}hlinkClick") is not None,
            each.find(f"{_A}rPr[@b='1']") is not None,
        )
        for each in paragraph.iter(f"{_A}r")
    ]
    assert runs == [
        ("Hier", True, False),
        (" oder ", False, False),
        ("jetzt", False, True),
        (" zahlen", False, False),
    ]


@pytest.mark.parametrize(
    ("hidden", "texts"),
    [
        (None, ["Title", "On the layout", "On the master"]),
        ("layout", ["Title", "On the layout"]),
        ("slide", ["Title"]),
    ],
)
def test_what_layout_and_master_show_on_slides_is_written_once(hidden: str | None, texts: list[str]) -> None:
    made: Any = pptx.Presentation()
    layout = made.slide_layouts[5]
    slides = [made.slides.add_slide(layout) for _ in range(2)]
    size = (Inches(1), Inches(6), Inches(4), Inches(1))
    for below, text in ((layout, "On the layout"), (made.slide_master, "On the master")):
        box = slides[0].shapes.add_textbox(*size)
        box.text_frame.text = text
        box._element.nvSpPr.cNvPr.set("id", "77")
        below.shapes._spTree.append(box._element)
    slides[0].shapes.title.text = "Title"
    for each in {"layout": [layout], "slide": slides}.get(hidden or "", []):
        each._element.set("showMasterSp", "0")
    buffer = io.BytesIO()
    made.save(buffer)
    content = buffer.getvalue()
    segments = writable(content).segments
    assert [each.text for each in segments] == texts
    assert [each.kind for each in segments] == [
        SegmentKind.PARAGRAPH,
        *[SegmentKind.HEADER] * (len(texts) - 1),
    ]
    produced = apply(content, [pseudo_translated(segment) for segment in segments])
    assert not produced.refused
    assert [each.text for each in writable(produced.content).segments] == [text.swapcase() for text in texts]
    assert [text_at("a.pptx", content, each.anchor) for each in segments] == texts


def test_what_is_written_beside_a_link_does_not_fall_into_it() -> None:
    made: Any = pptx.Presentation()
    frame = made.slides.add_slide(made.slide_layouts[5]).shapes.title.text_frame
    for text, address in (("See ", None), ("all that is in the annex", "https://example.com/")):
        run = frame.paragraphs[0].add_run()
        run.text, run.hyperlink.address = text, address
    buffer = io.BytesIO()
    made.save(buffer)
    (segment,) = writable(buffer.getvalue()).segments
    assert with_tags(segment.runs) == "See <g1>all that is in the annex</g1>"


def test_outside_the_changed_paragraph_the_slide_is_the_same_xml() -> None:
    produced = apply(_FILE, [_answered(_SEGMENTS[2], "Erste Zeile<x1/>zweite Zeile")])
    trees = [
        etree.fromstring(parts(content)["ppt/slides/slide1.xml"]) for content in (_FILE, produced.content)
    ]
    for old, new in zip(*(tree.iter(f"{_A}p") for tree in trees), strict=True):
        if "zweite" in "".join(new.itertext()):
            assert [etree.QName(each).localname for each in new] == ["r", "br", "r"]
            for each in (old, new):
                each.clear()
    assert etree.tostring(trees[0], method="c14n") == etree.tostring(trees[1], method="c14n")
