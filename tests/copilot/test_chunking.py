"""Chunks: nothing lost, borders where the content has them."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.copilot.chunking import CAP_TOKENS, HEADER_CHARACTERS, MINIMUM_TOKENS, chunk
from app.copilot.retrieval import passages_of
from app.documents.segments import Segment, TextAnchor
from app.documents.tokens import estimate_tokens
from app.vocabulary import SegmentKind
from tests.copilot.conftest import document

ANCHOR = TextAnchor(0, 0, 1)


def table(rows: int, *, words: int = 8) -> list[tuple[SegmentKind, str]]:
    return [(SegmentKind.TABLE_ROW, f"row {row} | " + "cell " * words) for row in range(rows)]


def with_headers(segments: list[Segment]) -> list[Segment]:
    """Rows after the first know the first as their header, as the readers write it."""
    found: list[Segment] = []
    header: str | None = None
    for segment in segments:
        is_row = segment.kind is SegmentKind.TABLE_ROW
        own = header if is_row else None
        header = (header or segment.text) if is_row else None
        found.append(
            Segment(
                segment.index, segment.kind, segment.text, segment.anchor, segment.heading_path, None, own
            )
        )
    return found


def prose(count: int, seed: int = 1) -> list[str]:
    generator = random.Random(seed)
    return [f"Paragraph {at} " + " ".join(str(generator.random()) for _ in range(12)) for at in range(count)]


segments_of_any_kind = st.lists(
    st.tuples(st.sampled_from(list(SegmentKind)), st.text(max_size=300), st.none() | st.text(max_size=20)),
    max_size=25,
).map(
    lambda rows: [
        Segment(at, kind, text, ANCHOR, (), None, header if kind is SegmentKind.TABLE_ROW else None)
        for at, (kind, text, header) in enumerate(rows)
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(segments_of_any_kind, max_size=4))
def test_the_law_holds_for_several_documents_and_passages_cross_no_border(
    documents: list[list[Segment]],
) -> None:
    together = [replace(each, document=number) for number, one in enumerate(documents) for each in one]
    segments = [replace(each, index=at) for at, each in enumerate(together)]
    text = "".join(each.text for each in segments)
    passages = passages_of(segments, "en")
    assert "".join(each.body(segments) for each in passages) == text
    assert "".join(each.body(segments) for each in chunk(segments)) == text
    assert all(len({segments[piece.segment].document for piece in each.pieces}) == 1 for each in passages)


@settings(max_examples=200, deadline=None)
@given(segments_of_any_kind, st.integers(1, 120))
def test_the_bodies_of_all_chunks_are_the_input_for_any_text(segments: list[Segment], cap: int) -> None:
    chunks = chunk(segments, cap_tokens=cap, minimum_tokens=cap // 3)
    assert "".join(each.body(segments) for each in chunks) == "".join(each.text for each in segments)
    pieces = [piece for each in chunks for piece in each.pieces]
    assert [piece.segment for piece in pieces] == sorted(piece.segment for piece in pieces)
    assert {piece.segment for piece in pieces} == {each.index for each in segments}


@settings(max_examples=100, deadline=None)
@given(segments_of_any_kind, st.integers(5, 120))
def test_no_chunk_holds_more_than_the_cap(segments: list[Segment], cap: int) -> None:
    for each in chunk(segments, cap_tokens=cap, minimum_tokens=cap // 3):
        body = sum(
            estimate_tokens(segments[piece.segment].text[piece.start : piece.end]) for piece in each.pieces
        )
        assert body <= cap


def test_a_chunk_ends_before_a_heading_once_it_is_large_enough() -> None:
    parts = ["# One", *prose(12), "# Two", *prose(3, seed=2)]
    segments = document(*parts)
    starts = {each.pieces[0].segment for each in chunk(segments)}
    assert parts.index("# Two") in starts


def test_a_heading_never_ends_a_chunk_when_its_section_follows() -> None:
    segments = document(*[part for at in range(60) for part in (f"# Heading {at}", *prose(3, seed=at))])
    for each in chunk(segments, cap_tokens=500, minimum_tokens=100)[:-1]:
        assert segments[each.pieces[-1].segment].kind is not SegmentKind.HEADING


def test_sizes_stay_between_the_minimum_and_the_cap() -> None:
    chunks = chunk(document(*prose(400)))
    assert all(MINIMUM_TOKENS <= each.estimated_tokens <= CAP_TOKENS for each in chunks[:-1])


def test_an_edited_paragraph_moves_few_borders() -> None:
    parts = prose(600)
    before = document(*parts)
    bodies = {each.body(before) for each in chunk(before)}
    again = 0
    for at in range(50, 600, 50):
        after = document(*parts[:at], parts[at] + " Edited here.", *parts[at + 1 :])
        again += sum(each.body(after) not in bodies for each in chunk(after))
    assert again / 11 < 3


def test_a_table_that_fits_stays_whole() -> None:
    segments = with_headers(document(*prose(20), *table(60), *prose(5, seed=3)))
    rows = {each.index for each in segments if each.kind is SegmentKind.TABLE_ROW}
    holders = [each for each in chunk(segments) if rows & {piece.segment for piece in each.pieces}]
    assert len(holders) == 1


def test_a_table_whose_first_column_has_no_name_is_not_cut_below_its_header() -> None:
    for count in range(60, 100):
        found = document(*prose(count), *table(60))
        found[count] = replace(found[count], text="| City")
        segments = [
            *found[: count + 1],
            *(replace(row, table_header=" | City") for row in found[count + 1 :]),
        ]
        holders = [
            each for each in chunk(segments) if {count, count + 1} & {one.segment for one in each.pieces}
        ]
        assert len(holders) == 1


def test_a_table_that_does_not_fit_repeats_its_header_beside_the_body() -> None:
    segments = with_headers(document(*table(900)))
    chunks = chunk(segments)
    assert len(chunks) > 3
    assert chunks[0].pieces[0].header is None
    for each in chunks[1:]:
        assert each.pieces[0].header == segments[0].text[:HEADER_CHARACTERS]
        assert all(piece.header is None for piece in each.pieces[1:])


def test_an_oversized_paragraph_splits_at_sentences() -> None:
    sentence = "The committee met in the morning and talked about the budget of the year. "
    segments = document(sentence * 400)
    chunks = chunk(segments, language="en")
    assert len(chunks) > 2
    assert all(each.body(segments).startswith("The committee") for each in chunks)


def test_an_oversized_word_splits_anywhere() -> None:
    segments = document("x" * 40_000)
    assert all(each.estimated_tokens <= CAP_TOKENS for each in chunk(segments))
