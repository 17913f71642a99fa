"""Word files made anew: what was asked for is there, and nothing else has changed."""

import io
import random
import re
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from app.documents.errors import UnsupportedFormat
from app.documents.normalize import text_hash
from app.documents.operations import Operation, dump_operations, load_operations, operation_for
from app.documents.readers import docx
from app.documents.segments import Run, RunKind, Segment, WordAnchor
from app.documents.tags import Kept, from_tags, with_tags
from app.documents.writing import apply, writable
from tests.documents.everything import everything, sentinel
from tests.documents.files import STRICT, TRANSITIONAL, paragraph, word_file, word_xml
from tests.documents.formatted import elements, parts, pseudo_translated, rich_word_file, run

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_RICH = rich_word_file(2)
_SEGMENTS = writable(_RICH).segments


def _runs(segment: Segment) -> tuple[Run, ...]:
    return segment.runs or (Run(segment.text),)


def _answered(segment: Segment, answer: str) -> Operation:
    return operation_for(segment, from_tags(answer, _runs(segment)))


def _one(body: str, answer: str | Callable[[str], str]) -> etree._Element:
    """The only paragraph of that body after it was answered so."""
    content = word_file(body)
    (segment,) = writable(content).segments
    said = answer if isinstance(answer, str) else answer(with_tags(_runs(segment)))
    produced = apply(content, [_answered(segment, said)])
    assert not produced.refused
    return etree.fromstring(parts(produced.content)["word/document.xml"])[0][0]


def _shape(element: etree._Element) -> list[str]:
    """The paragraph's children: their names, and the text of runs with their look."""
    found = []
    for each in element:
        name = etree.QName(each).localname
        look = "".join(etree.QName(part).localname for part in each.findall(f"{_W}rPr/*"))
        text = "".join(part.text or "" for part in each.iter(f"{_W}t"))
        found.append(":".join(filter(None, (name, look, text))))
    return found


def test_the_same_text_gives_the_same_file() -> None:
    operations = [_answered(segment, with_tags(_runs(segment))) for segment in _SEGMENTS]
    produced = apply(_RICH, operations)
    assert produced.content == _RICH
    assert produced.applied == tuple(range(len(_SEGMENTS)))


def test_every_text_of_every_part_is_written_and_everything_else_counts_the_same() -> None:
    operations = [pseudo_translated(segment) for segment in _SEGMENTS]
    produced = apply(_RICH, operations)
    assert (produced.refused, produced.degraded) == ((), ())
    assert [segment.text for segment in writable(produced.content).segments] == [
        each.text for each in operations
    ]
    assert elements(produced.content) == elements(_RICH)
    assert produced.notes == {"tracked_changes_accepted": 1}
    before, after = parts(_RICH), parts(produced.content)
    assert list(after) == list(before)
    same = [name for name in before if before[name] == after[name]]
    assert {"word/comments.xml", "word/styles.xml", "word/media/image1.png"} <= set(same)
    for name in ("header1", "header2"):
        assert b"hARBOUR REPORT" in after[f"word/{name}.xml"]
    # The drawing of a diagram, the names in a chart, and both versions of a text box follow.
    assert b"fIRST STEP" in after["word/diagrams/drawing1.xml"]
    assert b"<c:v>aRRIVALS</c:v>" in after["word/charts/chart1.xml"]
    assert b"<c:v>12</c:v>" in after["word/charts/chart1.xml"]
    assert after["word/document.xml"].count(b"iN BOX 1") == 2


def test_a_header_that_says_what_the_body_says_is_written_by_its_own_operation() -> None:
    content = word_file(
        paragraph("Confidential"),
        parts={
            "styles": ("word/styles.xml", word_xml("styles", "")),
            "header#1": ("word/header1.xml", word_xml("hdr", paragraph("Confidential"))),
            "header#2": ("word/header2.xml", word_xml("hdr", paragraph("Confidential"))),
        },
    )
    body, header = writable(content).segments
    for segment, changed in ((body, ["document"]), (header, ["header1", "header2"])):
        after = parts(apply(content, [_answered(segment, "Vertraulich")]).content)
        assert [name for name, part in after.items() if b"Vertraulich" in part] == [
            f"word/{name}.xml" for name in changed
        ]


