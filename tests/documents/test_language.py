from hypothesis import given
from hypothesis import strategies as st

from app.documents.language import detect, main_language, sample
from app.documents.tokens import estimate_tokens

_GERMAN = "Der Ausschuss hat den Bericht geprüft und empfiehlt dem Vorstand, ihn anzunehmen. "
_ENGLISH = "The committee has examined the report and recommends that the board adopt it. "


def test_a_language_is_told_from_a_sentence() -> None:
    assert detect(_GERMAN).code == "de"
    assert detect(_ENGLISH).code == "en"
    assert detect(_ENGLISH).confidence > 0.8


def test_capitals_and_lines_do_not_hide_a_language() -> None:
    assert detect(_GERMAN.upper().replace(" ", "\n")).code == "de"


def test_too_few_letters_are_undetermined() -> None:
    found = detect("Summe 1.234,56 EUR 2026 12 31 77 88 99 10 11 12 13")
    assert (found.code, found.confidence) == ("und", 0.0)
    assert detect("").code == "und"


def test_what_is_a_guess_is_no_language_of_a_document() -> None:
    ticks = [
        "| 3.9 | 3.10 | 3.11",
        *(f":fa:`{name}` {name} x64 | ✅ | ✅ | ✅" for name in ("apple", "windows", "linux")),
    ]
    assert detect(" ".join(ticks)).code != "und"
    assert main_language(ticks) == "und"
    assert (main_language([_ENGLISH, _GERMAN * 9]), main_language([])) == ("de", "und")


def test_a_sample_comes_from_all_over_a_document() -> None:
    texts = [_ENGLISH] * 3 + [f"{_GERMAN}{number}" for number in range(2_000)]
    taken = sample(texts, total_characters=sum(map(len, texts)))
    assert len(taken) <= 4_000
    assert detect(taken).code == "de"
    assert "anzunehmen. 18" in taken[-400:]


@given(st.lists(st.text(), max_size=30))
def test_a_sample_holds_only_text_of_the_document(texts: list[str]) -> None:
    taken = sample(texts, total_characters=sum(map(len, texts)))
    assert len(taken) <= 4_000
    assert bool(taken.strip("\n")) <= any(texts)


def test_tokens_are_characters_by_3_7_with_a_tenth_in_reserve() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("a") == 1
    assert estimate_tokens("a" * 37) == 11
    assert estimate_tokens("a" * 38) == 12
