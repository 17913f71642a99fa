"""draft and draft_reply: from an instruction, from a short document, and over the facts of a long one."""

import json
from typing import Any

import pytest

from app.copilot.answer_language import language_of_words
from app.copilot.draft import DraftParameters
from app.copilot.draft_reply import DraftReplyParameters
from app.documents.segments import Segment
from app.llm.types import ModelRequest
from app.vocabulary import StepKind
from tests.copilot.conftest import MemoryJob, NobodyAnswered, ScriptedProvider, document, echo_first
from tests.copilot.scripted import says

WISH = "Invite the team to lunch on Friday at 12 in the garden."
INVITATION = (
    "Dear colleagues,\n\nplease join us for lunch on Friday at 12 in the garden.\n\nKind regards\n[name]"
)


def job(*providers: ScriptedProvider, segments: list[Segment] | None = None, **values: Any) -> MemoryJob:
    parameters = DraftParameters.model_validate({"instruction": WISH, **values})
    return MemoryJob(segments or [], parameters, providers=providers, task_type="draft")


async def test_a_draft_needs_nothing_but_an_instruction() -> None:
    asked = job(says({"text": INVITATION}))
    result = dict((await asked.run()).result or {})
    assert (result["text"], result["language"], result["missing"]) == (INVITATION, "en", [])
    system, user = asked.providers[0].seen[0]  # type: ignore[attr-defined]
    assert WISH in system.content
    assert user.content.strip()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (INVITATION.replace("12", "13"), "unsupported_figure"),
        ("Here is the draft: " + INVITATION, "preamble"),
        ("<p>" + INVITATION + "</p>", "markup"),
        (INVITATION + " https://evil.example/", "link"),
        (INVITATION * 40, "too_long"),
        ("…", "too_short"),
        (
            "Liebe Kolleginnen und Kollegen, kommt bitte am Freitag um 12 zum Essen in den Garten.",
            "wrong_language",
        ),
    ],
)
async def test_what_no_draft_may_hold(text: str, code: str) -> None:
    with pytest.raises(NobodyAnswered, match=code):
        await job(says({"text": text})).run()


async def test_the_language_is_the_one_asked_for() -> None:
    german = "Liebe Kolleginnen und Kollegen, kommt bitte am Freitag um 12 zum Essen in den Garten."
    assert dict((await job(says({"text": german}), language="de").run()).result or {})["language"] == "de"


async def test_a_reply_may_say_what_the_mail_says() -> None:
    mail = document("From: Maria Keller", "Can you deliver the 40 chairs on 3 March?")
    text = "Dear Maria,\n\nwe deliver the 40 chairs on 3 March.\n\nKind regards"
    asked = MemoryJob(
        mail,
        DraftReplyParameters(intent="Yes, we can."),
        providers=[says({"text": text})],
        task_type="draft_reply",
    )
    result = dict((await asked.run()).result or {})
    assert (result["text"], result["coverage"]["ratio"]) == (text, 1.0)


async def test_a_long_document_is_read_in_parts_and_the_draft_stands_on_what_was_found() -> None:
    segments = document(
        *(
            f"Ship {at} lies in the harbour and costs {at} euros. The crew waits on board for better weather."
            for at in range(400)
        )
    )

    def say(request: ModelRequest) -> str:
        if request.step_kind is StepKind.FINAL:
            return json.dumps({"text": f"We report: {request.blocks[0].text}"})
        return echo_first(request)

    asked = job(
        ScriptedProvider(say), segments=segments, instruction="Report on the ships in the harbour, please."
    )
    result = dict((await asked.run()).result or {})
    assert {StepKind.MAP, StepKind.FINAL} <= {step.kind for step in asked.steps}
    assert (result["coverage"]["ratio"], "costs 0 euros" in result["text"]) == (1.0, True)


@pytest.mark.parametrize(
    ("wish", "language"), [("Ja, aber um 13 Uhr.", "de"), ("Wie hoch ist die Miete?", "de")]
)
def test_few_plain_words_tell_the_language_of_a_wish(wish: str, language: str) -> None:
    assert language_of_words(wish) == language
