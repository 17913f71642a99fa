"""rewrite: what comes back, what must not, and long documents part by part."""

from collections.abc import Callable
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.copilot.rewrite import RewriteParameters
from app.copilot.written import words_that_differ
from app.documents.inline import InlineSegment, read_inline_segments
from app.documents.normalize import text_hash
from app.documents.segments import Run, RunKind, Segment
from app.vocabulary import StepKind
from tests.copilot.conftest import MemoryJob, NobodyAnswered, ScriptedProvider, document
from tests.copilot.scripted import says, writes

TEXT = "Please send the 12 reports to Maria Keller by 3 March 2027, the whole team waits for them."
GOOD = "Kindly send Maria Keller the 12 reports by 3 March 2027; the whole team is waiting for them."


def job(*providers: ScriptedProvider, segments: list[Segment] | None = None, **values: Any) -> MemoryJob:
    parameters = RewriteParameters.model_validate({"tone": "formal", **values})
    return MemoryJob(segments or document(TEXT), parameters, providers=providers, task_type="rewrite")


async def test_a_selection_comes_back_as_text_with_what_changed() -> None:
    result = dict((await job(writes(lambda _: GOOD)).run()).result or {})
    assert result["text"] == GOOD
    assert "".join(text for what, text in result["diff"] if what != "insert") == TEXT
    assert "".join(text for what, text in result["diff"] if what != "delete") == GOOD
    assert (result["operations"], result["coverage"]["ratio"], result["method"]) == ([], 1.0, "generative")


@settings(max_examples=100, deadline=None)
@given(*[st.text(st.sampled_from("ab \n.é"), max_size=40)] * 2)
def test_a_diff_holds_both_texts(before: str, after: str) -> None:
    said = words_that_differ([before], [after])
    assert "".join(text for what, text in said if what != "insert") == before
    assert "".join(text for what, text in said if what != "delete") == after
    assert all(text for _, text in said)


def test_word_lists_that_share_nothing_but_spaces_are_told_apart_in_no_time() -> None:
    """The step's event loop, and the leases of other steps with it, wait for this."""
    old, new = (" ".join(f"{letter}{n}" for n in range(1_600)) for letter in "ab")
    begun = process_time()
    assert [what for what, _ in words_that_differ([old], [new])] == ["delete", "insert"]
    assert process_time() - begun < 1


async def test_the_panes_segments_come_back_as_operations_with_their_names_runs_and_guard() -> None:
    runs = (Run("Please "), Run("pay", 1), Run("\t", 2, RunKind.TAB), Run(" the invoice today."))
    segments = [
        *read_inline_segments(
            [InlineSegment("p1", "Please pay\t the invoice today.", runs), InlineSegment("p2", "2027")]
        ).segments
    ]
    asked = job(
        writes(lambda _: "We ask you to<x2/> <g1>settle</g1> the invoice today."),
        segments=segments,
        output="operations",
    )
    result = dict((await asked.run()).result or {})
    (operation,) = result["operations"]
    assert operation["client_ref"] == "p1"
    assert operation["text_hash"] == text_hash("Please pay\t the invoice today.")
    assert operation["runs"] == [
        ["We ask you to"],
        ["\t", 2, "tab"],
        [" "],
        ["settle", 1],
        [" the invoice today."],
    ]
    assert (operation["kept"], result["diff"]) == ("ok", [])
    assert result["text"].endswith("today.\n2027"), "what has no words is not asked about and stays"
    assert [block.text for block in asked.requests[0].blocks] == [
        "Please <g1>pay</g1><x2/> the invoice today."
    ]


