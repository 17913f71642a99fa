"""Word documents with every kind of formatting, and what is counted in them before and after."""

import io
import zipfile
from collections import Counter
from collections.abc import Iterator

from lxml import etree

from app.documents.operations import Operation, operation_for
from app.documents.runs import shown_text
from app.documents.segments import Run, Segment
from app.documents.tags import from_tags, with_tags
from tests.documents.files import paragraph, word_file, word_xml

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
COUNTED = (
    *("b", "i", "u", "hyperlink", "footnoteReference", "endnoteReference", "commentReference"),
    *("commentRangeStart", "commentRangeEnd", "bookmarkStart", "bookmarkEnd", "tbl", "tr", "tc", "p", "sdt"),
    *("fldSimple", "fldChar", "instrText", "drawing", "txbxContent", "br", "tab", "sectPr"),
)
_GRAPHIC = (
    '<w:r><w:drawing><wp:inline xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/'
    'wordprocessingDrawing"><a:graphic xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">'
    '<a:graphicData uri="{uri}">{inner}</a:graphicData></a:graphic></wp:inline></w:drawing></w:r>'
)
_CHART = (
    b'<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    b'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><c:chart><c:title><c:tx><c:rich>'
    b'<a:bodyPr/><a:p><a:r><a:rPr b="1"/><a:t>Ships </a:t></a:r><a:r><a:t>a year</a:t></a:r></a:p>'
    b'</c:rich></c:tx></c:title><c:plotArea><c:barChart><c:ser><c:idx val="0"/><c:tx><c:strRef>'
    b'<c:f>Sheet1!$B$1</c:f><c:strCache><c:ptCount val="1"/><c:pt idx="0"><c:v>Arrivals</c:v></c:pt>'
    b'</c:strCache></c:strRef></c:tx><c:val><c:numRef><c:f>Sheet1!$B$2</c:f><c:numCache><c:ptCount val="1"/>'
    b'<c:pt idx="0"><c:v>12</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser></c:barChart></c:plotArea>'
    b"</c:chart></c:chartSpace>"
)
_DIAGRAM = (
    b'<dgm:dataModel xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
    b'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><dgm:ptLst><dgm:pt modelId="1"><dgm:t>'
    b"<a:bodyPr/><a:p><a:r><a:t>First step</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst></dgm:dataModel>"
)
_DRAWN = (
    b'<dsp:drawing xmlns:dsp="http://schemas.microsoft.com/office/drawing/2008/diagram" '
    b'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><dsp:spTree><dsp:sp><dsp:txBody>'
    b"<a:p><a:r><a:t>First step</a:t></a:r></a:p></dsp:txBody></dsp:sp></dsp:spTree></dsp:drawing>"
)


def run(text: str, properties: str = "") -> str:
    """A `w:r` of Word."""
    return f'<w:r w:rsidR="00A1"><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def _mark(kind: str) -> str:
    return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'


