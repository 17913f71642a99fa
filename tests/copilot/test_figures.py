"""Numbers in any locale."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.copilot.figures import SourceFigures, find_figures, units


def supported(answer: str, source: str) -> bool:
    figures = SourceFigures.of(source)
    return all(figures.supports(figure) for figure in find_figures(answer))


@pytest.mark.parametrize(
    ("answer", "source"),
    [
        ("It cost 1,234.56 euros.", "Es kostete 1.234,56 Euro."),
        ("It cost 1 234,56.", "It cost 1'234.56."),
        ("It cost 1,234.", "It cost 1\u202f234."),
        ("Growth of 3.5 million", "Wachstum von 3,5 Mio. Euro"),
        ("Growth of 3.5 million", "Growth of 3,500,000"),
        ("Growth of 3,500,000", "Growth of 3.5 million"),
        ("2 Milliarden", "2 billion"),
        ("between 3 million and 5 million", "between 3 and 5 million"),
        ("revenue of 12.4 million", "in EUR million | Revenue | 12.4"),
        ("3 measures", "three measures"),
        ("3 Maßnahmen", "drei Maßnahmen"),
        ("on 3 May 2026", "2026-05-03"),
        ("2026-05-03", "on May 3, 2026"),
        ("12%", "12 percent"),
        ("version 1.2.3", "release 1.2.3"),
        ("a 3.5 inch disk", "a 3 1/2 ” disk"),
        ("0.5 or 2.25 cups", "½ or 2¼ cups"),
        ("in 2024 500 people", "2024: 500"),
        ("3万円", "30,000 yen"),
        ("٣ items", "3 items"),
    ],
)
def test_the_same_number_in_another_form_is_supported(answer: str, source: str) -> None:
    assert supported(answer, source)


@pytest.mark.parametrize(
    ("answer", "source"),
    [
        ("It grew by 13 %.", "It grew by 12 %."),
        ("3.5 million", "3.5 thousand"),
        ("3.5 million", "3.5 apples"),
        ("revenue of 3.5", "revenue of 3.5 million"),
        ("in 2027", "in 2026"),
        ("1,234.56", "1,234.65"),
        ("1,234", "1,2345"),
        ("5 measures", "three measures"),
        ("7", ""),
        ("3.5", "3 1/4"),
        ("0.5", "on 1/2/2024"),
    ],
)
def test_another_number_is_not(answer: str, source: str) -> None:
    assert not supported(answer, source)


def test_units_are_read_in_many_spellings() -> None:
    assert units("12 % of 3 Euro and $5") == {"percent", "EUR", "USD"}
    assert units("12 Prozent, CHF 3, 5円") == {"percent", "CHF", "JPY"}
    assert units("Europe, perceived, European") == frozenset()


@given(st.text())
def test_every_text_supports_its_own_figures(text: str) -> None:
    assert supported(text, text)


@given(st.decimals(min_value=0, max_value=10**12, places=2))
def test_a_number_is_the_same_in_four_locales(number: Decimal) -> None:
    english = f"{number:,.2f}"
    spellings = [
        english,
        english.translate(str.maketrans(",.", ".,")),
        english.replace(",", "\u202f").replace(".", ","),
        english.replace(",", "’"),
    ]
    assert all(supported(f"x {one} y", f"a {other} b") for one in spellings for other in spellings)
