import datetime as dt
import io
from collections.abc import Callable

import pptx as python_pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.presentation import Presentation
from pptx.util import Inches

from app.documents.errors import NoText
from app.documents.readers import pptx
from app.documents.segments import Extracted, PowerPointAnchor
from tests.documents.files import zip_file

_BOX = (Inches(1), Inches(1), Inches(3), Inches(1))
_PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63600000000200"
    "01e221bc330000000049454e44ae426082"
)
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"


def _made(fill: Callable[[Presentation], None]) -> bytes:
    deck = python_pptx.Presentation()
    fill(deck)
    buffer = io.BytesIO()
    deck.save(buffer)
    return buffer.getvalue()


def _told(extracted: Extracted) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.kind.value, each.text, each.heading_path) for each in extracted.segments]


def test_slides_are_read_with_their_title_first_and_their_notes_last() -> None:
    def fill(deck: Presentation) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.placeholders[1].text_frame.text = "First point\nSecond point"
        slide.shapes.title.text = "The year"
        slide.notes_slide.notes_text_frame.text = "Say hello.\nPause."
        bare = deck.slides.add_slide(deck.slide_layouts[6])
        bare.shapes.add_textbox(*_BOX).text_frame.text = "A remark"

    extracted = pptx.read(_made(fill))
    assert _told(extracted) == [
        ("heading", "The year", ()),
        ("list_item", "First point", ("The year",)),
        ("list_item", "Second point", ("The year",)),
        ("notes", "Say hello.", ("The year",)),
        ("notes", "Pause.", ("The year",)),
        ("paragraph", "A remark", ("Slide 2",)),
    ]
    anchors = [each.anchor for each in extracted.segments]
    assert anchors[:3] == [
        PowerPointAnchor(256, 2, 0),
        PowerPointAnchor(256, 3, 0),
        PowerPointAnchor(256, 3, 1),
    ]
    assert anchors[4] == PowerPointAnchor(256, 3, 1, part="notes")


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("m/d/yy", "2002-01-05 32; 2002-01-06 28"),
        ("General", "37261 32; 37262 28"),
        (r"0\d", "37261 32; 37262 28"),
        ("[Red]#,##0.00", "37261 32; 37262 28"),
    ],
)
def test_days_on_the_axis_of_a_chart_are_told_as_days(code: str, shown: str) -> None:
    def fill(deck: Presentation) -> None:
        data = CategoryChartData(number_format="General")  # type: ignore[no-untyped-call]
        data.categories = [dt.date(2002, 1, 5), dt.date(2002, 1, 6)]
        data.categories.number_format = code
        data.add_series("Revenue", (32, 28))  # type: ignore[no-untyped-call]
        slide = deck.slides.add_slide(deck.slide_layouts[6])
        slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *_BOX, data)

    assert [text for _, text, _ in _told(pptx.read(_made(fill)))] == [f"Revenue: {shown}"]


def test_tables_charts_groups_and_pictures_say_what_they_hold() -> None:
    def fill(deck: Presentation) -> None:
        slide = deck.slides.add_slide(deck.slide_layouts[6])
        table = slide.shapes.add_table(3, 2, *_BOX).table
        for at, text in enumerate(["Region", "Units", "North", "7", "South", "8"]):
            table.cell(at // 2, at % 2).text = text
        data = CategoryChartData()  # type: ignore[no-untyped-call]
        data.categories = ["Q1", "Q2"]
        data.add_series("Revenue", (10, 20.5))  # type: ignore[no-untyped-call]
        chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *_BOX, data).chart
        chart.chart_title.text_frame.text = "Development"
        group = slide.shapes.add_group_shape()
        run = group.shapes.add_textbox(*_BOX).text_frame.paragraphs[0].add_run()
        run.text = "In a group"
        run.hyperlink.address = "https://example.com/"
        picture = slide.shapes.add_picture(io.BytesIO(_PICTURE), *_BOX)
        picture._element.nvPicPr.cNvPr.set("descr", "The harbour at dawn")

    extracted = pptx.read(_made(fill))
    assert [(kind, text) for kind, text, _ in _told(extracted)] == [
        ("table_row", "Region | Units"),
        ("table_row", "North | 7"),
        ("table_row", "South | 8"),
        ("slide", "Development"),
        ("slide", "Revenue: Q1 10; Q2 20.5"),
        ("paragraph", "In a group"),
        ("slide", "The harbour at dawn"),
    ]
    assert extracted.segments[2].table_header == "Region | Units"
    assert [
        each.anchor.paragraph for each in extracted.segments[:3] if isinstance(each.anchor, PowerPointAnchor)
    ] == [
        0,
        2,
        4,
    ]
    assert extracted.notes == {"images": 1, "links": 1}


