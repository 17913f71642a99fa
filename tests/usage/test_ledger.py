"""The ledger: intent first, settled once, orphans at what was reserved, one tenant never sees another's."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.core.clock import new_id
from app.pools.values import Price
from app.usage.costs import cost_micros
from app.usage.ledger import (
    CallIntent,
    CallRecord,
    job_calls,
    job_usage,
    open_call,
    settle,
    settle_orphans,
)
from app.vocabulary import CallOutcome
from tests.conftest import TestDatabase
from tests.pools.builders import deployment
from tests.usage.money import ended, intent


async def opened(database: TestDatabase, one: CallIntent) -> CallIntent:
    async with database.app.tenant(one.tenant_id) as session:
        await open_call(session, one)
    return one


async def test_a_call_that_is_under_way_counts_at_what_is_reserved(database: TestDatabase) -> None:
    one = await opened(database, intent(database))
    async with database.app.tenant(database.tenant_id) as session:
        usage = await job_usage(session, database.tenant_id, one.job_id)
    assert (usage.calls, usage.cost_micros, usage.input_tokens) == (1, 900, 0)


@pytest.mark.parametrize(
    "outcome",
    [CallOutcome.SUCCEEDED, CallOutcome.FAILED, CallOutcome.REJECTED, CallOutcome.CANCELLED],
)
async def test_each_outcome_is_settled_with_its_tokens_and_cost(
    database: TestDatabase, outcome: CallOutcome
) -> None:
    one = await opened(database, intent(database))
    async with database.app.tenant(database.tenant_id) as session:
        await settle(session, [ended(one, outcome, error_code="x")])
    async with database.app.tenant(database.tenant_id) as session:
        (call,) = await job_calls(session, database.tenant_id, one.job_id)
        usage = await job_usage(session, database.tenant_id, one.job_id)
    assert (call.outcome, call.error_code, call.cost_micros) == (outcome, "x", 180)
    assert call.settled_at is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cost_micros) == (100, 20, 180)
    assert usage.currency == "EUR"


async def test_settling_twice_changes_nothing(database: TestDatabase) -> None:
    one = await opened(database, intent(database))
    for cost in (180, 999):
        async with database.app.tenant(database.tenant_id) as session:
            await settle(session, [ended(one, cost_micros=cost)])
    async with database.app.tenant(database.tenant_id) as session:
        assert (await job_usage(session, database.tenant_id, one.job_id)).cost_micros == 180


async def test_a_call_that_has_not_ended_is_left_open(database: TestDatabase) -> None:
    one = await opened(database, intent(database))
    async with database.app.tenant(database.tenant_id) as session:
        await settle(session, [CallRecord(one)])
        await settle(session, [])
        (call,) = await job_calls(session, database.tenant_id, one.job_id)
    assert call.outcome is CallOutcome.PENDING


async def test_orphans_are_settled_at_what_was_reserved_and_a_late_end_corrects_them(
    database: TestDatabase,
) -> None:
    lost, fresh = await opened(database, intent(database)), await opened(database, intent(database))
    async with database.owner.system() as session:
        await session.execute(
            text("UPDATE model_calls SET started_at = now() - interval '1 hour' WHERE id = :id"),
            {"id": lost.id},
        )
    async with database.system.system() as session:
        assert await settle_orphans(session, 600) == 1
        assert await settle_orphans(session, 600) == 0
    async with database.app.tenant(database.tenant_id) as session:
        (call,) = await job_calls(session, database.tenant_id, lost.job_id)
        assert (call.outcome, call.cost_micros) == (CallOutcome.UNKNOWN, 900)
        await settle(session, [ended(lost)])
    async with database.app.tenant(database.tenant_id) as session:
        (call,) = await job_calls(session, database.tenant_id, lost.job_id)
        assert (call.outcome, call.cost_micros) == (CallOutcome.SUCCEEDED, 180)
        (call,) = await job_calls(session, database.tenant_id, fresh.job_id)
        assert call.outcome is CallOutcome.PENDING


async def test_another_tenant_sees_and_settles_nothing(database: TestDatabase) -> None:
    one = await opened(database, intent(database))
    async with database.app.tenant(database.other_tenant_id) as session:
        assert await job_calls(session, database.tenant_id, one.job_id) == []
        await settle(session, [ended(one)])
    async with database.app.tenant(database.tenant_id) as session:
        (call,) = await job_calls(session, database.tenant_id, one.job_id)
        assert call.outcome is CallOutcome.PENDING
        assert (await job_usage(session, database.other_tenant_id, one.job_id)).calls == 0


@dataclass(frozen=True)
class Counts:
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0


PRICE = Price(new_id(), "EUR", 1_100_000, 100_000, 4_400_000, 8_800_000)


@pytest.mark.parametrize(
    ("counts", "micros"),
    [
        (Counts(0, 0), 0),
        (Counts(1, 0), 2),
        (Counts(1000, 0), 1100),
        (Counts(1000, 0, cached_input_tokens=400), 700),
        (Counts(0, 100), 440),
        (Counts(0, 100, reasoning_tokens=50), 660),
        (Counts(10, 10, cached_input_tokens=99, reasoning_tokens=99), 89),
    ],
)
def test_each_token_is_paid_once_and_the_sum_is_rounded_up(counts: Counts, micros: int) -> None:
    assert cost_micros(counts, PRICE) == micros


@given(*(st.integers(0, 10_000) for _ in range(4)))
def test_a_call_never_costs_more_than_its_tokens_at_the_dearest_price(a: int, b: int, c: int, d: int) -> None:
    cost = cost_micros(Counts(a, b, c, d), PRICE)
    assert 0 <= cost * 1_000_000 <= a * PRICE.input_micros + b * PRICE.reasoning_micros + 999_999


@given(*(st.integers(0, 10**7) for _ in range(4)), *(st.integers(0, 10_000) for _ in range(2)), st.data())
def test_no_usage_within_an_estimate_costs_more_than_was_reserved(
    taken: int, cached: int, given_: int, thought: int, tokens_in: int, tokens_out: int, data: st.DataObject
) -> None:
    """Whatever is dearer: cached input than fresh, reasoning than an answer, or neither."""
    price = Price(new_id(), "EUR", taken, cached, given_, thought)
    usage = Counts(
        data.draw(st.integers(0, tokens_in)),
        data.draw(st.integers(0, tokens_out)),
        data.draw(st.integers(0, tokens_in)),
        data.draw(st.integers(0, tokens_out)),
    )
    reserved = deployment(price=price).estimate_micros(tokens_in, tokens_out)
    assert cost_micros(usage, price) <= reserved


def test_without_a_price_a_call_costs_nothing() -> None:
    assert cost_micros(Counts(100, 100), None) == 0
