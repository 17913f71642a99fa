"""extract_actions: with scripted answers that are right and wrong, over one part and over many."""

import json
from typing import Any

import pytest

from app.copilot.extract_actions import ExtractActionsParameters
from app.documents.segments import Segment
from app.llm.types import ModelRequest
from app.vocabulary import StepKind
from tests.copilot.conftest import MemoryJob, NobodyAnswered, ScriptedProvider, document

MINUTES = document(
    "# Steering committee",
    "Maria Keller: I will send the budget of 240,000 euros to the board by 3 March 2027.",
    "The committee decided to close the warehouse in Gdansk.",
    "Tom said the weather was fine.",
)
SEND = ("Send the budget of 240,000 euros to the board.", "B2", "I will send the budget of 240,000 euros")


def item(
    text: str, block: str, quote: str, kind: str = "action", owner: str = "", due: str = ""
) -> dict[str, Any]:
    citations = [{"block": block, "quote": quote}]
    return {"citations": citations, "text": text, "kind": kind, "owner": owner, "due": due}


def says(*items: dict[str, Any]) -> ScriptedProvider:
    return ScriptedProvider(lambda _: json.dumps({"sentences": items}))


def job(*providers: ScriptedProvider, segments: list[Segment] = MINUTES, **values: Any) -> MemoryJob:
    return MemoryJob(
        segments, ExtractActionsParameters(), providers=providers, task_type="extract_actions", **values
    )


async def test_actions_and_decisions_come_with_owner_day_and_place() -> None:
    answer = says(
        item(*SEND, owner="Maria Keller", due="by 3 March 2027"),
        item(
            "The warehouse in Gdansk is closed.", "B3", "decided to close the warehouse in Gdansk", "decision"
        ),
    )
    result = dict((await job(answer).run()).result or {})
    (action,), (decision,) = result["actions"], result["decisions"]
    assert (action["owner"], action["due"]) == ("Maria Keller", "by 3 March 2027")
    assert action["citations"][0]["quote"] == "I will send the budget of 240,000 euros"
    assert action["citations"][0]["anchor"]["type"] == "text"
    assert decision["citations"][0]["segment"] == 2
    assert set(decision) == {"text", "citations"}
    assert (result["coverage"]["ratio"], result["method"], result["missing"]) == (1.0, "generative", [])


async def test_a_document_without_any_gives_empty_lists_and_full_coverage() -> None:
    result = dict((await job(says()).run()).result or {})
    assert (result["actions"], result["decisions"], result["coverage"]["ratio"]) == ([], [], 1.0)


@pytest.mark.parametrize("due", ["by 3 March 2027", "3 March 2027", "2027-03-03", ""])
@pytest.mark.parametrize("owner", ["Maria Keller", "Keller", ""])
async def test_what_the_source_says_passes(owner: str, due: str) -> None:
    result = dict((await job(says(item(*SEND, owner=owner, due=due))).run()).result or {})
    assert result["actions"][0]["due"] == (due or None)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (item(*SEND, owner="Peter Keller"), "unsupported_name"),
        (item(*SEND, due="by 4 March 2027"), "unsupported_due"),
        (item(*SEND, due="next Friday"), "unsupported_due"),
        (item(*SEND, kind="decision", owner="Maria Keller"), "wrong_shape"),
        (item(*SEND, kind="wish"), "not_the_schema"),
        ({"citations": [], "text": "x"}, "not_the_schema"),
        (item("Send the budget of 250,000 euros.", "B2", SEND[2]), "unsupported_figure"),
        (item("Send the budget to the office in Munich.", "B2", SEND[2]), "unsupported_name"),
        (item(SEND[0] + " <b>now</b>", "B2", SEND[2]), "markup"),
        (
            item("Die Mitarbeiterin schickt das Budget an den Vorstand der Firma.", "B2", SEND[2]),
            "wrong_language",
        ),
    ],
)
async def test_what_the_source_does_not_say_is_rejected_and_the_next_member_asked(
    wrong: dict[str, Any], code: str
) -> None:
    asked = job(says(wrong), says(item(*SEND)))
    result = dict((await asked.run()).result or {})
    assert [one.split(":")[0] for one in asked.rejections] == [code]
    assert result["actions"][0]["text"] == SEND[0]


