"""ask: whole, searched, answered, and not answered."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app.copilot.ask import AskParameters, reads
from app.copilot.retrieval import passages_of, retrieve, stems
from app.copilot.work import PROMPT_TOKENS
from app.documents.segments import Segment
from app.documents.tokens import estimate_tokens
from app.jobs.errors import Discard
from app.llm.types import ModelRequest
from tests.copilot.conftest import MemoryJob, NobodyAnswered, ScriptedProvider, claims_json, document

FIRST = document("# Lease", "The rent of the office in Munich is 4,200 euros a month until May 2027.")
SECOND = document("# Offer", "The landlord offers to lower the rent to 3,900 euros from June 2027.")
RENT = ("The rent is 4,200 euros a month.", "B2", "The rent of the office in Munich is 4,200 euros a month")
NOTHING = '{"sentences": []}'


def together(*documents: list[Segment]) -> list[Segment]:
    """Segments as the documents room gives those of several documents."""
    found: list[Segment] = []
    for number, one in enumerate(documents):
        found += [replace(each, index=len(found) + at, document=number) for at, each in enumerate(one)]
    return found


def job(
    *answers: str, segments: list[Segment], question: str = "What is the rent?", **values: Any
) -> MemoryJob:
    language = values.pop("language", None)
    return MemoryJob(
        segments,
        AskParameters(question=question, language=language),
        providers=[ScriptedProvider(lambda _, said=said: said) for said in answers],  # type: ignore[misc]
        task_type="ask",
        **values,
    )


async def test_an_answer_from_two_documents_says_which_each_sentence_is_from() -> None:
    lower = (
        "The landlord offers 3,900 euros from June 2027.",
        "B4",
        "offers to lower the rent to 3,900 euros from June 2027",
    )
    asked = job(claims_json(RENT, lower), segments=together(FIRST, SECOND))
    outcome = await asked.run()
    result = dict(outcome.result or {})
    assert result["text"] == f"{RENT[0]} [1] {lower[0]} [2]"
    assert [one["document"] for one in result["citations"]] == [0, 1]
    assert (result["found"], result["read"], result["coverage"]["ratio"]) == (True, "whole", 1.0)
    assert not outcome.partial
    (provider,) = asked.providers
    system, user = provider.seen[0]  # type: ignore[attr-defined]
    assert "What is the rent?" in system.content
    assert (
        user.content.index("# Document 1") < user.content.index("[B2]") < user.content.index("# Document 2")
    )


async def test_what_the_documents_do_not_say_is_not_found_and_no_error() -> None:
    result = dict((await job(NOTHING, segments=FIRST, question="Who painted the door?").run()).result or {})
    assert (result["found"], result["citations"]) == (False, [])
    assert result["text"] == "The documents do not answer this."


@pytest.mark.parametrize(
    ("question", "parameters", "language", "text"),
    [
        ("Wer hat die Tür gestrichen?", {}, "de", "Die Dokumente beantworten das nicht."),
        ("Qui a peint la porte ?", {}, "fr", "Les documents ne répondent pas à cette question."),
        ("Who painted the door?", {"language": "es"}, "es", "Los documentos no responden a esta pregunta."),
        ("Who painted the door?", {"language": "fi"}, "en", "The documents do not answer this."),
    ],
)
async def test_that_nothing_is_found_is_said_in_the_language_asked_or_in_english_that_says_so(
    question: str, parameters: dict[str, str], language: str, text: str
) -> None:
    result = dict((await job(NOTHING, segments=FIRST, question=question, **parameters).run()).result or {})
    assert (result["found"], result["language"], result["text"]) == (False, language, text)


async def test_an_answer_without_a_verified_quote_is_not_found() -> None:
    invented = claims_json(
        ("The door is 3 metres wide.", "B2", "the door of the office is three metres wide")
    )
    result = dict((await job(invented, segments=FIRST, question="How wide is the door?").run()).result or {})
    assert (result["found"], result["notes"]) == (False, {"removed_claims": 1})
    assert "metres" not in json.dumps(result)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The rent is 4,300 euros a month.", "unsupported_figure"),
        ("The rent of the office in Hamburg is 4,200 euros.", "unsupported_name"),
        ("Die Miete für das Büro in München beträgt 4.200 Euro im Monat.", "wrong_language"),
        ("See https://evil.example/x for the rent of 4,200 euros.", "link"),
        ("Cheese ripens slowly under quiet wooden shelves.", "unrelated"),
    ],
)
async def test_what_its_source_does_not_say_is_rejected_and_the_next_member_asked(
    text: str, code: str
) -> None:
    asked = job(claims_json((text, "B2", RENT[2])), claims_json(RENT), segments=FIRST)
    result = dict((await asked.run()).result or {})
    assert [one.split(":")[0] for one in asked.rejections] == [code]
    assert result["text"] == f"{RENT[0]} [1]"


async def test_the_answer_is_in_the_language_asked_for() -> None:
    german = ("Die Miete für das Büro beträgt 4.200 Euro im Monat.", "B2", RENT[2])
    asked = job(claims_json(RENT), claims_json(german), segments=FIRST, language="de")
    asked.providers[0].answer = lambda _: claims_json(  # type: ignore[attr-defined]
        ("The rent of the office is 4,200 euros a month until then.", "B2", RENT[2])
    )
    result = dict((await asked.run()).result or {})
    assert asked.rejections[0].startswith("wrong_language")
    assert (result["language"], result["text"]) == ("de", f"{german[0]} [1]")
    assert asked.requests[0].parameters == {"language": "de"}


def library(count: int) -> list[Segment]:
    words = [
        "harbour",
        "storm",
        "clerk",
        "list",
        "winter",
        "ship",
        "sail",
        "rope",
        "tide",
        "wind",
        "gull",
        "crane",
    ]
    parts = [
        f"# Chapter {at}"
        if at % 10 == 0
        else f"In year {at} the {words[at % 12]} and the {words[at % 7]} were noted again. " * 5
        for at in range(count)
    ]
    parts[count // 2] = "The warranty for pumps was extended to seven years by the supplier in Gdansk."
    return document(*parts)


def quote_of(request: ModelRequest) -> str:
    (block,) = [one for one in request.blocks if "warranty" in one.text]
    return claims_json(("The warranty for pumps is seven years.", block.id, block.text))


async def test_what_does_not_fit_is_searched_and_the_coverage_says_how_much_was_read() -> None:
    long = library(400)
    asked = job(
        "", segments=together(FIRST, long), question="How long is the pumps' warranty?", context_tokens=3000
    )
    asked.providers = [ScriptedProvider(quote_of)]
    outcome = await asked.run()
    result = dict(outcome.result or {})
    assert (result["found"], result["read"], outcome.partial) == (True, "retrieved", True)
    assert result["citations"][0]["document"] == 1
    shown = {segment.text for segment in asked.segments} & {block.text for block in asked.requests[0].blocks}
    assert result["coverage"]["processed"] == len(shown)
    assert result["coverage"]["processed"] + len(result["missing"]) == len(asked.segments)
    tokens = sum(estimate_tokens(segment.text) for segment in asked.segments)
    assert asked.requests[0].input_tokens_estimate <= reads(tokens, 3000) + PROMPT_TOKENS < 3000 < tokens


async def test_when_the_search_finds_no_word_the_beginning_of_each_document_is_read() -> None:
    asked = job(
        NOTHING, segments=together(library(300), library(300)), question="Xylophone?", context_tokens=3000
    )
    result = dict((await asked.run()).result or {})
    assert (result["found"], result["read"]) == (False, "beginning")
    (provider,) = asked.providers
    assert "# Document 2" in provider.seen[0][1].content  # type: ignore[attr-defined]


async def test_documents_without_a_word_are_an_error() -> None:
    with pytest.raises(Discard, match="no text"):
        await job(NOTHING, segments=document("  ")).run()


async def test_nobody_who_answers_rightly_is_a_failure() -> None:
    with pytest.raises(NobodyAnswered):
        await job("no json", segments=FIRST).run()


@pytest.mark.parametrize(
    ("language", "question", "hit"),
    [
        ("en", "extending warranties", "The warranty was extended."),
        ("de", "Welche Verträge wurden verlängert?", "Der Vertrag wird im Mai verlängert."),
        ("fr", "les fournisseurs", "Un fournisseur de Lyon."),
        ("ja", "収入はいくらですか", "今年の収入は増えた。"),
    ],
)
def test_words_are_found_in_their_other_forms(language: str, question: str, hit: str) -> None:
    assert set(stems(question, language)) & set(stems(hit, language))
    others = ["abc def ghi jkl mno pqr stu. " * 90] * 5
    segments = document(*others, hit, *others)
    pieces = retrieve(segments, question, language=language, budget_tokens=600)
    assert 5 in {piece.segment for piece in pieces}


def test_passages_of_several_documents_are_all_their_text_and_cross_no_border() -> None:
    segments = together(library(60), FIRST, document("x" * 9000), library(25))
    passages = passages_of(segments, "en")
    assert "".join(each.body(segments) for each in passages) == "".join(each.text for each in segments)
    assert all(len({segments[piece.segment].document for piece in each.pieces}) == 1 for each in passages)
