"""A part that no model can write stays as it was and is named; the rest of the text is written."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from app.copilot.rewrite import RewriteParameters
from app.copilot.translate import TranslateParameters
from app.copilot.types import Outcome
from app.documents.inline import InlineSegment, read_inline_segments
from app.documents.segments import ExcelAnchor, Segment, anchor_json
from app.documents.writing import apply, writable
from app.jobs.errors import Discard
from app.vocabulary import SegmentKind, StepKind
from tests.copilot.conftest import MemoryJob, NobodyAnswered, ScriptedProvider, document
from tests.copilot.scripted import writes
from tests.documents.files import paragraph, word_file

BAD = "Ship 140 lies in the harbour of the town, and nobody paints it before the winter."


def ship(number: int) -> str:
    return f"Ship {number} lies in the harbour of the town, and nobody paints it before the winter."


def wrong_once(text: str) -> str:
    """A translator and rewriter that loses the number of one ship."""
    return text.replace("140", "") if text == BAD else text.replace("nobody paints it", "no one paints it")


def job(task_type: str, segments: list[Segment], provider: ScriptedProvider, **values: Any) -> MemoryJob:
    parameters: BaseModel = RewriteParameters(tone="simple", **values)
    if task_type == "translate":
        parameters = TranslateParameters(language="en", **values)
    return MemoryJob(segments, parameters, providers=[provider], task_type=task_type)


def told(outcome: Outcome) -> dict[str, Any]:
    return dict(outcome.result or {})


@pytest.mark.parametrize("task_type", ["translate", "rewrite"])
async def test_one_part_that_is_always_wrong_stays_as_it_was_and_is_named(task_type: str) -> None:
    pieces = [InlineSegment(f"p{at}", ship(at)) for at in range(280)]
    segments = [*read_inline_segments(pieces).segments]
    asked = job(task_type, segments, writes(wrong_once), output="operations")
    outcome = await asked.run()
    result = told(outcome)
    (dead,) = [step for step in asked.steps if 140 in [piece[0] for piece in step.input.get("pieces", ())]]
    lost = [piece[0] for piece in dead.input["pieces"]]
    assert [one.partition(":")[0] for one in asked.rejections] == ["missing_figure"]
    assert outcome.partial
    assert result["missing"] == lost
    assert 140 in lost
    assert len(lost) < 100
    assert result["missing_at"] == [
        {
            "document": 0,
            "segment": at,
            "anchor": anchor_json(segments[at].anchor),
            "client_ref": f"p{at}",
            "reason": "invalid_output",
        }
        for at in lost
    ]
    written = [at for at in range(280) if at not in lost]
    assert [one["segment"] for one in result["operations"]] == written
    lines = result["text"].split("\n")
    assert [lines[at] for at in lost] == [ship(at) for at in lost]
    assert all("no one paints" in lines[at] for at in written)
    shares = result["coverage"]
    assert (shares["segments"], shares["processed"]) == (280, len(written))
    assert shares["ratio"] == pytest.approx(len(written) / 280, abs=0.0001)


async def test_a_lost_part_is_untouched_in_the_file() -> None:
    content = word_file("".join(paragraph(ship(at)) for at in range(200)))
    asked = job("translate", [*writable(content).segments], writes(wrong_once), output="file")
    outcome = await asked.run()
    assert outcome.file is not None
    made = apply(content, outcome.file.operations)
    lost = told(outcome)["missing"]
    assert (len(made.applied), made.refused) == (200 - len(lost), ())
    texts = [segment.text for segment in writable(made.content).segments]
    assert [at for at, text in enumerate(texts) if text == ship(at)] == lost


@pytest.mark.parametrize("task_type", ["translate", "rewrite"])
async def test_where_every_part_is_lost_the_job_fails_as_its_parts_did(task_type: str) -> None:
    asked = job(task_type, document(*map(ship, range(100))), writes(lambda _: "nothing"))
    with pytest.raises(Discard, match="nobody answered") as caught:
        await asked.run()
    assert caught.value.code == "invalid_output"


async def test_a_selection_of_one_part_fails() -> None:
    with pytest.raises(NobodyAnswered, match="missing_figure"):
        await job("translate", document(BAD, ship(2)), writes(wrong_once)).run()


async def test_of_a_long_paragraph_no_half_is_written() -> None:
    long = " ".join(ship(at) for at in range(100))
    asked = job("translate", document("The harbour of the town is old.", long), writes(_paints))
    asked.dies = lambda kind, at: kind is StepKind.MAP and at == 1
    result = told(await asked.run())
    assert len(asked.steps) > 3
    assert result["text"].split("\n")[1] == long
    assert (result["missing"], result["coverage"]["ratio"]) == ([1], 0.5)


def _paints(text: str) -> str:
    return text.replace("nobody paints it", "no one paints it").replace("is old", "is very old")


async def test_many_small_parts_in_one_step_are_not_lost_together() -> None:
    segments = document(*(f"Red ship {at}" for at in range(200)))
    provider = writes(lambda text: text.replace("7", "") if text == "Red ship 7" else f"{text} here")
    asked = job("translate", segments, provider)
    outcome = await asked.run()
    result = told(outcome)
    assert asked.steps == ()
    assert outcome.partial
    assert 7 in result["missing"]
    assert result["text"].split("\n")[199] == "Red ship 199 here"
    assert {one["reason"] for one in result["missing_at"]} == {"invalid_output"}
    with pytest.raises(NobodyAnswered):
        await job("translate", segments, writes(lambda _: "nothing")).run()


async def test_cells_of_the_same_text_are_alike_also_where_one_is_in_a_lost_part() -> None:
    texts = ["The state is open." if at in {3, 190} else ship(at) for at in range(200)]
    cells = [
        replace(one, anchor=ExcelAnchor("Ships", f"A{at + 1}"))
        for at, one in enumerate(document(*((SegmentKind.TABLE_ROW, text) for text in texts)))
    ]
    asked = job("translate", cells, writes(lambda text: f"{text} Now."), output="operations")
    asked.dies = lambda kind, at: kind is StepKind.MAP and at == 0
    result = told(await asked.run())
    written = {one["segment"]: one["text"] for one in result["operations"]}
    assert written[3] == written[190] == "The state is open. Now."
    assert list(written) == sorted(written)
    assert {2, 4} <= set(result["missing"])
    assert 3 not in result["missing"]
    assert result["coverage"]["processed"] == len(written) == 200 - len(result["missing"])
