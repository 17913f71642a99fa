"""outline_slides: from documents and from an instruction, right and wrong."""

import json
from typing import Any

import pytest

from app.copilot.outline_slides import OutlineSlidesParameters
from app.documents.segments import Segment
from app.jobs.errors import Discard
from app.llm.types import ModelRequest
from app.vocabulary import StepKind
from tests.copilot.conftest import MemoryJob, ScriptedProvider, document

GROWTH = ("Revenue rose by 12 % to 3.5 million euros.", "B2", "Revenue of Contoso rose by 12 %")
COST = ("Higher prices would cost 240,000 euros a year.", "B5", "which would cost 240,000 euros a year")


def line(said: tuple[str, str, str], slide: str, part: str = "bullet") -> dict[str, Any]:
    text, block, quote = said
    return {"citations": [{"block": block, "quote": quote}], "text": text, "slide": slide, "part": part}


GOOD = [line(GROWTH, "Growth in 2026"), line(COST, "Prices"), line(COST, "Prices", "notes")]


def job(segments: list[Segment], *answers: list[dict[str, Any]], **values: Any) -> MemoryJob:
    def says(lines: list[dict[str, Any]]) -> ScriptedProvider:
        return ScriptedProvider(lambda _: json.dumps({"sentences": lines}))

    context = {"context_tokens": values.pop("context_tokens", 8192)}
    parameters = OutlineSlidesParameters.model_validate(values)
    return MemoryJob(
        segments, parameters, providers=[*map(says, answers)], task_type="outline_slides", **context
    )


async def test_slides_have_titles_bullets_and_notes_with_their_places(memo: list[Segment]) -> None:
    asked = job(memo, GOOD, slides=2, audience="the board", instruction="Two slides, the risk last.")
    result = dict((await asked.run()).result or {})
    growth, prices = result["slides"]
    assert (growth["title"], growth["notes"]) == ("Growth in 2026", [])
    assert growth["bullets"][0]["sources"][0]["quote"] == GROWTH[2]
    assert prices["notes"][0]["sources"][0]["segment"] == 4
    assert (result["coverage"]["ratio"], result["missing"]) == (1.0, [])
    system = asked.providers[0].seen[0][0].content  # type: ignore[attr-defined]
    assert "the board" in system
    assert "the risk last" in system
    assert "at most 2 slides" in system


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ([line(GROWTH, "Growth in 2031")], "unsupported_figure"),
        ([line(GROWTH, "Growth at Fabrikam")], "unsupported_name"),
        ([line(GROWTH, "<b>Growth</b>")], "markup"),
        ([line(GROWTH, "?")], "too_short"),
        ([line(GROWTH, "x" * 91)], "not_the_schema"),
        ([line(GROWTH, "Growth", "notes")], "wrong_shape"),
        ([line(GROWTH, "One"), line(COST, "Two"), line(COST, "Three")], "too_long"),
        ([line(("Revenue rose by 13 %.", *GROWTH[1:]), "Growth")], "unsupported_figure"),
        (
            [line(("Revenue rose.", "B2", "revenue rose in every country of the world"), "Growth")],
            "quotes_not_found",
        ),
    ],
)
async def test_what_the_document_does_not_support_is_rejected(
    memo: list[Segment], wrong: list[dict[str, Any]], code: str
) -> None:
    asked = job(memo, wrong, GOOD, slides=2)
    result = dict((await asked.run()).result or {})
    assert [one.split(":")[0] for one in asked.rejections] == [code]
    assert len(result["slides"]) == 2


async def test_an_instruction_alone_is_the_text() -> None:
    told = "Tell the sales team that travel costs are paid up to 50 euros a day from May."
    said = line(
        ("Travel costs are paid up to 50 euros a day.", "B1", "travel costs are paid up to 50 euros a day"),
        "Travel",
    )
    asked = job(
        [],
        [line(("Up to 60 euros a day are paid.", *said["citations"][0].values()), "Travel")],
        [said],
        instruction=told,
    )
    result = dict((await asked.run()).result or {})
    assert asked.rejections[0].startswith("unsupported_figure")
    assert result["slides"][0]["bullets"] == [
        {"text": "Travel costs are paid up to 50 euros a day.", "sources": []}
    ]
    with pytest.raises(Discard, match="no text"):
        await job([]).run()


async def test_a_long_document_is_outlined_from_the_facts_of_its_parts() -> None:
    def beginnings(request: ModelRequest) -> str:
        most = int((request.response_schema or {})["properties"]["sentences"]["maxItems"])
        told = [(block.text[:60].rsplit(" ", 1)[0], block.id) for block in request.blocks[:most]]
        return json.dumps({"sentences": [line((text, block, text), "Harbour") for text, block in told]})

    text = "In district {} the clerk noted storms and ships and the long winter in his list of the harbour."
    asked = job(document(*(text.format(at) for at in range(200))), context_tokens=3000)
    asked.providers = [ScriptedProvider(beginnings)]
    result = dict((await asked.run()).result or {})
    assert {step.kind for step in asked.steps} >= {StepKind.MAP, StepKind.FINAL}
    assert result["coverage"]["ratio"] == 1.0
    assert result["slides"][0]["bullets"][0]["sources"][0]["anchor"]["type"] == "text"