def test_the_container_keeps_order_names_and_compression() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_RICH)) as old, zipfile.ZipFile(buffer, "w") as new:
        for number, entry in enumerate(reversed(old.infolist())):
            kind = zipfile.ZIP_STORED if number % 2 else zipfile.ZIP_DEFLATED
            new.writestr(entry.filename, old.read(entry), kind)
    content = buffer.getvalue()
    produced = apply(content, [pseudo_translated(writable(content).segments[0])])
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(io.BytesIO(produced.content)) as new:
        told = [
            [(each.filename, each.compress_type, each.date_time) for each in one.infolist()]
            for one in (old, new)
        ]
        assert told[0] == told[1]
        assert new.testzip() is None
    changed = [name for name, part in parts(content).items() if parts(produced.content)[name] != part]
    assert changed == ["word/document.xml"]


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(_SEGMENTS), st.randoms(use_true_random=False))
def test_outside_the_changed_runs_a_part_is_the_same_xml_whatever_the_order(
    segment: Segment, shuffle: random.Random
) -> None:
    paragraphs: list[list[Run]] = [[]]
    borders: list[Run] = []
    for each in _runs(segment):
        if each.kind is RunKind.JOINT:
            borders.append(each)
            paragraphs.append([])
        else:
            paragraphs[-1].append(Run(f"{each.text}x", each.tag) if each.kind is RunKind.TEXT else each)
    for one in paragraphs:
        shuffle.shuffle(one)
    new = [
        *paragraphs[0],
        *(each for border, one in zip(borders, paragraphs[1:], strict=True) for each in (border, *one)),
    ]
    operation = Operation(segment.anchor, text_hash(segment.text), tuple(new))
    produced = apply(_RICH, [operation])
    assert produced.applied == (0,)
    counts = elements(produced.content) - elements(_RICH)
    # A link between whose words others now stand is two links to one place.
    assert counts.keys() <= {"hyperlink"}
    assert not elements(_RICH) - elements(produced.content)
    found = [each.text for each in writable(produced.content).segments if each.anchor == segment.anchor] or [
        each.text for each in writable(produced.content).segments
    ]
    assert any(" ".join(operation.text.split()) == " ".join(text.split()) for text in found)
    _assert_same_outside(_RICH, produced.content)


def _assert_same_outside(before: bytes, after: bytes) -> None:
    """Part by part: the same XML but for what stands in paragraphs whose text differs."""
    new = parts(after)
    for name, part in parts(before).items():
        if part == new[name]:
            continue
        trees = [etree.fromstring(part), etree.fromstring(new[name])]
        for old, changed in zip(*(list(tree.iter("{*}p", "{*}v")) for tree in trees), strict=True):
            if etree.tostring(old, method="c14n") != etree.tostring(changed, method="c14n"):
                for each in (old, changed):
                    each.text = ""
                    for inner in [inner for inner in each if not str(inner.tag).endswith("pPr")]:
                        each.remove(inner)
        assert etree.tostring(trees[0], method="c14n") == etree.tostring(trees[1], method="c14n")


def test_new_order_is_followed_and_runs_that_stay_are_moved_as_they_are() -> None:
    body = (
        f"<w:p>{run('Pay ')}{run('now', '<w:b/>')}{run(' or ')}"
        f"{run('la', '<w:i/>')}{run('ter', '<w:i/>')}{run('.')}</w:p>"
    )
    found = _one(body, "<g2>later</g2> oder <g1>jetzt</g1> zahlen.")
    assert _shape(found) == ["r:i:la", "r:i:ter", "r: oder ", "r:b:jetzt", "r: zahlen."]
    assert [each.get(f"{_W}rsidR") for each in found] == ["00A1"] * 5


def test_a_link_keeps_its_target_and_a_control_stays_one() -> None:
    body = (
        f'<w:p>{run("See ")}<w:hyperlink w:anchor="x">{run("this")}{run(" page", "<w:b/>")}</w:hyperlink>{run(" in ")}'
        f'<w:sdt><w:sdtPr><w:id w:val="5"/></w:sdtPr><w:sdtContent>{run("time")}</w:sdtContent></w:sdt></w:p>'
    )
    found = _one(body, "In <g3>Zeit</g3> siehe <g2> Seite</g2> und <g1>diese</g1>")
    assert [_shape(each) for each in found.findall(f"{_W}hyperlink")] == [["r:b: Seite"], ["r:diese"]]
    assert {each.get(f"{_W}anchor") for each in found.findall(f"{_W}hyperlink")} == {"x"}
    assert len(found.findall(f"{_W}sdt/{_W}sdtPr/{_W}id")) == 1


def test_what_is_written_beside_a_link_does_not_fall_into_it_however_long_it_is() -> None:
    link = f'<w:hyperlink w:anchor="x">{run("the whole of the long annex to this")}</w:hyperlink>'
    found = _one(f"<w:p>{run('See ')}{link}{run('.')}</w:p>", "Siehe <g1>den Anhang</g1> bitte.")
    assert _shape(found) == ["r:Siehe ", "hyperlink:den Anhang", "r: bitte."]


