"""A Word document of many pages in which every kind of content carries a word of its own, again and again."""

from tests.documents.files import paragraph, word_file, word_xml

KINDS = (
    "heading",
    "paragraph",
    "splitrun",
    "listitem",
    "sublistitem",
    "headercell",
    "cell",
    "nestedcell",
    "mergedcell",
    "textbox",
    "link",
    "fieldresult",
    "control",
    "footnote",
    "endnote",
    "pageheader",
    "pagefooter",
    "inserted",
    "equation",
    "smarttag",
    "chart",
    "diagram",
    "description",
)
"""All that is read; page headers and footers, charts and diagrams stand once, everything else once a page."""
ONCE = ("pageheader", "pagefooter", "chart", "diagram")
UNREAD = ("hidden", "deleted", "comment", "placeholder")
"""Counted, not read."""

_RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
_NAMES = f'xmlns:a="{_DRAWING}/main" xmlns:c="{_DRAWING}/chart" xmlns:d="{_DRAWING}/diagram"'
_FILLER = (
    "The committee met in the harbour office and went through the figures of the quarter at some length. "
)


def sentinel(kind: str, page: int) -> str:
    """The word of a kind on a page."""
    return f"q{kind}{page:04}x"


def everything(pages: int) -> bytes:
    """The document; a page is about 400 words."""
    return word_file(
        "".join(_page(number) for number in range(pages)) + _once(),
        parts={
            "styles": ("word/styles.xml", word_xml("styles", _STYLES)),
            "footnotes": ("word/footnotes.xml", word_xml("footnotes", _notes("footnote", pages))),
            "endnotes": ("word/endnotes.xml", word_xml("endnotes", _notes("endnote", pages))),
            "comments": (
                "word/comments.xml",
                word_xml("comments", f'<w:comment w:id="0">{paragraph(sentinel("comment", 0))}</w:comment>'),
            ),
            "header": ("word/header1.xml", word_xml("hdr", paragraph(sentinel("pageheader", 0)))),
            "footer": ("word/footer1.xml", word_xml("ftr", paragraph(sentinel("pagefooter", 0)))),
            "chart": (
                "word/charts/chart1.xml",
                f"<c:chartSpace {_NAMES}><c:chart><c:plotArea><c:lineChart><c:ser><c:tx><c:v>{sentinel('chart', 0)}"
                "</c:v></c:tx></c:ser></c:lineChart></c:plotArea></c:chart></c:chartSpace>".encode(),
            ),
            "diagramData": (
                "word/diagrams/data1.xml",
                f'<d:dataModel {_NAMES}><d:ptLst><d:pt modelId="1"><d:t><a:p><a:r><a:t>{sentinel("diagram", 0)}'
                "</a:t></a:r></a:p></d:t></d:pt></d:ptLst></d:dataModel>".encode(),
            ),
        },
    )


_STYLES = (
    '<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="L"><w:name w:val="List"/>'
    '<w:pPr><w:numPr><w:numId w:val="3"/></w:numPr></w:pPr></w:style>'
)


def _notes(kind: str, pages: int) -> str:
    return "".join(
        f'<w:{kind} w:id="{page + 1}">{paragraph(sentinel(kind, page))}</w:{kind}>' for page in range(pages)
    )


def _run(inner: str, properties: str = "") -> str:
    return f"<w:r><w:rPr>{properties}</w:rPr>{inner}</w:r>"


def _t(text: str) -> str:
    return f'<w:t xml:space="preserve">{text}</w:t>'