def _box(text: str) -> str:
    content = f"<w:txbxContent>{paragraph(text)}</w:txbxContent>"
    return (
        '<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing>'
        f"<wps:wsp><wps:txbx>{content}</wps:txbx></wps:wsp></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:textbox>{content}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )


def _page(number: int) -> str:
    """About a page: each kind of formatting that a paragraph can have."""
    start, end = f'<w:commentRangeStart w:id="{number}"/>', f'<w:commentRangeEnd w:id="{number}"/>'
    reference = f'<w:r><w:commentReference w:id="{number}"/></w:r>'
    cells = "".join(
        f"<w:tr><w:tc><w:p>{run(f'Dock {number}-{row}', '<w:b/>')}</w:p></w:tc>"
        f"<w:tc><w:p>{run('open since ')}{run('Monday', '<w:i/>')}</w:p></w:tc>"
        f"<w:tc><w:p>{run(str(row * 100 + number))}</w:p></w:tc></w:tr>"
        for row in range(4)
    )
    return "".join(
        (
            (
                f'<w:p><w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:bookmarkStart w:id="{number}" w:name="_Toc{number}"/>'
                f'{run(f"Section {number}")}<w:bookmarkEnd w:id="{number}"/></w:p>'
            ),
            (
                f"<w:p>{run('The harbour was ')}{run('closed', '<w:b/>')}{run(' for three ')}"
                f"{run('long', '<w:i/>')}{run(' days')}"
                f'<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:footnoteReference w:id="{number}"/></w:r>'
                f"{run(', and nobody said why.')}</w:p>"
            ),
            (
                f'<w:p>{run("See ")}<w:hyperlink w:anchor="_Toc{number}">{run("the", "<w:u/>")}'
                f"{run(' annex', '<w:u/><w:b/>')}</w:hyperlink>{run(' or page ')}{_mark('begin')}"
                f"<w:r><w:instrText> PAGEREF _Toc{number} </w:instrText></w:r>{_mark('separate')}{run(str(number))}"
                f"{_mark('end')}{run('.')}</w:p>"
            ),
            f"<w:p>{run('The board ')}{start}{run('approved')}{end}{reference}{run(' the plan<tab> &amp; more.')}".replace(
                "<tab>", "</w:t><w:tab/><w:t>"
            )
            + f"<w:r><w:br/></w:r>{run('A second line with &lt;g1&gt; in it.')}</w:p>",
            f"<w:tbl><w:tblPr/>{cells}</w:tbl>",
            f"<w:p>{run('Beside the box')}{_box(f'In box {number}')}</w:p>",
            f'<w:sdt><w:sdtPr><w:tag w:val="t"/></w:sdtPr><w:sdtContent><w:p>{run("In a control")}</w:p></w:sdtContent></w:sdt>',
            "".join(
                paragraph(
                    f"Paragraph {number}.{each} of a long report with a sentence or two in it, so that"
                    " there is something to read on every page of it and the page is full at last."
                )
                for each in range(19)
            ),
        )
    )


def rich_word_file(pages: int) -> bytes:
    """A .docx of about that many pages with every kind of text that Word has."""
    numbers = range(1, pages + 1)
    notes = "".join(
        f'<w:footnote w:id="{number}"><w:p><w:r><w:footnoteRef/></w:r>{run(f" Note {number} says ")}'
        f"{run('why', '<w:b/>')}.</w:p></w:footnote>".replace(".</w:p>", f"{run('.')}</w:p>")
        for number in numbers
    )
    comments = "".join(
        f'<w:comment w:id="{number}" w:author="A">{paragraph("A remark that stays.")}</w:comment>'
        for number in numbers
    )
    header = f'<w:p>{run("Harbour report, page ")}<w:fldSimple w:instr="PAGE">{run("1")}</w:fldSimple></w:p>'
    chart = _GRAPHIC.format(uri="chart", inner="")
    body = (
        "".join(_page(number) for number in numbers)
        + f"<w:p>{run('A chart ')}{chart}</w:p>"
        + '<w:p><w:r><w:t>Old </w:t></w:r><w:del w:id="901" w:author="A"><w:r><w:delText>gone</w:delText></w:r></w:del>'
        '<w:ins w:id="902" w:author="A"><w:r><w:t>new</w:t></w:r></w:ins></w:p><w:sectPr xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        '<w:headerReference w:type="default" r:id="r3"/><w:footerReference w:type="default" r:id="r5"/></w:sectPr>'
    )
    return word_file(
        body,
        parts={
            "styles": ("word/styles.xml", word_xml("styles", "")),
            "footnotes": ("word/footnotes.xml", word_xml("footnotes", notes)),
            "comments": ("word/comments.xml", word_xml("comments", comments)),
            "header#1": ("word/header1.xml", word_xml("hdr", header)),
            "header#2": ("word/header2.xml", word_xml("hdr", header)),
            "footer": ("word/footer1.xml", word_xml("ftr", paragraph("Confidential"))),
            "chart": ("word/charts/chart1.xml", _CHART),
            "diagramData": ("word/diagrams/data1.xml", _DIAGRAM),
            "diagramDrawing": ("word/diagrams/drawing1.xml", _DRAWN),
            "image": ("word/media/image1.png", bytes(range(256)) * 40),
        },
    )


def parts(content: bytes) -> dict[str, bytes]:
    """The parts of a container by name, in their order."""
    with zipfile.ZipFile(io.BytesIO(content)) as container:
        return {entry.filename: container.read(entry) for entry in container.infolist()}


def elements(content: bytes, names: tuple[str, ...] = COUNTED) -> Counter[str]:
    """How many of each element all parts hold."""
    found: Counter[str] = Counter(dict.fromkeys(names, 0))
    for name, part in parts(content).items():
        if name.endswith((".xml", ".rels")):
            for each in etree.fromstring(part).iter():
                local = str(each.tag).rpartition("}")[2]
                if local in names:
                    found[local] += 1
    return found


def pseudo(text: str) -> str:
    """A text that is plainly not the old one, of the same letters: as if it were translated."""
    return "".join(character.upper() if character.islower() else character.lower() for character in text)


def pseudo_translated(segment: Segment) -> Operation:
    """The operation of a translator who keeps every tag and the order."""
    runs = segment.runs or (Run(segment.text),)
    answer = with_tags(
        [Run(pseudo(run.text), run.tag, run.kind) if run.kind == "text" else run for run in runs]
    )
    return operation_for(segment, from_tags(answer, runs))


def texts(segments: tuple[Segment, ...]) -> Iterator[str]:
    """What a reader sees of each."""
    return (shown_text(segment.runs) if segment.runs else segment.text for segment in segments)
