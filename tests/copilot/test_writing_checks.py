"""What a text that is written anew may not lose, put in, say less often or mix up: figures and dates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.copilot.writing_checks import Rewriting, check_figures, has_other_order
from app.llm.errors import InvalidOutput

TO_GERMAN, TO_ENGLISH, TO_POLISH = Rewriting("en", "de"), Rewriting("de", "en"), Rewriting("en", "pl")
IN_ENGLISH = Rewriting("en", "en", may_merge=True)


@pytest.mark.parametrize(
    ("source", "target", "languages"),
    [
        ("5 of 5 ships, 7 in all", "5 von 5 Schiffen, insgesamt 7", TO_GERMAN),
        ("12 ships and 12 crews", "zwölf Schiffe und zwölf Mannschaften", TO_GERMAN),
        ("It opens at 3 pm.", "Es öffnet um 15 Uhr.", TO_GERMAN),
        ("It opens at 3:30 p.m.", "Es öffnet um 15:30 Uhr.", TO_GERMAN),
        ("Es schließt um 15:00 Uhr.", "It closes at 3 pm.", TO_ENGLISH),
        ("It opens at 12 am.", "Es öffnet um 0 Uhr.", TO_GERMAN),
        ("Im 2. Stock sind 3 Räume.", "There are 3 rooms on the second floor.", TO_ENGLISH),
        ("the 2nd of 30 ships", "das zweite von 30 Schiffen", TO_GERMAN),
        ("It is due on 03.05.24.", "It is due on 3 May 2024.", IN_ENGLISH),
        ("It is due on 3 May 2024.", "Es ist am 5/3/2024 fällig.", TO_GERMAN),
        ("It cost 1,234.50 euros, 5% of 3 million.", "Es kostete 1.234,50 Euro, 5 Prozent von 3 Mio.", TO_GERMAN),
        ("Twenty people came in May, 30 on 3 May 2024.", "W maju przyszło dwadzieścia osób, 3 maja 2024 r. 30.", TO_POLISH),
        ("It costs 5 euros. 5 euros is not much.", "At 5 euros it is cheap.", IN_ENGLISH),
        ("It costs 5 euros.", "It costs 5 euros, and 5 euros is not much.", IN_ENGLISH),
    ],
)  # fmt: skip
def test_the_same_figures_pass_as_the_other_language_writes_them(
    source: str, target: str, languages: Rewriting
) -> None:
    check_figures(source, target, languages, "B1")


@pytest.mark.parametrize(
    ("source", "target", "languages", "code"),
    [
        ("5 of 5 ships, 7 in all", "5 von 7 Schiffen, insgesamt 7", TO_GERMAN, "missing_figure"),
        ("5 of 5 ships, 7 in all", "5 of 7 ships, 7 in all", IN_ENGLISH, "missing_figure"),
        ("5 ships here, 5 there", "5 Schiffe hier, einige dort", TO_GERMAN, "missing_figure"),
        ("It is due on 3 May 2024.", "Es ist am 5. März 2024 fällig.", TO_GERMAN, "changed_date"),
        ("It is due on 03.05.2024.", "It is due on 5 March 2024.", IN_ENGLISH, "changed_date"),
        ("It opens at 3 pm.", "Es öffnet um 16 Uhr.", TO_GERMAN, "missing_figure"),
        ("It opens at 3 am.", "Es öffnet um 15 Uhr.", TO_GERMAN, "missing_figure"),
        ("the 2nd of 30 ships", "das dritte von 30 Schiffen", TO_GERMAN, "missing_figure"),
        ("30 came on 3 May 2024.", "3 maja 2023 r. przyszło 30.", TO_POLISH, "missing_figure"),
    ],
)
def test_figures_that_are_others_or_said_less_often_do_not(
    source: str, target: str, languages: Rewriting, code: str
) -> None:
    with pytest.raises(InvalidOutput, match=code):
        check_figures(source, target, languages, "B1")


@pytest.mark.parametrize(
    ("source", "target", "is_other"),
    [
        ("It rose from 5 to 7 percent.", "Es stieg von 5 auf 7 Prozent.", False),
        ("It rose from 5 to 7 percent.", "Es stieg von 7 auf 5 Prozent.", True),
        ("On 3 May 2024 it cost 5 euros.", "Am 03.05.2024 kostete es 5 Euro.", False),
        ("On 3 May 2024 it cost 5 euros.", "5 Euro kostete es am 3. Mai 2024.", True),
        ("From 3 May to 4 June.", "Vom 4. Mai bis zum 3. Juni.", True),
        ("5 or 7", "5 oder sieben", False),
        ("none", "keine", False),
    ],
)
def test_figures_in_another_order_are_told(source: str, target: str, *, is_other: bool) -> None:
    assert has_other_order(source, target) is is_other


@given(
    st.text(alphabet="0123456789 .,:/-−%€()pam MayvonZehneintwo\n"),
    st.sampled_from(["en", "de", "und", "pl", "ja"]),
)
def test_every_text_has_its_own_figures_in_its_own_order(text: str, language: str) -> None:
    check_figures(text, text, Rewriting(language, language), "B1")
    assert not has_other_order(text, text)