def test_hidden_slides_and_shapes_are_counted_and_not_read() -> None:
    def fill(deck: Presentation) -> None:
        hidden = deck.slides.add_slide(deck.slide_layouts[5])
        hidden.shapes.title.text = "Secret"
        hidden._element.set("show", "0")
        shown = deck.slides.add_slide(deck.slide_layouts[5])
        shown.shapes.title.text = "Shown"
        box = shown.shapes.add_textbox(*_BOX)
        box.text_frame.text = "Secret"
        box._element.nvSpPr.cNvPr.set("hidden", "1")

    extracted = pptx.read(_made(fill))
    assert [text for _, text, _ in _told(extracted)] == ["Shown"]
    assert extracted.notes == {"hidden_slides": 1, "hidden_text": 1}


def test_a_diagram_is_read_and_breaks_and_fields_are_what_they_show() -> None:
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://purl.oclc.org/ooxml/officeDocument/relationships"
    main, drawing = (
        "http://purl.oclc.org/ooxml/presentationml/main",
        "http://purl.oclc.org/ooxml/drawingml/main",
    )
    diagram = "http://purl.oclc.org/ooxml/drawingml/diagram"

    def linked(*targets: tuple[str, str]) -> bytes:
        inner = "".join(
            f'<Relationship Id="r{number}" Type="{office}/{kind}" Target="/{target}"/>'
            for number, (kind, target) in enumerate(targets, start=1)
        )
        return f'<Relationships xmlns="{package}/relationships">{inner}</Relationships>'.encode()

    def point(kind: str, text: str) -> str:
        return f'<d:pt modelId="{text}" type="{kind}"><d:t><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></d:t></d:pt>'

    names = f'xmlns:p="{main}" xmlns:a="{drawing}" xmlns:r="{office}" xmlns:d="{diagram}"'
    content = zip_file(
        {
            "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>'.encode(),
            "_rels/.rels": linked(("officeDocument", "p.xml")),
            "p.xml": f'<p:presentation {names}><p:sldIdLst><p:sldId id="300" r:id="r1"/></p:sldIdLst></p:presentation>'.encode(),
            "_rels/p.xml.rels": linked(("slide", "s.xml")),
            "_rels/s.xml.rels": linked(("diagramData", "d.xml")),
            "d.xml": f"<d:dataModel {names}><d:ptLst>{point('doc', '')}{point('node', 'Plan')}{point('node', 'Do')}</d:ptLst></d:dataModel>".encode(),
            "s.xml": (
                f'<p:sld {names}><p:cSld><p:spTree><p:sp><p:nvSpPr><p:cNvPr id="7" name="x"/><p:nvPr/></p:nvSpPr>'
                "<p:txBody><a:p><a:r><a:t>One</a:t></a:r><a:br/><a:r><a:t>two </a:t></a:r>"
                '<a:fld type="slidenum"><a:t>1</a:t></a:fld><a:fld type="x"><a:t>three</a:t></a:fld></a:p></p:txBody></p:sp>'
                '<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id="8" name="y"/><p:nvPr/></p:nvGraphicFramePr><a:graphic>'
                '<a:graphicData><d:relIds r:dm="r1"/></a:graphicData></a:graphic></p:graphicFrame></p:spTree></p:cSld></p:sld>'
            ).encode(),
        }
    )
    assert [(text, path) for _, text, path in _told(pptx.read(content))] == [
        ("One\ntwo three", ("Slide 1",)),
        ("Plan", ("Slide 1",)),
        ("Do", ("Slide 1",)),
    ]


def test_a_footer_is_read_once_and_an_empty_deck_says_so() -> None:
    def fill(deck: Presentation) -> None:
        for number in range(2):
            slide = deck.slides.add_slide(deck.slide_layouts[5])
            slide.shapes.title.text = f"Slide no. {number}"
            box = slide.shapes.add_textbox(*_BOX)
            box.text_frame.text = "Confidential"
            holder = box._element.nvSpPr.nvPr.makeelement(
                "{http://schemas.openxmlformats.org/presentationml/2006/main}ph", {"type": "ftr"}
            )
            box._element.nvSpPr.nvPr.append(holder)

    assert _told(pptx.read(_made(fill)))[-1] == ("header", "Confidential", ())
    assert len(_told(pptx.read(_made(fill)))) == 3
    with pytest.raises(NoText, match="no text"):
        pptx.read(_made(lambda _deck: None))
