"""What the reader of Word documents says of the formatting of a segment."""

from app.documents.readers import docx
from app.documents.runs import shown_text
from app.documents.segments import Run, RunKind, Segment, dump_segments, load_segments
from app.documents.tags import with_tags
from tests.documents.files import paragraph, word_file

_BOLD = "<w:b/>"


def _run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def _only(inner: str) -> Segment:
    (segment,) = docx.read(word_file(f"<w:p>{inner}</w:p>")).segments
    assert not segment.runs or shown_text(segment.runs) == segment.text
    return segment


def test_text_of_one_look_has_no_runs() -> None:
    inner = (
        _run("One", '<w:lang w:val="en-US"/>')
        + "<w:proofErr/>"
        + _run(" look", '<w:lang w:val="de-DE"/>')
        + '<w:bookmarkStart w:id="1"/><w:bookmarkEnd w:id="1"/>'
    )
    assert (_only(inner).text, _only(inner).runs) == ("One look", ())


def test_what_stands_out_and_what_is_opaque_is_numbered_in_order() -> None:
    inner = (
        "<w:r><w:tab/></w:r>"
        + _run("The ")
        + _run("first", _BOLD)
        + _run(" claim")
        + '<w:r><w:footnoteReference w:id="9"/></w:r>'
        + '<w:hyperlink w:anchor="x">'
        + _run(" here")
        + "</w:hyperlink>"
        + "<w:r><w:t>, p. </w:t><w:br/><w:drawing/></w:r>"
        + '<w:fldSimple w:instr="PAGE">'
        + _run("7")
        + "</w:fldSimple>"
        + _run(".")
    )
    segment = _only(inner)
    assert segment.runs == (
        Run("", 1, RunKind.TAB),
        Run("The "),
        Run("first", 2),
        Run(" claim"),
        Run("", 3, RunKind.NOTE),
        Run(" here", 4),
        Run(", p. "),
        Run("\n", 5, RunKind.BREAK),
        Run("", 6, RunKind.OBJECT),
        Run("7", 7, RunKind.FIELD),
        Run("."),
    )
    assert with_tags(segment.runs) == "The <g2>first</g2> claim<x3/><g4> here</g4>, p. <x5/><x6/><x7/>."
    assert load_segments(dump_segments([segment])) == (segment,)


def test_a_field_of_several_runs_is_one_thing_and_one_that_goes_on_is_none() -> None:
    def mark(kind: str) -> str:
        return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'

    inner = (
        mark("begin")
        + "<w:r><w:instrText>TOC</w:instrText></w:r>"
        + mark("separate")
        + _run("See ")
        + mark("begin")
        + "<w:r><w:instrText>REF x</w:instrText></w:r>"
        + mark("separate")
        + _run("Figure", _BOLD)
        + _run(" 3")
        + mark("end")
        + _run(" above")
    )
    assert _only(inner).runs == (Run("See "), Run("Figure 3", 1, RunKind.FIELD), Run(" above"))


def test_a_range_within_a_paragraph_is_told_apart_and_one_around_it_is_not() -> None:
    start, end = '<w:commentRangeStart w:id="1"/>', '<w:commentRangeEnd w:id="1"/>'
    assert _only(start + _run("All of it") + _run(" too") + end).runs == ()
    inner = _run("Only ") + start + _run("this") + end + _run(" is meant")
    assert _only(inner).runs == (Run("Only "), Run("this", 1), Run(" is meant"))


def test_the_cells_of_a_row_are_borders_and_each_has_its_own_usual_look() -> None:
    def cell(*runs: str) -> str:
        return f"<w:tc><w:p>{''.join(runs)}</w:p></w:tc>"

    row = cell(_run("Rent", _BOLD)) + cell() + cell(_run("due  "), _run("now", _BOLD)) + cell(_run("9"))
    (segment,) = docx.read(word_file(f"<w:tbl><w:tr>{row}</w:tr></w:tbl>")).segments
    assert segment.text == "Rent |  | due now | 9"
    assert segment.runs == (
        Run("Rent"),
        Run(" |  | ", 1, RunKind.JOINT),
        Run("due "),
        Run("now", 2),
        Run(" | ", 3, RunKind.JOINT),
        Run("9"),
    )


def test_paragraphs_that_a_tracked_change_joined_are_joined_here() -> None:
    body = "<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr><w:r><w:t>Joined </w:t></w:r></w:p>" + paragraph(
        "line"
    )
    (segment,) = docx.read(word_file(body)).segments
    assert segment.runs == (Run("Joined "), Run("", 1, RunKind.JOINT), Run("line"))
