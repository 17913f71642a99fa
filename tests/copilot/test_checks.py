"""Each check rejects with its own code, and says nothing of the content."""

import pytest

from app.copilot.checks import Band, check_language, check_shape, check_single_sentences, check_support
from app.copilot.citations import Claim, Span
from app.llm.errors import InvalidOutput

SOURCE = (
    "Contoso raised its prices by 12 % on 1 March 2027. See https://contoso.example/prices for the list. "
    "Here is a list: <b>bold</b> is written so, <img src=x> too. Write to <ann@contoso.example>, at Contoso.com"
    " (or https://contoso.example/d?q= alone); \\\\contoso\\share and file:/x and data:text/plain,x are there."
)
BAND = Band(1, 3, 1000)


def claim(text: str, support: str = SOURCE) -> Claim:
    return Claim(text, (Span(0, 0, 10),), support, support)


def claim_under(headings: tuple[str, ...], text: str, body: str) -> Claim:
    return Claim(text, (Span(0, 0, 10),), "\n".join([*headings, body]), body, headings)


CRAZY = ("The crazy ones", "October 14, 1998.")
TOOLS = "We make tools for these kinds of people."


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("The crazy ones > October 14, 1998.", False),
        ("The crazy ones > October 14, 1998.", True),
        ("Tools > people make them.", False),
        ("The crazy ones.", False),
        ("October 14, 1998.", False),
        ("Crazy ones of October 14.", False),
        ("14.", False),
        ("Go on.", False),
    ],
)
def test_what_only_repeats_the_headings_or_nothing_at_all_is_rejected(text: str, *, translated: bool) -> None:
    with pytest.raises(InvalidOutput, match="unrelated"):
        check_support([claim_under(CRAZY, text, TOOLS)], language="en", translated=translated)


@pytest.mark.parametrize(
    ("headings", "text", "body"),
    [
        (CRAZY, "On October 14, 1998, they made tools.", TOOLS),
        (CRAZY, "The crazy ones get tools.", TOOLS),
        (("Price rise",), "Prices rise.", "The prices rise by 12 %."),
        (("Numbers",), "The rule 9 > 8 holds.", "Here the rule 9 > 8 holds."),
        (("Total",), "4,200.", "It is 4200 in all."),
        (("概要",), "公司上涨。", "公司的价格上涨了。"),
    ],
)
def test_headings_beside_words_of_the_body_pass(headings: tuple[str, ...], text: str, body: str) -> None:
    check_support([claim_under(headings, text, body)], language="en", translated=False)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Contoso raised its prices by 21 %.", "unsupported_figure"),
        ("Contoso raised its prices in March 2028.", "unsupported_figure"),
        ("Contoso raised its prices by 12 dollars.", "unsupported_unit"),
        ("The prices of Fabrikam rose by 12 %.", "unsupported_name"),
        ("Everything was destroyed after terrible storms flooded several villages.", "unrelated"),
    ],
)
def test_what_the_source_does_not_say_is_rejected(text: str, code: str) -> None:
    with pytest.raises(InvalidOutput, match=code) as caught:
        check_support([claim("Contoso raised its prices."), claim(text)], language="en", translated=False)
    assert "sentence 2" in caught.value.message
    assert "Fabrikam" not in caught.value.message
    assert "21" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "source", "language"),
    [
        ("The bridge was closed for seven days.", "The bridge was closed for three days.", "en"),
        ("It cost twenty million euros.", "It cost 4 million euros.", "en"),
        ("It cost a million euros.", "It cost 4 million euros.", "en"),
        ("Revenue doubled to nine million.", "Revenue doubled to 4 million.", "en"),
        ("Costs changed by -5 percent.", "Costs changed by 5 percent.", "en"),
        ("Costs changed by minus five percent.", "Costs changed by 5 percent.", "en"),
        ("The profit was -€5 that year.", "The profit was €5 that year.", "en"),
        ("The meeting was in March.", "The meeting was in May.", "en"),
        ("Das Treffen war im Dezember.", "Das Treffen war im Mai.", "de"),
        ("Dezember war der Monat des Treffens.", "Mai war der Monat des Treffens.", "de"),
        ("Es dauerte fünfundzwanzig Tage.", "Es dauerte 24 Tage.", "de"),
        ("Es kostete zwei Millionen.", "Es kostete vier Millionen.", "de"),
        ("La réunion a duré sept jours en juin.", "La réunion a duré sept jours en mai.", "fr"),
        ("The bridge was closed for seven days.", "The bridge was closed for three days.", "und"),
    ],
)
def test_numbers_in_words_signs_and_months_are_checked_like_digits(
    text: str, source: str, language: str
) -> None:
    for translated in (False, True):
        with pytest.raises(InvalidOutput, match="unsupported_figure"):
            check_support([claim(text, source)], language=language, translated=translated)


