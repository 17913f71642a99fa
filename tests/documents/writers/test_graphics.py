"""Charts and diagrams in files made anew: each part that says a text says the new one."""

import io
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import pptx
import pytest
from lxml import etree
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.oxml import parse_xml
from pptx.util import Inches

from app.documents.operations import Operation, operation_for
from app.documents.segments import Run, Segment
from app.documents.tags import from_tags
from app.documents.writing import apply, writable
from tests.documents.files import paragraph, word_file
from tests.documents.formatted import parts, pseudo_translated

_A = "http://schemas.openxmlformats.org/drawingml/2006/main"
_DGM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_C = "http://schemas.openxmlformats.org/drawingml/2006/chart"
_DSP = "http://schemas.microsoft.com/office/drawing/2008/diagram"
_P = "http://schemas.openxmlformats.org/presentationml/2006/main"


def _paragraph(text: str, look: str = "") -> str:
    return f"<a:p><a:r>{look}<a:t>{text}</a:t></a:r></a:p>"


def _said(texts: Iterable[str], drawing: str | None) -> bytes:
    """A diagram's data; `drawing` is the relationship that it says was drawn of it."""
    points = "".join(
        f'<dgm:pt modelId="{at}"><dgm:t><a:bodyPr/>{_paragraph(text)}</dgm:t></dgm:pt>'
        for at, text in enumerate(texts)
    )
    named = f'<dgm:extLst><a:ext uri="x"><dsp:dataModelExt xmlns:dsp="{_DSP}" relId="{drawing}"/></a:ext></dgm:extLst>'
    return (
        f'<dgm:dataModel xmlns:dgm="{_DGM}" xmlns:a="{_A}"><dgm:ptLst>{points}</dgm:ptLst>'
        f"{'' if drawing is None else named}</dgm:dataModel>"
    ).encode()


def _drawn(texts: Iterable[str], look: str = '<a:rPr kern="1200"/>') -> bytes:
    shapes = "".join(f"<dsp:sp><dsp:txBody>{_paragraph(text, look)}</dsp:txBody></dsp:sp>" for text in texts)
    return (
        f'<dsp:drawing xmlns:dsp="{_DSP}" xmlns:a="{_A}"><dsp:spTree>{shapes}</dsp:spTree></dsp:drawing>'
    ).encode()


def _deck(*, is_named: bool) -> bytes:
    """A slide with two diagrams that say "First step" both, and another that says it twice."""
    deck: Any = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])

    def add(name: str, kind: str, blob: bytes) -> str:
        part = Part(PackURI(f"/ppt/diagrams/{name}.xml"), "application/xml", deck.part.package, blob)
        given: str = slide.part.relate_to(part, f"{_R}/{kind}")
        return given

    for number, texts in enumerate((("First step",), ("Other", "First step"), ("First step", "First step"))):
        drawing = add(f"drawing{number}", "diagramDrawing", _drawn(texts))
        data = add(f"data{number}", "diagramData", _said(texts, drawing if is_named else None))
        slide.shapes._spTree.append(
            parse_xml(
                f'<p:graphicFrame xmlns:p="{_P}" xmlns:a="{_A}">'
                f'<p:nvGraphicFramePr><p:cNvPr id="{number + 20}" name="d"/><p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr>'
                f'<p:xfrm><a:off x="0" y="0"/><a:ext cx="99" cy="99"/></p:xfrm><a:graphic><a:graphicData uri="{_DGM}">'
                f'<dgm:relIds xmlns:dgm="{_DGM}" xmlns:r="{_R}" r:dm="{data}"/></a:graphicData></a:graphic></p:graphicFrame>'
            )
        )
    return _saved(deck)


def _saved(deck: Any) -> bytes:
    buffer = io.BytesIO()
    deck.save(buffer)
    return buffer.getvalue()


def _numbered(segments: Iterable[Segment]) -> list[Operation]:
    """Each text translated, and so that equal ones can be told apart."""
    return [
        operation_for(segment, from_tags(f"Schritt {number}", (Run(segment.text),)))
        for number, segment in enumerate(segments)
    ]


def _shown(part: bytes) -> list[str]:
    return [each.text or "" for each in etree.fromstring(part).iter(f"{{{_A}}}t")]


@pytest.mark.parametrize("is_named", [True, False])
def test_each_of_several_diagrams_that_say_the_same_is_drawn_anew(*, is_named: bool) -> None:
    content = _deck(is_named=is_named)
    segments = writable(content).segments
    assert [each.text for each in segments] == ["First step", "Other", *["First step"] * 3]
    produced = apply(content, _numbered(segments))
    assert not produced.refused
    after = parts(produced.content)
    for number, texts in enumerate((["Schritt 0"], ["Schritt 1", "Schritt 2"], ["Schritt 3", "Schritt 4"])):
        for kind in ("data", "drawing"):
            assert _shown(after[f"ppt/diagrams/{kind}{number}.xml"]) == texts


def test_a_diagram_of_word_finds_its_own_drawing_whatever_the_order_and_its_look() -> None:
    drawn = _drawn(("First step",)).replace(
        b"</a:r></a:p>", b'</a:r><a:r><a:rPr b="1"/><a:t>!</a:t></a:r></a:p>'
    )
    said = ("First step", "Twice", "First step!")
    content = word_file(
        paragraph("Text"),
        parts={
            "diagramDrawing#0": ("word/diagrams/drawing2.xml", _drawn(("First step",))),
            "diagramDrawing#1": ("word/diagrams/drawing1.xml", drawn),
            "diagramData#2": ("word/diagrams/data1.xml", _said(said, "r1")),
            "diagramData#3": ("word/diagrams/data2.xml", _said(("First step",), "r0")),
        },
    )
    segments = writable(content).segments
    produced = apply(content, _numbered(segments))
    after = parts(produced.content)
    assert _shown(after["word/diagrams/drawing2.xml"]) == ["Schritt 4"]
    assert _shown(after["word/diagrams/drawing1.xml"]) == ["Schritt 3"]


def test_a_chart_that_slides_share_is_written_once_and_texts_drawn_on_it_follow() -> None:
    deck: Any = pptx.Presentation()
    data: Any = CategoryChartData()  # type: ignore[no-untyped-call] # not in its types
    data.categories = ["East"]
    data.add_series("Arrivals", (1.0,))
    data.add_series("Departures", (2.0,))
    size = [Inches(1)] * 4
    first, second = (deck.slides.add_slide(deck.slide_layouts[6]) for _ in range(2))
    frame = first.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *size, data)
    chart = frame.chart.part
    drawn = f'<c:userShapes xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" xmlns:a="{_A}">{_paragraph("Peak")}</c:userShapes>'
    chart.relate_to(
        Part(PackURI("/ppt/drawings/drawing1.xml"), "application/xml", deck.part.package, drawn.encode()),
        f"{_R}/chartUserShapes",
    )
    copy = deepcopy(frame._element)
    second.shapes._spTree.append(copy)
    copy.find(f".//{{{_C}}}chart").set(f"{{{_R}}}id", second.part.relate_to(chart, f"{_R}/chart"))
    content = _saved(deck)
    segments = writable(content).segments
    assert [each.text for each in segments] == ["Arrivals", "East", "Departures", "Peak"]
    produced = apply(content, [pseudo_translated(segment) for segment in segments])
    assert not produced.refused
    after = parts(produced.content)
    assert _shown(after["ppt/drawings/drawing1.xml"]) == ["pEAK"]
    (part,) = (part for name, part in after.items() if name.startswith("ppt/charts/chart"))
    assert part.count(b"<c:v>eAST</c:v>") == 2
