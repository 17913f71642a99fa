"""From a model's JSON to claims that stand on spans."""

import json

import pytest

from app.copilot.checks import check_support
from app.copilot.citations import Evidence, Span, claims_schema, clean, verify_claims
from app.llm.errors import InvalidOutput
from app.llm.types import Block
from app.vocabulary import SegmentKind
from tests.copilot.conftest import claims_json

FIRST = "The bridge was closed on Monday because ice had damaged two cables."
SECOND = "Repairs will take until the end of April, the city said."


def evidence(*texts: str) -> list[Evidence]:
    return [
        Evidence(Block(f"B{at}", text, SegmentKind.PARAGRAPH), (Span(at + 10, 5, 5 + len(text)),), text, text)
        for at, text in enumerate(texts, start=1)
    ]


def test_a_quote_becomes_a_span_of_its_segment() -> None:
    answer = claims_json(("The bridge is closed.", "B1", "bridge was closed on Monday"))
    found = verify_claims(answer, evidence(FIRST, SECOND))
    (claim,) = found.claims
    assert claim.text == "The bridge is closed."
    assert claim.spans == (Span(11, 5 + 4, 5 + 31),)
    assert found.removed == 0


def test_a_quote_under_the_wrong_id_is_repaired_to_its_block() -> None:
    found = verify_claims(
        claims_json(("Repairs last.", "B1", "until the end of April")), evidence(FIRST, SECOND)
    )
    assert found.claims[0].spans[0].segment == 12


def test_a_claim_that_loses_all_its_quotes_is_removed_and_counted() -> None:
    answer = claims_json(
        ("The bridge is closed.", "B1", "bridge was closed on Monday"),
        ("It cost a lot.", "B1", "the repair cost nine million"),
    )
    found = verify_claims(answer, evidence(FIRST, SECOND))
    assert [claim.text for claim in found.claims] == ["The bridge is closed."]
    assert found.removed == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("Here is a summary of the text.", "not_the_schema"),
        ("[]", "not_the_schema"),
        ('{"sentences": "no"}', "not_the_schema"),
        ('{"sentences": [{"text": 1, "citations": []}]}', "not_the_schema"),
        ('{"sentences": [{"text": "a"}]}', "not_the_schema"),
        ("[" * 100_000, "not_the_schema"),
        ('{"sentences": []}', "empty"),
        (claims_json(("Invented.", "B1", "nobody ever wrote this here")), "quotes_not_found"),
        (claims_json(("No quote.", "B1", "")), "quotes_not_found"),
        (claims_json(("Unknown block.", "B99", "bridge was opened")), "quotes_not_found"),
        (claims_json(*[("The bridge.", "B1", "bridge was closed on Monday")] * 5), "repeats_itself"),
    ],
)
def test_an_answer_without_form_or_quotes_is_rejected(answer: str, code: str) -> None:
    with pytest.raises(InvalidOutput, match=code):
        verify_claims(answer, evidence(FIRST, SECOND))


def test_a_fence_around_the_json_is_no_fault() -> None:
    fenced = "```json\n" + claims_json(("Closed.", "B1", "bridge was closed on Monday")) + "\n```"
    assert len(verify_claims(fenced, evidence(FIRST)).claims) == 1


def test_a_fact_brings_the_spans_it_stands_on() -> None:
    block = Block("B1", FIRST, SegmentKind.PARAGRAPH)
    spans = (Span(3, 0, 10), Span(7, 2, 9))
    fact = Evidence(block, spans, FIRST, FIRST, is_fact=True)
    found = verify_claims(claims_json(("Closed.", "B1", "ice had damaged two cables")), [fact])
    assert found.claims[0].spans == spans


def fact(name: str, text: str, *spans: Span) -> Evidence:
    return Evidence(Block(name, text, SegmentKind.PARAGRAPH), spans, text, text, is_fact=True)


def several(text: str, *citations: tuple[str, str]) -> str:
    quotes = [{"block": block, "quote": quote} for block, quote in citations]
    return json.dumps({"sentences": [{"citations": quotes, "text": text}]})


ALPHA = "Alpha grew in the north."
COSTS = "Costs rose by 99 percent in Berlin."


def test_every_cited_block_is_shown_before_one_is_shown_twice() -> None:
    first = fact("B1", ALPHA, Span(1, 0, 9), Span(2, 0, 9), Span(3, 0, 9))
    second = fact("B2", COSTS, Span(4, 0, 9))
    answer = several("Alpha grew while costs rose by 99 percent.", ("B1", ALPHA), ("B2", COSTS))
    (claim,) = verify_claims(answer, [first, second]).claims
    assert [span.segment for span in claim.spans] == [1, 4, 2]
    assert COSTS in claim.support


def test_a_sentence_does_not_rest_on_a_block_that_its_citations_do_not_show() -> None:
    shown = [fact(f"B{at}", f"{ALPHA} Part {at}.", Span(at, 0, 9)) for at in range(1, 4)]
    dropped = Evidence(
        Block("B4", COSTS, SegmentKind.PARAGRAPH), (Span(4, 0, 9),), COSTS, COSTS, ("Berlin",), is_fact=True
    )
    citations = [(each.block.id, each.block.text) for each in [*shown, dropped]]
    answer = several("Alpha grew while costs rose by 99 percent in Berlin.", *citations)
    (claim,) = verify_claims(answer, [*shown, dropped]).claims
    assert [span.segment for span in claim.spans] == [1, 2, 3]
    assert "99" not in claim.support
    assert "99" not in claim.body
    assert claim.headings == ()
    with pytest.raises(InvalidOutput, match="unsupported_figure"):
        check_support([claim], language="en", translated=False)


@pytest.mark.parametrize(
    ("written", "delivered"),
    [
        ("The bridge is closed [B1].", "The bridge is closed."),
        ("The bridge is closed (B1, B2).", "The bridge is closed."),
        ("As shown before [12], it holds [3-5].", "As shown before, it holds."),
        ("Two\nlines\u200b and\u202e tricks\u0000", "Two lines and tricks"),
    ],
)
def test_sentences_carry_no_other_markers_and_nothing_invisible(written: str, delivered: str) -> None:
    assert clean(written) == delivered


def test_the_schema_asks_for_at_least_one_sentence_and_one_quote_each() -> None:
    schema = json.loads(json.dumps(claims_schema(["B1", "B2"], most=4)))
    sentences = schema["properties"]["sentences"]
    assert (sentences["minItems"], sentences["maxItems"]) == (1, 4)
    citations = sentences["items"]["properties"]["citations"]
    assert citations["minItems"] == 1
    assert citations["items"]["properties"]["block"]["enum"] == ["B1", "B2"]
