"""Quotes are found exactly after normalisation, or repaired to the source's own words."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.copilot.quotes import FoldedText, find_exact, find_similar
from app.documents.normalize import normalize

SOURCE = FoldedText.of(
    "She said: “We can’t wait”\u00a0–\nthe ﬁrst   plant in Łódź opens on 3\u202f000 m² by May."
)


@pytest.mark.parametrize(
    ("quote", "verbatim"),
    [
        ('"We can\'t wait" - the first plant', "We can’t wait”\u00a0–\nthe ﬁrst   plant"),
        ("first plant in Łódź", "ﬁrst   plant in Łódź"),
        ("opens on 3 000 m2 by May", "opens on 3\u202f000 m² by May"),
        ("…the first plant in Łódź…", "the ﬁrst   plant in Łódź"),
    ],
)
def test_a_quote_that_reads_the_same_is_found_as_the_source_has_it(quote: str, verbatim: str) -> None:
    span = find_exact(SOURCE, quote)
    assert span is not None
    assert SOURCE.source[slice(*span)] == verbatim


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1, max_size=120), st.data())
def test_what_is_found_says_what_was_asked(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    quote = text[start:end]
    found = find_exact(FoldedText.of(text), quote)
    if found is None:
        return
    assert normalize(text[slice(*found)]).strip("\"'. ") in normalize(quote)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.from_regex(r"[a-zA-Zäöüéß]{2,9}", fullmatch=True), min_size=4, max_size=30), st.data())
def test_any_words_of_a_text_are_found_in_it(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words) - 3))
    quote = " ".join(words[start : start + 3])
    assume(len(quote) >= 12)
    text = "\n  ".join(words)
    span = find_exact(FoldedText.of(text), quote)
    assert span is not None
    assert normalize(text[slice(*span)]) == normalize(quote)


def test_a_nearly_right_quote_is_repaired_to_whole_words_of_the_source() -> None:
    source = FoldedText.of("The supplier announced higher prices from March, which the board did not expect.")
    span = find_similar(source, "supplier anounced higher prices from March, which the bord did")
    assert span is not None
    assert source.source[slice(*span)] == "supplier announced higher prices from March, which the board did"


@pytest.mark.parametrize(
    "quote",
    ["", "the", "plant", "A completely different statement about nothing here.", "…", '""', "a b c"],
)
def test_what_is_not_there_or_proves_nothing_is_not_found(quote: str) -> None:
    assert find_exact(SOURCE, quote) is None
    assert find_similar(SOURCE, quote) is None


def test_a_short_block_may_be_quoted_whole() -> None:
    assert find_exact(FoldedText.of("Approved."), "Approved.") == (0, 9)


def test_ideographs_prove_more_than_letters() -> None:
    assert find_exact(FoldedText.of("公司今年的收入增长了百分之十二。"), "收入增长") == (5, 9)
