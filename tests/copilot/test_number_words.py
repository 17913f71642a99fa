"""Numbers in words, in seven languages."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.copilot.figures import SourceFigures, stated_figures
from app.copilot.number_words import find_word_numbers, languages


def read(text: str, language: str) -> list[int]:
    return [number.value * 10 ** min(number.powers or (0,)) for number in find_word_numbers(text, language)]


@pytest.mark.parametrize(
    ("language", "text", "numbers"),
    [
        ("en", "one of twenty-five, once; a hundred and five", [25, 105]),
        ("en", "between one hundred and two hundred", [100, 200]),
        ("en", "two million three hundred thousand and five", [2_300_005]),
        ("en", "two and three, ten to twelve, hundreds, several hundred, millions", [2, 3, 10, 12]),
        ("en", "a million people, three hundred\nthousand more, four twenty", [1_000_000, 300_000, 4, 20]),
        ("de", "ein Haus, einundzwanzig, dreißig, hundertzwanzig", [21, 30, 120]),
        ("de", "dreitausendfünfhundert, tausend, eine Milliarde", [3500, 1000, 1_000_000_000]),
        ("de", "gibt acht auf zwei und drei, acht Millionen", [2, 3, 8_000_000]),
        ("fr", "un véhicule neuf, quatre-vingt-dix-sept, soixante et onze, dix-sept", [97, 71, 17]),
        ("fr", "cinq pour cent, deux cents, mille neuf cent quatre-vingts", [5, 200, 1980]),
        ("es", "treinta y cinco, cinco por ciento, doscientas mil, ciento veinte", [35, 5, 200_000, 120]),
        ("it", "ventuno, ventitré, duemila, duecentocinquanta, due milioni", [21, 23, 2000, 250, 2_000_000]),
        ("pt", "vinte e cinco, cento e vinte e cinco, duzentos mil", [25, 125, 200_000]),
        ("nl", "een huis, tweeëntwintig, tweehonderd, een miljoen", [22, 200, 1_000_000]),
        ("pl", "siedem dni", []),
    ],
)
def test_numbers_in_words_are_read(language: str, text: str, numbers: list[int]) -> None:
    assert read(text, language) == numbers


@example(["a", "\n", "\n", "hundred"], "und")
@given(
    st.lists(
        st.sampled_from(
            [
                "minus",
                "one",
                "a",
                "two",
                "seven",
                "twenty",
                "hundred",
                "and",
                "thousand",
                "million",
                "(",
                "-5",
                "\n",
                ",",
                ".",
                "May",
            ]
        )
    ),
    st.sampled_from([*languages(), "und"]),
)
def test_every_text_supports_what_it_states_itself(words: list[str], language: str) -> None:
    text = " ".join(words)
    source = SourceFigures.of(text)
    assert all(source.supports(figure) for figure in stated_figures(text, language))
    joined = " ".join(text.split())
    assert all(source.supports(figure) for figure in stated_figures(joined, language))