def test_a_comment_and_a_bookmark_go_around_what_they_were_around() -> None:
    body = (
        f'<w:p>{run("The board ")}<w:commentRangeStart w:id="1"/>{run("approved")}<w:commentRangeEnd w:id="1"/>'
        '<w:r><w:commentReference w:id="1"/></w:r>'
        f'{run(" it")}<w:bookmarkStart w:id="2" w:name="b"/>{run(" today")}<w:bookmarkEnd w:id="2"/></w:p>'
    )
    found = _one(body, "<g2>Heute</g2> hat der Rat es <g1>genehmigt</g1>.")
    assert _shape(found) == [
        *("bookmarkStart", "r:Heute", "bookmarkEnd", "r: hat der Rat es "),
        *("commentRangeStart", "r:genehmigt", "commentRangeEnd", "r", "r:."),
    ]


def test_a_field_is_moved_whole_and_one_over_several_paragraphs_keeps_its_marks() -> None:
    def mark(kind: str) -> str:
        return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'

    code = "<w:r><w:instrText> REF x </w:instrText></w:r>"
    body = (
        f"<w:p>{mark('begin')}{code}{mark('separate')}{run('Page ')}"
        f"{mark('begin')}{code}{mark('separate')}{run('7')}{mark('end')}{run(' of it')}</w:p>"
    )
    found = _one(body, "Davon Seite <x1/>")
    assert _shape(found) == ["r", "r", "r", "r:Davon Seite ", "r", "r", "r", "r:7", "r"]
    kinds = [each.get(f"{_W}fldCharType") for each in found.iter(f"{_W}fldChar")]
    assert kinds == ["begin", "separate", "begin", "separate", "end"]


