"""After an edit only what changed is asked again, and nobody can tell from the result."""

import json
import random
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from app.copilot.summarize import SummarizeParameters
from app.copilot.translate import TranslateParameters
from app.core.crypto import Sealer
from app.documents.segments import Segment
from app.llm.types import ModelRequest
from app.pools.values import PoolMemberFacts
from app.tenants.policy import Policy
from app.vocabulary import SegmentKind, StepKind
from tests.copilot.conftest import PROMPTS, claims_json, document
from tests.copilot.reuse_house import CountingModel, Keeping, ReusingJob, edited, report
from tests.pools.builders import deployment, member, provider

ELSEWHERE = "The lantern of the harbour was red and tall and old and the keepers of it stayed."
SMALL = 2_000
"""A window so small that five pages are read in parts and merged."""


def cite(request: ModelRequest) -> str:
    """First sentences of blocks that depend on all blocks: another text, other facts, other merges."""
    most = int((request.response_schema or {})["properties"]["sentences"]["maxItems"])
    blocks = [block for block in request.blocks if block.kind is not SegmentKind.HEADING]
    drawn = random.Random("".join(block.text for block in blocks)).sample(blocks, min(most, len(blocks)))
    drawn.sort(key=lambda block: int(block.id[1:]))
    first = [(block.text.split(". ")[0].rstrip(".") + ".", block.id) for block in drawn]
    return claims_json(*((text, block, text) for text, block in first))


def german(request: ModelRequest) -> str:
    """Each part with German for its commonest words."""
    words = {
        "The": "Der",
        "of": "von",
        "the": "dem",
        "was": "war nicht",
        "and": "und auch",
        "stayed.": "blieb.",
    }
    return json.dumps(
        {
            "parts": [
                {"id": block.id, "text": " ".join(words.get(word, word) for word in block.text.split())}
                for block in request.blocks
            ]
        }
    )


def asked(task_type: str = "summarize", **changes: Any) -> PoolMemberFacts:
    """A member with the task type's own prompts."""
    serving = deployment("counting", context_window=100_000, max_output_tokens=20_000, **changes)
    return replace(member(serving), prompts=PROMPTS[task_type, "default"])


MEMBERS = {name: asked(name) for name in ("summarize", "translate")}
SCRIPTS = {"summarize": cite, "translate": german}


def job(
    segments: list[Segment], keeping: Keeping, parameters: BaseModel | None = None, **changes: Any
) -> ReusingJob:
    task_type = changes.setdefault("task_type", "summarize")
    return ReusingJob(
        segments,
        parameters or SummarizeParameters(),
        keeping=keeping,
        model=CountingModel(SCRIPTS[task_type]),
        **{"members": (MEMBERS[task_type],), "context_tokens": SMALL, **changes},
    )


async def test_an_edit_in_three_hundred_pages_costs_a_twentieth_of_the_first_summary() -> None:
    segments = document(*report(300))
    keeping = Keeping()
    first = job(segments, keeping, context_tokens=100_000)
    await first.run()
    again = job(edited(segments, 700, ELSEWHERE), keeping, context_tokens=100_000)
    outcome = await again.run()
    share = again.model.tokens / first.model.tokens
    print(f"summarize: {first.model.tokens} tokens, after an edit {again.model.tokens}: {share:.1%}")
    assert share <= 0.05
    assert Counter(again.model.calls)[StepKind.FINAL] == 1
    assert Counter(again.model.calls)[StepKind.MAP] <= 3
    result = outcome.result or {}
    assert result["coverage"]["ratio"] == 1.0
    for citation in result["citations"]:
        assert citation["quote"] in again.segments[citation["segment"]].text


async def test_an_edit_of_a_translation_costs_its_own_chunk() -> None:
    segments = document(*report(40))
    keeping, parameters = Keeping(), TranslateParameters(language="de")
    first = job(segments, keeping, parameters, task_type="translate", context_tokens=8192)
    await first.run()
    again = job(
        edited(segments, 100, ELSEWHERE), keeping, parameters, task_type="translate", context_tokens=8192
    )
    outcome = await again.run()
    share = again.model.tokens / first.model.tokens
    print(f"translate: {first.model.tokens} tokens, after an edit {again.model.tokens}: {share:.1%}")
    assert share <= 0.10
    lines = (outcome.result or {})["text"].split("\n")
    assert len(lines) == len(again.segments)
    assert lines[100].startswith("Der lantern von dem harbour war nicht")
    assert lines[101].split()[1] == segments[101].text.split()[1]