async def test_breaks_of_a_plain_text_are_kept_as_tags() -> None:
    segments = [
        *read_inline_segments([InlineSegment("p1", "Good morning all,\nthe lift is broken.")]).segments
    ]
    asked = job(
        writes(lambda text: text.replace("broken", "out of order")), segments=segments, output="operations"
    )
    (operation,) = dict((await asked.run()).result or {})["operations"]
    assert operation["runs"] == [["Good morning all,\nthe lift is out of order."]]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda t: t.replace("12 ", ""), "missing_figure"),
        (lambda t: t.replace("12", "13"), "missing_figure"),
        (lambda t: t + " It costs 9,000.", "unsupported_figure"),
        (lambda t: t.replace("Maria Keller", "the manager"), "missing_name"),
        (
            lambda _: (
                "Bitte schicken Sie Maria Keller die 12 Berichte bis zum 3 March 2027, alle warten darauf."
            ),
            "wrong_language",
        ),
        (lambda t: "Here is the rewritten text: " + t, "preamble"),
        (lambda t: "<b>" + t + "</b>", "markup"),
        (lambda t: t + " See https://evil.example/x", "link"),
        (lambda t: t * 6, "too_long"),
        (lambda _: "Send.", "missing_figure"),
        (lambda _: "", "tags"),
    ],
)
async def test_what_loses_or_adds_is_rejected_and_the_next_member_asked(
    wrong: Callable[[str], str], code: str
) -> None:
    asked = job(writes(wrong), writes(lambda _: GOOD))
    assert dict((await asked.run()).result or {})["text"] == GOOD
    assert [one.split(":")[0] for one in asked.rejections] == [code]


@pytest.mark.parametrize(
    "answer",
    [
        {"parts": []},
        {"parts": [{"id": "B1", "text": GOOD}, {"id": "B1", "text": GOOD}]},
        {"parts": [{"id": "B9", "text": GOOD}]},
        {"parts": [{"id": "B1"}]},
        {"parts": [{"id": "B1", "text": 3}]},
        {"text": GOOD},
    ],
)
async def test_an_answer_that_is_not_one_text_for_each_part_is_rejected(answer: dict[str, Any]) -> None:
    with pytest.raises(NobodyAnswered, match=r"incomplete|not_the_schema"):
        await job(says(answer)).run()


@pytest.mark.parametrize(("length", "text"), [("shorter", TEXT + " Thanks."), ("longer", TEXT[:-22] + ".")])
async def test_shorter_is_shorter_and_longer_longer(length: str, text: str) -> None:
    with pytest.raises(NobodyAnswered, match=r"wrong_length|too_"):
        await job(writes(lambda _: text), length=length).run()


def long_text(count: int) -> list[Segment]:
    return document(
        *(
            f"Ship {at} lies in the harbour since the storm of the winter, and nobody paints it."
            for at in range(count)
        )
    )


async def test_a_long_document_is_written_part_by_part_in_order() -> None:
    asked = job(
        writes(lambda text: text.replace("nobody paints it", "no one is painting it")),
        segments=long_text(200),
    )
    result = dict((await asked.run()).result or {})
    assert [line.split()[1] for line in result["text"].splitlines()] == [str(at) for at in range(200)]
    assert {step.kind for step in asked.steps} == {StepKind.MAP, StepKind.FINAL}
    assert len(asked.requests) == len(asked.steps) - 1 > 3
    assert result["coverage"]["ratio"] == 1.0


async def test_lost_formatting_is_reported_and_when_most_is_lost_another_model_asked() -> None:
    runs = (Run("Please "), Run("pay", 1), Run(" the invoice of the harbour today."))
    pieces = [
        InlineSegment(f"p{at}", "Please pay the invoice of the harbour today.", runs) for at in range(3)
    ]
    segments = [*read_inline_segments(pieces).segments]
    bad = writes(lambda _: "Kindly settle the invoice of the harbour today.")
    asked = job(
        bad, writes(lambda text: text.replace("Please", "Kindly")), segments=segments, output="operations"
    )
    assert [one["kept"] for one in dict((await asked.run()).result or {})["operations"]] == ["ok"] * 3
    assert asked.rejections == ["tags: 3 parts have lost their formatting"]
    alone = job(bad, segments=segments[:1], output="operations")
    result = dict((await alone.run()).result or {})
    assert (result["degraded"], result["operations"][0]["kept"]) == ([0], "degraded")


def test_no_wish_at_all_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least one"):
        RewriteParameters()
