"""classify: labels in order, never one that is not on the list, errors by row."""

import json
from typing import Any

import pytest
from pydantic import ValidationError
from xlsxwriter.workbook import Workbook

from app.addin.inline import prepare_inline
from app.addin.schemas import JobInput
from app.copilot.classify import ClassifyParameters
from app.core.clock import new_id
from app.core.crypto import Sealer
from app.documents.inline import InlineSegment, read_inline_segments
from app.documents.readers import xlsx
from app.documents.segments import Segment
from app.llm.types import ModelRequest
from app.vocabulary import StepKind
from tests.copilot.conftest import MemoryJob, NobodyAnswered, ScriptedProvider
from tests.copilot.scripted import answers
from tests.documents.workbooks import workbook

LABELS = ["Praise", "Complaint"]


def rows(*texts: str) -> list[Segment]:
    return [*read_inline_segments([InlineSegment(f"r{at}", text) for at, text in enumerate(texts)]).segments]


def job(*providers: ScriptedProvider, segments: list[Segment], **values: Any) -> MemoryJob:
    return MemoryJob(
        segments, ClassifyParameters(labels=LABELS), providers=providers, task_type="classify", **values
    )


def label(text: str) -> dict[str, str]:
    return {"label": "praise" if "good" in text else "Complaint" if "bad" in text else "Question"}


async def test_each_row_has_a_label_of_the_list_under_the_panes_name() -> None:
    result = dict((await job(answers(label), segments=rows("good food", "7", "bad food")).run()).result or {})
    assert [(row["client_ref"], row["label"], row["error"]) for row in result["rows"]] == [
        ("r0", "Praise", None),
        ("r1", None, "not_a_label"),
        ("r2", "Complaint", None),
    ]


async def test_rows_that_failed_are_the_missing_ones_and_the_coverage_says_so() -> None:
    outcome = await job(answers(label), segments=rows("good food", "7", "bad food")).run()
    result = dict(outcome.result or {})
    assert outcome.partial
    assert result["missing"] == [1]
    assert [(one["client_ref"], one["reason"]) for one in result["missing_at"]] == [("r1", "invalid_output")]
    assert (result["coverage"]["processed"], result["coverage"]["ratio"]) == (2, 0.6666)


@pytest.mark.parametrize("name", ["Opinion", None])
async def test_of_a_workbook_neither_sheet_names_nor_headers_nor_formulas_are_rows(name: str | None) -> None:
    def fill(made: Workbook) -> None:
        sheet = made.add_worksheet("Feedback")
        sheet.write_row(0, 0, [name, "Stars", "Twice"])
        for at, opinion in enumerate(["good food", "bad food"], start=1):
            sheet.write_row(at, 0, [opinion, at])
            sheet.write_formula(at, 2, f"=B{at + 1}*2", value=at * 2)

    read = xlsx.read(workbook(fill)).segments
    outcome = await job(answers(label), segments=[*read]).run()
    result = dict(outcome.result or {})
    assert [(row["anchor"]["a1"], row["label"]) for row in result["rows"]] == [
        ("A2:C2", "Praise"),
        ("A3:C3", "Complaint"),
    ]
    assert (outcome.partial, result["missing"], result["coverage"]["ratio"]) == (False, [], 1.0)
    assert (len(read), result["coverage"]["not_asked"]) == (5, 3)


async def test_every_line_of_a_text_is_a_row_if_it_says_anything() -> None:
    sealer = Sealer(new_id(), {1: b"k" * 32})
    body = JobInput(text="Great food.\nToo loud it was.\n\n  \r\nNice.\n")
    prepared = {name: await prepare_inline(sealer, body, name) for name in ("classify", "summarize")}
    assert {name: one.view.segments for name, one in prepared.items() if one is not None} == {
        "classify": 3,
        "summarize": 2,
    }


async def test_a_row_with_a_wrong_label_is_asked_again_by_itself() -> None:
    asked_for: list[int] = []

    def say(request: ModelRequest) -> str:
        asked_for.append(len(request.blocks))
        again = len(asked_for) > 1
        found = [label("good" if again else block.text) for block in request.blocks]
        return json.dumps(
            {"parts": [{"id": b.id, **one} for b, one in zip(request.blocks, found, strict=True)]}
        )

    outcome = await job(ScriptedProvider(say), segments=rows("good", "odd", "bad")).run()
    assert [row["label"] for row in dict(outcome.result or {})["rows"]] == ["Praise", "Praise", "Complaint"]
    assert (asked_for, outcome.partial) == ([3, 1], False)


async def test_an_answer_with_mostly_other_labels_is_rejected() -> None:
    with pytest.raises(NobodyAnswered, match="not_a_label"):
        await job(answers(lambda _: {"label": "Other"}), segments=rows("good", "bad")).run()


async def test_many_rows_go_in_batches_and_a_dead_batch_is_an_error_of_its_rows() -> None:
    texts = [
        f"row {at} the food was {'good' if at % 3 else 'bad'} and we may come again" for at in range(400)
    ]
    asked = job(answers(label), segments=rows(*texts), dies=lambda kind, at: kind is StepKind.MAP and at == 1)
    outcome = await asked.run()
    found = dict(outcome.result or {})["rows"]
    dead = {piece[0] for piece in asked.steps[1].input["pieces"]}
    assert outcome.partial
    assert len(found) == 400 > len(dead) > 5
    assert all((row["error"] == "not_read") == (at in dead) for at, row in enumerate(found))
    assert all(
        row["label"] == ("Praise" if at % 3 else "Complaint")
        for at, row in enumerate(found)
        if at not in dead
    )


@pytest.mark.parametrize("labels", [[], ["one"], ["a", "A"], ["a", "b\nc"], ["a", ""]])
def test_labels_are_two_or_more_each_once_in_a_line(labels: list[str]) -> None:
    with pytest.raises(ValidationError):
        ClassifyParameters(labels=labels)