def _page(page: int) -> str:
    def word(kind: str) -> str:
        return sentinel(kind, page)

    half = len(word("splitrun")) // 2
    nested = f"<w:tbl><w:tr><w:tc>{paragraph(word('nestedcell'))}</w:tc><w:tc>{paragraph('b')}</w:tc></w:tr></w:tbl>"
    filler = paragraph(_FILLER * 4)
    return "".join(
        (
            paragraph(word("heading"), '<w:pStyle w:val="H1"/>'),
            paragraph(f"{word('paragraph')} {_FILLER * 4}"),
            f"<w:p>{_run(_t(word('splitrun')[:half]), '<w:b/>')}{_run(_t(word('splitrun')[half:]))}</w:p>",
            paragraph(word("listitem"), '<w:pStyle w:val="L"/>'),
            paragraph(word("sublistitem"), '<w:numPr><w:ilvl w:val="1"/><w:numId w:val="3"/></w:numPr>'),
            filler,
            (
                f"<w:tbl><w:tr><w:trPr><w:tblHeader/></w:trPr><w:tc>{paragraph(word('headercell'))}</w:tc>"
                f"<w:tc>{paragraph('Sum')}</w:tc></w:tr><w:tr><w:tc>{paragraph(word('cell'))}</w:tc>"
                f"<w:tc>{paragraph('12')}{nested}{paragraph('')}</w:tc></w:tr><w:tr><w:tc><w:tcPr>"
                f'<w:gridSpan w:val="2"/></w:tcPr>{paragraph(word("mergedcell"))}</w:tc></w:tr></w:tbl>'
            ),
            (
                f"<w:p>{_run(_t('Beside a box '))}<w:r><w:pict><v:shape><v:textbox><w:txbxContent>"
                f"{paragraph(word('textbox'))}</w:txbxContent></v:textbox></v:shape></w:pict></w:r></w:p>"
            ),
            filler,
            (
                f'<w:p><w:hyperlink w:anchor="x">{_run(_t(word("link")))}</w:hyperlink>'
                f"{_run(chr(60) + 'w:fldChar w:fldCharType=' + chr(34) + 'begin' + chr(34) + '/>')}"
                '<w:r><w:instrText> REF </w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>'
                f'{_run(_t(word("fieldresult")))}<w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'
            ),
            f"<w:sdt><w:sdtContent>{paragraph(word('control'))}</w:sdtContent></w:sdt>",
            (
                f'<w:p>{_run(_t("With notes"))}<w:r><w:footnoteReference w:id="{page + 1}"/></w:r>'
                f'<w:r><w:endnoteReference w:id="{page + 1}"/></w:r></w:p>'
            ),
            filler,
            (
                f"<w:p>{_run(_t('Changed '))}<w:ins>{_run(_t(word('inserted')))}</w:ins>"
                f"<w:del><w:r><w:delText>{word('deleted')}</w:delText></w:r></w:del>"
                f"{_run(_t(word('hidden')), '<w:vanish/>')}</w:p>"
            ),
            (
                f"<w:p><m:oMath><m:r><m:t>{word('equation')}</m:t></m:r></m:oMath>"
                f"<w:smartTag>{_run(_t(word('smarttag')))}</w:smartTag></w:p>"
            ),
            (
                f"<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>{paragraph(word('placeholder'))}"
                "</w:sdtContent></w:sdt>"
            ),
            f"<w:p>{_run(_t('A picture'))}{_drawing(word('description'), '')}</w:p>",
            filler,
        )
    )


def _drawing(description: str, inner: str) -> str:
    return (
        f'<w:r><w:drawing><wp:inline xmlns:wp="{_DRAWING}/wordprocessingDrawing"><wp:docPr id="1" name="x"'
        f' descr="{description}"/><a:graphic xmlns:a="{_DRAWING}/main"><a:graphicData>{inner}</a:graphicData>'
        "</a:graphic></wp:inline></w:drawing></w:r>"
    )


def _once() -> str:
    links = f'xmlns:r="{_RELATIONSHIPS}" {_NAMES}'
    # Their relationships come after those of styles, notes, comments, header and footer.
    chart = _drawing("", f'<c:chart {links} r:id="r6"/>')
    diagram = _drawing("", f'<d:relIds {links} r:dm="r7"/>')
    return f"<w:p>{_run(_t('Drawn'))}{chart}{diagram}</w:p>"