@pytest.mark.parametrize(
    ("text", "source", "language"),
    [
        ("The bridge was closed for seven days.", "The bridge was closed for 7 days.", "en"),
        ("It cost twenty million euros.", "Es kostete 20 Mio. Euro.", "en"),
        ("It cost 20 million euros.", "It cost twenty million euros.", "en"),
        ("Costs fell by 5 percent.", "Change of costs: -5 %", "en"),
        ("Costs changed by -5 percent.", "Costs changed by (5) percent.", "en"),
        ("One plant once closed; a supplier may march on.", "A plant closed, the supplier goes on.", "en"),
        ("In May one plant closed.", "On 2026-05-03 the plant closed.", "en"),
        ("Das Werk war im Mai einen Tag zu.", "The plant was closed on 3 May for a day.", "de"),
        ("Pages 3 -5 list the plants.", "Pages 3 -5 list the plants.", "en"),
    ],
)
def test_the_same_number_in_words_passes(text: str, source: str, language: str) -> None:
    check_support([claim(text, source)], language=language, translated=True)


def test_names_may_change_their_form_in_a_translation_but_figures_may_not() -> None:
    german = "Das Werk in München wurde am 3. Mai 2026 eröffnet."
    check_support(
        [claim("The plant in Munich opened on 3 May 2026.", german)], language="en", translated=True
    )
    with pytest.raises(InvalidOutput, match="unsupported_figure"):
        check_support(
            [claim("The plant in Munich opened on 4 May 2026.", german)], language="en", translated=True
        )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Der Umsatz der Firma ist im dritten Quartal um zwölf Prozent gestiegen.", "en"),
        ("The revenue of the company rose by twelve percent in the third quarter.", "de"),
        ("Le chiffre d'affaires de la société a augmenté de douze pour cent cette année.", "en"),
        (
            "公司今年第三季度的收入增长了百分之十二，董事会对此表示非常满意，并决定明年继续增加在研发方面的投资。",
            "en",
        ),
    ],
)
def test_another_language_than_asked_is_rejected(text: str, language: str) -> None:
    with pytest.raises(InvalidOutput, match="wrong_language"):
        check_language(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Umsatz stieg stark.", "en"),
        ("Der Umsatz der Firma ist im dritten Quartal um zwölf Prozent gestiegen.", "de"),
        ("Der Umsatz der Firma ist im dritten Quartal um zwölf Prozent gestiegen.", "und"),
        ("Virksomhedens omsætning steg med tolv procent i tredje kvartal i forhold til sidste år.", "no"),
    ],
)
def test_the_asked_language_passes_and_short_texts_are_not_judged(text: str, language: str) -> None:
    check_language(text, language)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here is a summary of the document.", "preamble"),
        ("Sure, the prices rose.", "preamble"),
        ("Hier ist die Zusammenfassung.", "preamble"),
        ("Summary: prices rose.", "preamble"),
        ("Prices ![rose](https://contoso.example/prices) today.", "markup"),
        ("Prices [rose](https://contoso.example/prices).", "markup"),
        ("Prices <i>rose</i>.", "markup"),
        ("# Prices rose", "markup"),
        ("See https://evil.example/x for prices.", "link"),
        ("See www.evil.example for prices.", "link"),
        ("See https://contoso.example/prices?stolen=1 now.", "link"),
        ("See https://contoso.example/price for prices.", "link"),
        ("See https://contoso.example/d?q='SECRET' now.", "link"),
        ("See https://contoso.example/PRICES now.", "link"),
        ("See evil.example/?d=x now.", "link"),
        ("See evil.example?d=x now.", "link"),
        ("See secret.evil.com now.", "link"),
        ("See secret.contoso.com now.", "link"),
        ("See ｈｔｔｐｓ：／／evil.example now.", "link"),
        ("See ht&#116;ps://evil.example now.", "link"),
        ("See 203.0.113.7/secret now.", "link"),
        ("Write to secret@evil.example now.", "link"),
        ("Write to mailto:secret@evil.example now.", "link"),
        ("Open ms-word:ofe|u|x now.", "link"),
        ("Open \\\\evil\\share now.", "link"),
        ("Open \\\\contoso\\share now.", "link"),
        ("Open //evil.example/x now.", "link"),
        ("Open data:text/plain,x now.", "link"),
        ("Open file:/etc now.", "link"),
        ("Open file:/x now.", "link"),
        ("Open javascript:alert now.", "link"),
        ("Prices <img src=x> rose.", "markup"),
        ("Prices <img src=x onerror=y", "markup"),
        ("Prices &lt;img src=x&gt; rose.", "markup"),
        ("Here is a list: <b>bold</b> is written so.", "markup"),
        ("Prices <!-- rose", "markup"),
        ("...", "too_short"),
        ("x" * 2000, "too_long"),
    ],
)
def test_what_is_not_a_plain_sentence_is_rejected(text: str, code: str) -> None:
    with pytest.raises(InvalidOutput, match=code):
        check_shape([claim(text)], BAND)