async def test_a_part_that_was_lost_is_the_only_one_that_is_asked_again() -> None:
    segments = document(*report(20))
    keeping, parameters = Keeping(), TranslateParameters(language="de")
    first = job(segments, keeping, parameters, task_type="translate", context_tokens=8192)
    first.model.script = lambda request: (
        "nothing" if segments[50].text in [block.text for block in request.blocks] else german(request)
    )
    outcome = await first.run()
    lost = (outcome.result or {})["missing"]
    assert outcome.partial
    assert 50 in lost
    again = job(segments, keeping, parameters, task_type="translate", context_tokens=8192)
    whole = await again.run()
    assert (whole.partial, (whole.result or {})["coverage"]["ratio"]) == (False, 1.0)
    assert len(again.model.calls) == 1 < len(first.model.calls)
    assert {segments[at].text for at in lost} == {block.text for block in again.model.asked[0].blocks}


@pytest.mark.parametrize(("texts", "removed"), [((ELSEWHERE,), 0), ((), 1)], ids=["inserted", "deleted"])
async def test_a_paragraph_more_or_less_moves_citations_and_little_else(
    texts: tuple[str, ...], removed: int
) -> None:
    segments = document(*report(60))
    keeping = Keeping()
    first = job(segments, keeping, context_tokens=8192)
    await first.run()
    again = job(edited(segments, 12, *texts, removed=removed), keeping, context_tokens=8192)
    outcome = await again.run()
    calls = Counter(again.model.calls)
    assert calls[StepKind.MAP] <= 3
    assert calls[StepKind.MAP] + calls[StepKind.MERGE] < len(first.model.calls) / 4
    citations = (outcome.result or {})["citations"]
    assert any(citation["segment"] > 20 for citation in citations)
    for citation in citations:
        segment = again.segments[citation["segment"]]
        assert citation["quote"] in segment.text
        assert citation["anchor"]["offset"] == segment.index


FIVE = document(*report(5))
OTHER_PROMPTS = {**PROMPTS["summarize", "default"], "rules": "Write calmly.\n"}
CHANGES: dict[str, dict[str, Any]] = {
    "another revision of the prompts": {"members": (replace(MEMBERS["summarize"], prompts=OTHER_PROMPTS),)},
    "another focus": {"parameters": SummarizeParameters(focus="the harbour")},
    "another model": {
        "members": (
            replace(
                MEMBERS["summarize"], deployment=replace(MEMBERS["summarize"].deployment, model_name="next")
            ),
        )
    },
    "another temperature": {"members": (replace(MEMBERS["summarize"], parameters={"temperature": 1}),)},
    "another member, for the policy forbids the first": {
        "members": (asked(provider=provider(region="us")), MEMBERS["summarize"]),
        "policy": Policy(allowed_regions=("us",)),
    },
    "another tenant": {"sealer": Sealer(UUID(int=2), {1: b"2" * 32})},
}


async def test_the_same_again_asks_for_the_last_step_alone() -> None:
    keeping = Keeping()
    first = job(FIVE, keeping)
    await first.run()
    assert Counter(first.model.calls)[StepKind.MERGE] >= 1
    again = job(FIVE, keeping)
    await again.run()
    assert again.model.calls == [StepKind.FINAL]
    assert again.reused_tokens + again.model.tokens == first.reused_tokens + first.model.tokens


@pytest.mark.parametrize("changed", list(CHANGES))
async def test_what_was_asked_otherwise_is_asked_again(changed: str) -> None:
    keeping = Keeping()
    first = job(FIVE, keeping)
    await first.run()
    again = job(FIVE, keeping, **CHANGES[changed])
    await again.run()
    assert Counter(again.model.calls) == Counter(first.model.calls)


async def test_another_language_of_a_translation_is_asked_again() -> None:
    keeping = Keeping()
    for language in ("de", "nl"):
        done = job(FIVE, keeping, TranslateParameters(language=language), task_type="translate")
        done.model.script = german if language == "de" else dutch
        await done.run()
        assert done.reused_tokens == 0


def dutch(request: ModelRequest) -> str:
    """Each part with Dutch for its commonest words."""
    return (
        german(request).replace("von", "van").replace("und auch", "en ook").replace("war nicht", "was niet")
    )


async def test_a_kept_answer_that_fails_its_checks_is_asked_again() -> None:
    keeping = Keeping()
    first = job(FIVE, keeping)
    await first.run()
    keeping.answers = {
        key: replace(kept, text=kept.text.replace("The ", "Die 99 ")) for key, kept in keeping.answers.items()
    }
    again = job(FIVE, keeping)
    await again.run()
    assert again.model.calls == first.model.calls


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.sampled_from([(), (ELSEWHERE,), (ELSEWHERE, "A ferry came.")])),
        min_size=1,
        max_size=2,
    )
)
async def test_a_result_is_the_same_with_and_without_reuse(edits: list[tuple[int, tuple[str, ...]]]) -> None:
    keeping = Keeping()
    segments = FIVE
    await job(segments, keeping).run()
    for at, texts in edits:
        segments = edited(segments, at, *texts)
    reusing, fresh = job(segments, keeping), job(segments, Keeping())
    assert (await reusing.run()).result == (await fresh.run()).result
    assert reusing.reused_tokens + reusing.model.tokens == fresh.reused_tokens + fresh.model.tokens