async def test_an_action_without_a_true_quote_is_removed_and_counted() -> None:
    invented = item("Buy a new car for the board.", "B2", "somebody must buy a new car now")
    result = dict((await job(says(item(*SEND), invented)).run()).result or {})
    assert len(result["actions"]) == 1
    assert result["notes"] == {"removed_claims": 1}


def long_minutes(count: int) -> list[Segment]:
    filler = "The members talked about the harbour and the storms of the winter for a long while. " * 6
    return document(*(f"Point {at}. {filler}Ada has to paint ship {at} by May." for at in range(count)))


def first_of_each(request: ModelRequest) -> str:
    return json.dumps(
        {
            "sentences": [
                item(
                    f"Paint ship {block.text.split('.')[0][6:]}.",
                    block.id,
                    f"Ada has to paint ship {block.text.split('.')[0][6:]} by May",
                    owner="Ada",
                    due="by May",
                )
                for block in request.blocks
            ]
        }
    )


async def test_a_long_document_is_asked_part_by_part_and_nothing_is_lost_in_joining() -> None:
    asked = job(ScriptedProvider(first_of_each), segments=long_minutes(120))
    result = dict((await asked.run()).result or {})
    assert [action["text"] for action in result["actions"]] == [f"Paint ship {at}." for at in range(120)]
    assert {step.kind for step in asked.steps} == {StepKind.MAP, StepKind.FINAL}
    assert len(asked.requests) == len(asked.steps) - 1
    assert result["coverage"]["ratio"] == 1.0


async def test_a_dead_part_is_named_and_all_dead_is_an_error() -> None:
    asked = job(
        ScriptedProvider(first_of_each),
        segments=long_minutes(40),
        dies=lambda kind, ordinal: kind is StepKind.MAP and ordinal == 0,
    )
    outcome = await asked.run()
    result = dict(outcome.result or {})
    assert outcome.partial
    assert result["missing"] == [piece[0] for piece in asked.steps[0].input["pieces"]]
    assert result["coverage"]["ratio"] < 1.0
    asked.dies = lambda kind, _: kind is StepKind.MAP
    with pytest.raises(Exception, match="None of the document's parts"):
        await asked.run()


async def test_what_is_said_twice_is_listed_once_unless_a_figure_differs() -> None:
    twice = document(
        "Ada has to paint the old ship 4 by May.",
        "Ada has to paint the old ship 4 by May!",
        "Ada has to paint the old ship 5 by May.",
    )
    items = [
        item(
            f"Ada has to paint the old ship {number} by May{end}",
            block,
            f"paint the old ship {number} by May",
        )
        for block, number, end in (("B1", 4, "."), ("B2", 4, "!"), ("B3", 5, "."))
    ]
    result = dict((await job(says(*items), segments=twice).run()).result or {})
    assert len(result["actions"]) == 2
    assert result["notes"] == {"repeated": 1}


async def test_when_nobody_answers_rightly_nothing_is_delivered() -> None:
    with pytest.raises(NobodyAnswered):
        await job(says(item(*SEND, owner="Nobody Known"))).run()


async def test_without_a_model_what_is_said_in_so_many_words_is_found() -> None:
    asked = MemoryJob(MINUTES, ExtractActionsParameters(), task_type="extract_actions")
    result = dict((await asked.run()).result or {})
    (action,), (decision,) = result["actions"], result["decisions"]
    assert (action["owner"], action["due"]) == ("Maria Keller", "by 3 March 2027")
    assert decision["text"] == "The committee decided to close the warehouse in Gdansk."
    assert result["method"] == "extractive"
