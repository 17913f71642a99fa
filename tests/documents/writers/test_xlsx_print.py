"""Headers and footers that a sheet prints: their texts follow, their codes stay."""

import pytest
from lxml import etree
from xlsxwriter.workbook import Workbook

from app.documents.operations import operation_for
from app.documents.segments import Run
from app.documents.tags import from_tags, with_tags
from app.documents.writing import apply, writable
from app.vocabulary import SegmentKind
from tests.documents.formatted import parts
from tests.documents.workbooks import workbook


def _book(header: str, footer: str = "") -> bytes:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("Docks")
        sheet.write("A1", "Rope")
        sheet.set_header(header)
        sheet.set_footer(footer)

    return workbook(fill)


def _written(content: bytes, *answers: str) -> tuple[list[str], list[str], dict[str, int]]:
    """What a model is asked, what then stands above and below each page, and the notes."""
    segments = [each for each in writable(content).segments if each.kind is SegmentKind.HEADER]
    operations = [
        operation_for(segment, from_tags(answer, segment.runs or (Run(segment.text),)))
        for segment, answer in zip(segments, answers, strict=True)
    ]
    produced = apply(content, operations)
    assert not produced.refused
    sheet = etree.fromstring(parts(produced.content)["xl/worksheets/sheet1.xml"])
    asked = [with_tags(segment.runs or (Run(segment.text),)) for segment in segments]
    told = [each.text or "" for each in sheet.iter("{*}oddHeader", "{*}oddFooter")]
    return asked, told, dict(produced.notes)


def test_each_section_follows_with_its_codes() -> None:
    content = _book('&L&"Arial,Bold"&12Harbour report&CR&&D of &BBob&B here&R&P', "&CPage &P of &N in all")
    asked, told, notes = _written(
        content, "Hafenbericht", "<x2/>Bobs<x3/> F&E hier", "Seite <x2/> von <x3/> insgesamt"
    )
    assert asked == ["Harbour report", "R&D of <x2/>Bob<x3/> here", "Page <x2/> of <x3/> in all"]
    assert told == ['&L&"Arial,Bold"&12Hafenbericht&C&BBobs&B F&&E hier&R&P', "&CSeite &P von &N insgesamt"]
    assert notes == {}


@pytest.mark.parametrize(
    ("header", "answer", "written"),
    [
        ("&C&10Plan for 2027", "2027: Plan", "&C&10 2027: Plan"),
        ("Plan", "Vorhaben", "Vorhaben"),
        ("&CPlan of &D", "Plan vom", "&CPlan vom &D"),
    ],
)
def test_codes_and_texts_are_told_apart(header: str, answer: str, written: str) -> None:
    _, told, _ = _written(_book(header), answer)
    assert told[0] == written


def test_a_header_that_would_be_longer_than_excel_takes_stays() -> None:
    header = "&LHarbour report&C" + "x " * 100
    _, told, notes = _written(_book(header), "Hafenbericht" * 5, "x " * 99 + "x")
    assert told[0].startswith("&LHarbour report")
    assert notes == {"headers_too_long": 1}


def test_a_sheet_whose_headers_stay_is_the_same() -> None:
    content = _book("&CHarbour report")
    segments = writable(content).segments
    asked = [(each, each.runs or (Run(each.text),)) for each in segments]
    produced = apply(content, [operation_for(each, from_tags(with_tags(runs), runs)) for each, runs in asked])
    assert (produced.content, len(produced.applied)) == (content, 2)