def _field(instruction: str, result: str) -> str:
    marks = [f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end")]
    code = f'<w:r><w:instrText xml:space="preserve"> {instruction}</w:instrText></w:r>'
    return f"{marks[0]}{code}{marks[1]}{result}{marks[2]}"


def test_a_field_that_is_a_link_goes_around_its_words_and_they_are_written() -> None:
    link = _field('HYPERLINK "https://example.com/"', run("the ") + run("annex", "<w:b/>"))
    found = _one(
        f"<w:p>{run('See ')}{link}{run(' and ')}{_field('REF x', run('more'))}</w:p>",
        "<g1>Den </g1><g2>Anhang</g2> siehe und",
    )
    mark = ["r"]
    assert _shape(found) == [
        *mark * 3,
        "r:Den ",
        "r:b:Anhang",
        *mark,
        "r: siehe und ",
        *mark * 3,
        "r:more",
        *mark,
    ]
    kinds = [each.get(f"{_W}fldCharType") for each in found.iter(f"{_W}fldChar")]
    assert kinds == ["begin", "separate", "end"] * 2


def test_an_entry_of_a_table_of_contents_keeps_its_link_and_the_number_of_its_page() -> None:
    entry = run("Introduction") + "<w:r><w:tab/></w:r>" + _field("PAGEREF _Toc1", run("3"))
    for body in (
        _field('HYPERLINK \\l "_Toc1"', entry),
        f'<w:fldSimple w:instr=" HYPERLINK \\l _Toc1 ">{entry}</w:fldSimple>',
    ):
        found = _one(f"<w:p>{body}</w:p>", lambda asked: asked.replace("Introduction", "Einleitung"))
        assert "".join(each.text or "" for each in found.iter(f"{_W}t")) == "Einleitung3"
        assert len(list(found.iter(f"{_W}fldChar", f"{_W}fldSimple"))) in {4, 6}


def test_tracked_changes_of_a_changed_paragraph_are_accepted_and_marks_in_them_stay() -> None:
    body = (
        "<w:p><w:r><w:t>Pay </w:t></w:r><w:del><w:r><w:delText>10</w:delText></w:r>"
        '<w:bookmarkStart w:id="4" w:name="x"/><w:bookmarkEnd w:id="4"/></w:del>'
        "<w:ins><w:r><w:rPr><w:rPrChange/><w:b/></w:rPr><w:t>20</w:t></w:r></w:ins></w:p>"
    )
    found = _one(body, "Zahle <g1>30</g1>")
    assert _shape(found) == ["r:Zahle ", "bookmarkStart", "bookmarkEnd", "r:b:30"]


def test_paragraphs_that_a_tracked_change_joined_are_written_each() -> None:
    removed = f"<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr>{run('Joined ')}</w:p>"
    content = word_file(removed + paragraph("line"))
    (segment,) = writable(content).segments
    produced = apply(content, [_answered(segment, "Verbundene <x1/>Zeile")])
    body = etree.fromstring(parts(produced.content)["word/document.xml"])[0]
    assert [_shape(each)[-1] for each in body] == ["r:Verbundene ", "r:Zeile"]


def test_hidden_text_white_space_at_the_ends_and_breaks_are_kept() -> None:
    body = (
        f'<w:p>{run("  Dear ")}{run("secret", "<w:vanish/>")}{run("all")}<w:r><w:br w:type="page"/></w:r>'
        f"{run('Bye  ')}</w:p>"
    )
    found = _one(body, "Liebe alle<x1/>Ade")
    assert _shape(found) == ["r:  Liebe alle", "r:vanish:secret", "r", "r:Ade  "]
    assert found.find(f".//{_W}br").get(f"{_W}type") == "page"  # type: ignore[union-attr]


def test_letters_that_xml_cannot_hold_are_left_out_and_line_ends_become_breaks() -> None:
    found = _one(f"<w:p>{run('Text')}</w:p>", "a\x00b\x0bc\nd\te\u2011f")
    assert [etree.QName(each).localname for each in found[0]] == [
        "rPr",
        "t",
        "br",
        "t",
        "tab",
        "t",
        "noBreakHyphen",
        "t",
    ]


@pytest.mark.parametrize("namespace", [TRANSITIONAL, STRICT])
def test_both_dialects_are_written_in_parts_of_any_name(namespace: str) -> None:
    styles = word_xml("styles", "", namespace=namespace)
    content = word_file(
        paragraph("Eins") + "<!-- kept --><?kept too?>" + paragraph("Zwei"),
        namespace=namespace,
        main="text/haupt.xml",
        parts={"styles": ("text/s.xml", styles)},
    )
    produced = apply(content, [_answered(writable(content).segments[1], "Two")])
    part = parts(produced.content)["text/haupt.xml"]
    assert b"Eins" in part
    assert b"Two" in part
    assert b"<!-- kept --><?kept too?>" in part
    assert namespace.encode() in part
    assert b"ns0" not in part


def test_an_operation_whose_guard_does_not_match_is_refused_and_the_rest_applied() -> None:
    content = word_file(
        paragraph("One") + f"<w:p>{run('Two ')}{run('bold', '<w:b/>')}</w:p>" + paragraph("Three")
    )
    one, two, three = writable(content).segments
    assert isinstance(one.anchor, WordAnchor)
    elsewhere = WordAnchor("word/document.xml", 99, "", "", "")
    operations = [
        Operation(one.anchor, text_hash("Another"), (Run("x"),), client_ref="p1"),
        Operation(elsewhere, text_hash("One"), (Run("x"),)),
        Operation(two.anchor, text_hash(two.text), (Run("x", 7),)),
        Operation(three.anchor, text_hash("Three"), (Run("Drei"),), Kept.DEGRADED, "p3"),
        Operation(three.anchor, text_hash("Three"), (Run("Vier"),)),
    ]
    assert load_operations(dump_operations(operations)) == tuple(operations)
    produced = apply(content, operations)
    assert produced.applied == produced.degraded == (3,)
    assert [(each.index, each.reason, each.client_ref) for each in produced.refused] == [
        (0, "text_changed", "p1"),
        (1, "no_such_place", None),
        (2, "formatting_changed", None),
        (4, "taken", None),
    ]
    assert [each.text for each in writable(produced.content).segments] == ["One", "Two bold", "Drei"]


def test_a_signature_is_said_to_end_and_macros_are_refused() -> None:
    content = word_file(paragraph("One"))
    signed = content_with(
        content,
        "_rels/.rels",
        b"</Relationships>",
        (
            b'<Relationship Id="r9" Type="http://schemas.openxmlformats.org/package/2006/relationships/'
            b'digital-signature/origin" Target="_xmlsignatures/origin.sigs"/></Relationships>'
        ),
    )
    (segment,) = writable(signed).segments
    assert apply(signed, [pseudo_translated(segment)]).notes == {"signatures_invalid": 1}
    assert apply(signed, []).notes == {}
    with pytest.raises(UnsupportedFormat, match="macros"):
        writable(word_file(paragraph("One"), parts={"vba": ("word/vbaProject.bin", b"x")}))
    with pytest.raises(UnsupportedFormat, match="cannot be written"):
        apply(word_file("", content_type="application/vnd.visio.drawing.main+xml"), [])


def content_with(content: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """The container with some bytes of one part replaced."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        for each, part in parts(content).items():
            container.writestr(each, part.replace(old, new) if each == name else part)
    return buffer.getvalue()


def test_every_kind_of_content_but_formulas_fields_descriptions_and_comments_is_written() -> None:
    content = everything(2)
    segments = writable(content).segments
    produced = apply(content, [pseudo_translated(segment) for segment in segments])
    assert (len(produced.applied), produced.refused) == (len(segments), ())
    assert elements(produced.content) == elements(content)
    kept = {
        word
        for segment in docx.read(produced.content).segments
        for word in re.findall(r"q[a-z]+[0-9]{4}x", segment.text)
    }
    assert kept == {
        sentinel(kind, page) for kind in ("equation", "description", "fieldresult") for page in (0, 1)
    }
