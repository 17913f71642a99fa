"""What a job is expected to need bounds what it asks for, for documents of every shape."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.copilot.catalog import task_types
from app.copilot.chunking import chunk
from app.copilot.deciding import demand_of
from app.copilot.estimating import estimate
from app.copilot.summarize import TASK_TYPE, SummarizeParameters
from app.copilot.tree_work import chunk_bounds
from app.copilot.work import Calls, Work, WorkFacts, one_pass
from app.core.clock import now
from app.documents.segments import Segment
from app.documents.tokens import estimate_tokens
from app.pools.selection import Selection, select
from app.tenants.policy import Policy
from app.vocabulary import SegmentKind, StepKind
from tests.copilot.conftest import MemoryJob, document
from tests.pools.builders import PRICE, deployment, member, revision

SHAPES: dict[str, list[tuple[SegmentKind, str]]] = {
    "a memo": [(SegmentKind.PARAGRAPH, "The harbour was closed for three days in March. A storm came.")] * 6,
    "a report": [
        (kind, text)
        for chapter in range(30)
        for kind, text in (
            (SegmentKind.HEADING, f"Chapter {chapter}"),
            *(
                (
                    SegmentKind.PARAGRAPH,
                    f"In district {chapter} the clerk noted item {at} on the long list. " * 9,
                )
                for at in range(6)
            ),
        )
    ],
    "one endless paragraph": [
        (SegmentKind.PARAGRAPH, "The clerk noted one more thing on the long list. " * 900)
    ],
    "thousands of words": [(SegmentKind.PARAGRAPH, "Storm came.")] * 1300,
    "a table": [(SegmentKind.TABLE_ROW, f"row {at} | " + "cell " * 60) for at in range(300)],
}


def facts_of(job: MemoryJob) -> WorkFacts:
    return WorkFacts(
        tokens=sum(estimate_tokens(segment.text) for segment in job.segments),
        segments=len(job.segments),
        context_tokens=job.context_tokens,
        language=job.language,
        parameters=job.parameters.model_dump(exclude_none=True),
    )


def check_bounds(expected: Work, job: MemoryJob) -> None:
    """No more is reserved than was expected, and no fewer requests are made than the least."""
    asked = job.requests
    assert total(expected.least, "count") <= len(asked) <= total(expected.most, "count")
    assert sum(one.input_tokens_estimate for one in asked) <= total(expected.most, "input_tokens")
    assert sum(one.max_output_tokens for one in asked) <= total(expected.most, "output_tokens")


def total(calls: tuple[Calls, ...], name: str) -> int:
    return sum(int(getattr(one, name)) for one in calls)


@pytest.mark.parametrize("length", ["sentence", "page"])
@pytest.mark.parametrize("shape", list(SHAPES))
async def test_a_summary_needs_no_more_than_expected_and_no_less(shape: str, length: Any) -> None:
    job = MemoryJob(
        document(*SHAPES[shape]),
        SummarizeParameters(length=length),
        context_tokens=7168,
    )
    expected = task_types()["summarize"].work(facts_of(job))
    await job.run()
    check_bounds(expected, job)
    # Not a bound that says nothing: within eight times of what was really reserved.
    reserved = sum(one.input_tokens_estimate + one.max_output_tokens for one in job.requests)
    assert total(expected.most, "input_tokens") + total(expected.most, "output_tokens") < 8 * reserved


def test_a_task_type_that_says_nothing_is_one_pass() -> None:
    plain = replace(TASK_TYPE, work=one_pass)
    facts = WorkFacts(1000, 10, 8192, "en", {})
    assert plain.work(facts) == one_pass(facts)
    assert [one.count for one in plain.work(facts).most] == [1]


@pytest.mark.parametrize("name", sorted(task_types()))
@pytest.mark.parametrize("tokens", [100, 8_000, 300_000])
def test_no_text_is_too_long_for_a_member_that_is_never_sent_all_of_it(name: str, tokens: int) -> None:
    asked, pool = task_types()[name], revision(member())
    first = asked.first_step(tokens, 7168)
    demand = demand_of(asked, {}, "en", tokens, pool, first)
    assert select(pool, Policy(), demand, resting={}, now=now(), draw=0.0).order == pool.members
    assert demand.input_tokens <= tokens


def test_the_first_tier_makes_the_estimate_and_the_dearest_the_worst_case() -> None:
    dear = deployment(
        "dear", price=type(PRICE)(PRICE.id, "EUR", 10_000_000, 10_000_000, 10_000_000, 10_000_000)
    )
    members = (member(deployment("a")), member(deployment("free", price=None)), member(dear, tier=1))
    pool = revision(*members)
    needed = Work((Calls(StepKind.FINAL, 1, 1000, 10),), (Calls(StepKind.FINAL, 1, 2000, 100),))
    told = estimate(needed, pool, Selection(members, ()), route="r")
    # 0.1 micros a cached token, 4 an answered one; and one micro for rounding up.
    assert (told.cost.low, told.cost.high, told.worst_micros) == (0, 2000 + 400 + 1, 21_000 + 1)
    assert (told.currency, told.first_member.deployment.name) == ("EUR", "a")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(2000, 9000))
def test_chunks_of_any_document_are_as_many_as_expected(seed: int, count: int, context: int) -> None:
    draw = random.Random(seed)
    kinds = [SegmentKind.PARAGRAPH, SegmentKind.PARAGRAPH, SegmentKind.HEADING, SegmentKind.LIST_ITEM]
    segments: list[Segment] = document(
        *((draw.choice(kinds), "word " * draw.choice((2, 9, 60, 400))) for _ in range(count))
    )
    tokens = sum(estimate_tokens(segment.text) for segment in segments)
    expected = TASK_TYPE.work(WorkFacts(tokens, len(segments), context, "en", {}))
    if not expected.planned:
        return
    cap, minimum = chunk_bounds(max(64, int(0.6 * (context - 600))))
    chunks = chunk(segments, language="en", cap_tokens=cap, minimum_tokens=minimum)
    assert expected.least[0].count <= len(chunks) <= expected.most[0].count
