from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.documents.errors import NoText, TooComplex, UnreadableFile
from app.documents.readers import limits, markdown, text
from app.documents.readers.pieces import LONGEST_PIECE, pieces
from app.documents.segments import Extracted, TextAnchor
from app.vocabulary import SegmentKind

_TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
        st.sampled_from("\n\n\n\r  #*->|`~1.[]\t😀"),
    ),
    max_size=400,
)
_LINES = [
    "# A",
    "## B b",
    "text",
    "> quote",
    ">",
    "- item",
    "  - deep",
    "1. one",
    "- # h",
    "```",
    "~~~",
    "---",
    "===",
    "***",
    "|a|b|",
    "|-|-|",
    "|1|2|",
    "[x]: http://y",
    "<div>",
    "    code",
    "\ttab",
    "",
    "",
]
_MARKDOWN = st.lists(st.sampled_from(_LINES), max_size=40).map("\n".join)


def _visible(text_: str) -> str:
    return "".join(text_.split())


def _check_law(source: str, extracted: Extracted) -> None:
    """Nothing is lost, and each anchor is exact as JavaScript counts."""
    assert _visible("".join(segment.text for segment in extracted.segments)) == _visible(source)
    units = source.encode("utf-16-le")
    for number, segment in enumerate(extracted.segments):
        assert segment.index == number
        assert isinstance(segment.anchor, TextAnchor)
        start, length = segment.anchor.offset, segment.anchor.length
        assert units[2 * start : 2 * (start + length)].decode("utf-16-le") == segment.text


@given(_TEXTS)
@example("a\r\n\r\nb\rc\n \n😀 d")
def test_no_character_of_a_text_is_lost(source: str) -> None:
    content = b"\xef\xbb\xbf" + source.encode()
    try:
        _check_law(source, text.read(content))
    except NoText:
        assert not source.strip()
    except UnreadableFile:
        assert any(character < " " or character == "\x7f" for character in source)


@given(st.one_of(_TEXTS, _MARKDOWN))
@example("---\ntitle: x\n---\n# A")
@example("- \n\n  a\n\n---\n\n> \n>> b")
@example("```\n\n  x\n")
def test_no_character_of_a_markdown_file_is_lost(source: str) -> None:
    content = b"\xef\xbb\xbf" + source.encode()
    try:
        _check_law(source, markdown.read(content))
    except NoText:
        assert not source.strip()
    except UnreadableFile:
        assert any(character < " " or character == "\x7f" for character in source)


def test_paragraphs_end_at_blank_lines() -> None:
    found = text.read(b"One\ntwo\n \nThree\n\n\nFour").segments
    assert [segment.text for segment in found] == ["One\ntwo", "Three", "Four"]
    assert [segment.anchor.line for segment in found if isinstance(segment.anchor, TextAnchor)] == [1, 4, 7]


def test_by_line_each_line_that_says_anything_is_a_segment_at_its_place() -> None:
    lines = [f"Row {at} is good. Ünd." for at in range(2_500)]
    found = text.read("\n\r\n".join(lines).encode(), by_line=True).segments
    assert [one.text for one in found] == lines
    assert [
        (one.anchor.line, one.anchor.offset) for one in found[:2] if isinstance(one.anchor, TextAnchor)
    ] == [
        (1, 0),
        (3, len(lines[0]) + 3),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_encodings_are_known_by_their_mark(encoding: str) -> None:
    found = text.read("Größe 😀".encode(encoding))
    assert [segment.text for segment in found.segments] == ["Größe 😀"]
    assert found.notes == {}


def test_windows_text_is_read_and_noted() -> None:
    found = text.read("Größe – 5 €\x81".encode("cp1252", "replace").replace(b"?", b"\x81"))
    assert found.segments[0].text == "Größe – 5 €\ufffd"
    assert found.notes == {"encoding_guessed": 1, "characters_unreadable": 1}


@pytest.mark.parametrize(
    "content", [b"a\x00b", b"\xff\xfea", bytes(range(1, 9)) * 20, b"\x1b[31mred\x1b[0m" * 9]
)
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        text.read(content)


def test_white_space_alone_is_no_text() -> None:
    with pytest.raises(NoText):
        text.read(b" \r\n\t\n")


def test_one_long_line_becomes_pieces_at_sentence_ends() -> None:
    source = "A short sentence of words. " * 1_000
    found = text.read(source.encode())
    assert all(len(segment.text) <= LONGEST_PIECE for segment in found.segments)
    assert all(segment.text.endswith(".") for segment in found.segments)
    _check_law(source, found)


@given(st.text("ab .\n!。\u0301😀", max_size=300), st.integers(2, 40))
def test_pieces_cover_a_text_and_keep_the_limit(source: str, longest: int) -> None:
    spans = list(pieces(source, 0, len(source), longest=longest))
    assert all(0 < end - start <= longest for start, end in spans)
    assert all(left[1] == right[0] for left, right in pairwise(spans))
    assert "".join(source[start:end] for start, end in spans) == source


def test_more_text_than_a_document_may_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CHARACTERS", 1_000)
    with pytest.raises(TooComplex, match="split it"):
        text.read(b"a" * 1_001)
    with pytest.raises(TooComplex, match="split it"):
        text.read("ä".encode() * 5_000)


def test_markdown_blocks_keep_their_kind_and_headings() -> None:
    source = (
        "# Plan\n\nIntro *here*.\n\n## Costs\n- rent\n  - more\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "```py\nx = 1\n```\n\nSetext\n======\n\n> quoted\n\n[ref]: http://example.org\n"
    )
    found = markdown.read(source.encode()).segments
    assert [(segment.kind, segment.text, segment.heading_path) for segment in found] == [
        (SegmentKind.HEADING, "# Plan", ()),
        (SegmentKind.PARAGRAPH, "Intro *here*.", ("Plan",)),
        (SegmentKind.HEADING, "## Costs", ("Plan",)),
        (SegmentKind.LIST_ITEM, "- rent", ("Plan", "Costs")),
        (SegmentKind.LIST_ITEM, "- more", ("Plan", "Costs")),
        (SegmentKind.TABLE_ROW, "| a | b |\n|---|---|", ("Plan", "Costs")),
        (SegmentKind.TABLE_ROW, "| 1 | 2 |", ("Plan", "Costs")),
        (SegmentKind.CODE, "```py\nx = 1\n```", ("Plan", "Costs")),
        (SegmentKind.HEADING, "Setext\n======", ()),
        (SegmentKind.PARAGRAPH, "> quoted", ("Setext",)),
        (SegmentKind.PARAGRAPH, "[ref]: http://example.org", ("Setext",)),
    ]
    assert found[6].table_header == "| a | b |"
    assert [segment.level for segment in found if segment.level] == [1, 2, 1]


def test_front_matter_is_no_heading() -> None:
    found = markdown.read(b"---\ntitle: x\n---\n\n# A\n").segments
    assert [segment.kind for segment in found] == [SegmentKind.CODE, SegmentKind.HEADING]


def test_deeply_nested_markdown_is_read_at_once() -> None:
    source = "> " * 3_000 + "deep\n" + "".join("  " * depth + "- x\n" for depth in range(200))
    _check_law(source, markdown.read(source.encode()))