@pytest.mark.parametrize(
    "text",
    [
        "Prices rose.",
        "See https://contoso.example/prices for the list.",
        "The list is there (https://contoso.example/prices).",
        "Write to <ann@contoso.example> or to contoso.com.",
        "The query is “https://contoso.example/d?q=”!",
        "Prices rose, e.g. by 3.5 at Contoso Inc. in v1.2 of file.docx and/or ASP.x, i.e. 10.5/11.5, z.B. so.",
        "Prices rose.In 2027 they fell.No more: see data: and file: above, Node.js and README.md.",
        "Did prices rise in file.docx? They did at 12:30 // more.",
        "5 < 7 and 9 > 8 hold.",
        "价格上涨了。",
    ],
)
def test_plain_sentences_and_words_of_the_source_pass(text: str) -> None:
    check_shape([claim(text)], BAND)


def test_too_few_and_too_many_sentences_are_rejected() -> None:
    with pytest.raises(InvalidOutput, match="too_short"):
        check_shape([claim("One.")], Band(2, 3, 100))
    with pytest.raises(InvalidOutput, match="too_long"):
        check_shape([claim(f"Sentence {at}.") for at in range(4)], BAND)


def test_several_sentences_under_one_citation_are_rejected() -> None:
    check_single_sentences([claim("Prices rose, i.e. by 12 %.")], "en")
    with pytest.raises(InvalidOutput, match="too_long"):
        check_single_sentences([claim("Prices rose. They rose a lot. They rose again.")], "en")


def test_a_link_that_ends_in_other_writing_is_still_whole() -> None:
    text = "请访问https://contoso.example/x。价格上涨了。"
    check_shape(
        [claim("见 https://contoso.example/x 。", text), claim("请访问https://contoso.example/x。", text)],
        BAND,
    )


def test_of_a_row_of_numbers_one_may_speak_in_other_words() -> None:
    row = "Series 1: 2002-01-05 32; 2002-01-06 28"
    check_support([claim("Series 1 starts on 5 January 2002 with 32.", row)], language="en", translated=False)
    with pytest.raises(InvalidOutput, match="unrelated"):
        check_support(
            [claim("Series of storms flooded several other villages 32 times.", row)],
            language="en",
            translated=False,
        )
