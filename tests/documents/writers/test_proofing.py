"""New text says what language it is in, so that Word and PowerPoint underline nothing that is right."""

import io

import pytest
from lxml import etree
from pptx import Presentation

from app.documents.writing import apply, writable
from tests.documents.files import paragraph, word_file
from tests.documents.formatted import parts, pseudo_translated

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def _written(content: bytes, language: str | None) -> bytes:
    operations = [pseudo_translated(segment) for segment in writable(content).segments]
    produced = apply(content, operations, language=language)
    assert not produced.refused
    return produced.content


@pytest.mark.parametrize(
    ("language", "attribute", "tag"),
    [("de", "val", "de-DE"), ("ja", "eastAsia", "ja-JP"), ("ar", "bidi", "ar-SA"), ("eo", "val", "eo")],
)
def test_words_new_runs_have_the_language_in_its_place(language: str, attribute: str, tag: str) -> None:
    said = '<w:b/><w:lang w:val="en-US" w:eastAsia="en-US"/><w:oMath/>'
    body = paragraph("plain words") + f"<w:p><w:r><w:rPr>{said}</w:rPr><w:t>said in English</w:t></w:r></w:p>"
    body += "<w:p><w:r><w:rPr><w:b/><w:oMath/></w:rPr><w:t>bold words</w:t></w:r></w:p>"
    body += '<w:p><w:r><w:rPr><w:b/><w14:ligatures w14:val="none"/></w:rPr><w:t>more words</w:t></w:r></w:p>'
    document = etree.fromstring(parts(_written(word_file(body), language))["word/document.xml"])
    runs = list(document.iter(f"{_W}r"))
    assert len(runs) == 4
    for each in runs:
        assert each[0].tag == f"{_W}rPr"
        (marked,) = each.iter(f"{_W}lang")
        assert marked.get(f"{_W}{attribute}") == tag
    assert [[etree.QName(one).localname for one in each[0]] for each in runs] == [
        ["lang"],
        ["b", "lang", "oMath"],
        ["b", "lang", "oMath"],
        ["b", "lang", "ligatures"],
    ]


def test_powerpoints_new_runs_have_it_too() -> None:
    made = Presentation()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text = "A title"
    slide.placeholders[1].text = "Two\vlines"
    content = io.BytesIO()
    made.save(content)
    written = parts(_written(content.getvalue(), "fr"))["ppt/slides/slide1.xml"]
    found = [one.get("lang") for one in etree.fromstring(written).iter(f"{_A}rPr")]
    assert found == ["fr-FR"] * 3


def test_a_file_in_its_own_language_says_what_it_said() -> None:
    content = word_file('<w:p><w:r><w:rPr><w:lang w:val="en-GB"/></w:rPr><w:t>colours</w:t></w:r></w:p>')
    document = etree.fromstring(parts(_written(content, None))["word/document.xml"])
    assert [one.get(f"{_W}val") for one in document.iter(f"{_W}lang")] == ["en-GB"]
