"""translate: figures in every locale, terms of the glossary, formality, scope, and what must not pass."""

from typing import Any

import pytest

from app.copilot.translate import TranslateParameters
from app.copilot.writing_checks import has_term
from app.documents.segments import Segment
from app.vocabulary import SegmentKind
from tests.copilot.conftest import MemoryJob, NobodyAnswered, ScriptedProvider, document
from tests.copilot.scripted import writes

ENGLISH = "On 14 October 2027 Dr. Keller of McDuff paid 1,234.56 euros for the XK-7 in Munich, a third of it in cash."
GERMAN = "Am 14. Oktober 2027 zahlte Dr. Keller von McDuff in München 1.234,56 Euro für die XK-7, ein Drittel davon bar."


def job(*providers: ScriptedProvider, segments: list[Segment] | None = None, **values: Any) -> MemoryJob:
    parameters = TranslateParameters.model_validate({"language": "de", **values})
    return MemoryJob(segments or document(ENGLISH), parameters, providers=providers, task_type="translate")


def always(text: str) -> ScriptedProvider:
    return writes(lambda _: text)


async def test_numbers_and_dates_may_be_written_as_the_other_language_does() -> None:
    result = dict((await job(always(GERMAN)).run()).result or {})
    assert (result["text"], result["language"], result["method"]) == (GERMAN, "de", "generative")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (GERMAN.replace("1.234,56", "1.234,65"), "missing_figure"),
        (GERMAN.replace("Oktober", "November"), "changed_date"),
        (GERMAN.replace(" Euro", ""), "missing_figure"),
        (GERMAN + " Das sind 40 Prozent.", "unsupported_figure"),
        (GERMAN.replace("XK-7", "Maschine 7"), "missing_name"),
        (GERMAN.replace("McDuff", "Mac Duff"), "missing_name"),
        (GERMAN.replace("Keller", "Meier"), "missing_name"),
        (ENGLISH, "wrong_language"),
        (GERMAN[:25], "missing_figure"),
        ("Hier ist die Übersetzung: " + GERMAN, "preamble"),
    ],
)
async def test_what_a_translation_may_not_lose_or_add(text: str, code: str) -> None:
    asked = job(always(text), always(GERMAN))
    assert dict((await asked.run()).result or {})["text"] == GERMAN
    assert [one.split(":")[0] for one in asked.rejections] == [code]


GLOSSARY = [
    {"source": "purchase order", "target": "Bestellauftrag"},
    {"source": "lift", "target": "Fahrkorb"},
]
ORDER = "The purchase order for the new office is ready, and the manager will sign it tomorrow."


@pytest.mark.parametrize("word", ["Der Bestellauftrag", "Des Bestellauftrags Text"])
async def test_a_term_of_the_glossary_is_used_inflected_or_not(word: str) -> None:
    text = f"{word} für das neue Büro ist fertig, und der Leiter wird ihn morgen unterschreiben."
    asked = job(always(text), segments=document(ORDER), glossary=GLOSSARY)
    assert dict((await asked.run()).result or {})["text"] == text
    system = asked.providers[0].seen[0][0].content  # type: ignore[attr-defined]
    assert "purchase order = Bestellauftrag" in system
    assert "Fahrkorb" not in system, "only the terms that occur are sent"


@pytest.mark.parametrize(
    ("term", "text", "stands"),
    [
        ("art", "The party was fun.", False),
        ("Amt", "Es waren insgesamt drei.", False),
        ("cat", "The category is new.", False),
        ("Amt", "Die Leiterin des Amtes kommt.", True),
        ("Aufzug", "In den Aufzügen hängt ein Plan.", True),
        ("Kunde", "Unsere Kundinnen warten.", True),
        ("Fahrkorb", "Der Aufzugsfahrkorb steht.", True),
        ("合同", "请签署本合同。", True),
        ("C++", "Written in C++.", True),
    ],
)
def test_short_terms_stand_alone_and_long_ones_may_stand_in_compounds(
    term: str, text: str, *, stands: bool
) -> None:
    assert has_term(term, text) is stands


async def test_a_term_that_is_not_used_is_rejected() -> None:
    text = "Die Bestellung für das neue Büro ist fertig, und der Leiter wird sie morgen unterschreiben."
    with pytest.raises(NobodyAnswered, match="missing_term"):
        await job(always(text), segments=document(ORDER), glossary=GLOSSARY).run()


@pytest.mark.parametrize(
    ("formality", "wrong", "right"),
    [
        ("formal", "Bitte schicke uns deinen Bericht bis morgen, damit du rechtzeitig antworten kannst.",
         "Bitte schicken Sie uns Ihren Bericht bis morgen, damit Sie rechtzeitig antworten können."),
        ("informal", "Bitte schicken Sie uns Ihren Bericht bis morgen, damit Sie rechtzeitig antworten können.",
         "Bitte schicke uns deinen Bericht bis morgen, damit du rechtzeitig antworten kannst."),
    ],
)  # fmt: skip
async def test_german_addresses_the_reader_as_asked(formality: str, wrong: str, right: str) -> None:
    source = document("Please send us your report by tomorrow, so that you can answer in time.")
    asked = job(always(wrong), always(right), segments=source, formality=formality)
    assert dict((await asked.run()).result or {})["text"] == right
    assert asked.rejections == [f"wrong_formality: the answer is not {formality}"]


@pytest.mark.parametrize(("scope", "asked_about"), [("all", 3), ("body", 1)])
async def test_the_scope_says_which_parts_are_translated_and_the_coverage_which_are_not(
    scope: str, asked_about: int
) -> None:
    segments = document(
        "The ship was painted.",
        (SegmentKind.FOOTNOTE, "Not by us."),
        (SegmentKind.HEADER, "Harbour"),
        "1.5 / 2027",
    )
    asked = job(always("Das Schiff"), segments=segments, scope=scope)
    result = dict((await asked.run()).result or {})
    assert len(asked.requests[0].blocks) == asked_about
    assert result["text"].splitlines()[2] == ("Das Schiff" if scope == "all" else "Harbour")
    assert result["coverage"] == {
        "segments": 4, "not_asked": 4 - asked_about, "processed": asked_about, "cited": asked_about,
        "ratio": 1.0, "cited_ratio": 1.0,
    }  # fmt: skip
    assert result["missing"] == []
