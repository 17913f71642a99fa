"""Budgets: reserved before, settled after, never passed, not by one micro, by any number of processes."""

import asyncio
import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.core.clock import new_id
from app.pools.configuration import Configuration
from app.usage.budgets import BudgetFacts, Payer, Standing, allowance, budgets_of, exhausted
from app.usage.errors import BudgetInAnotherCurrency
from app.usage.ledger import open_call, settle_orphans
from app.vocabulary import BudgetScope, CallOutcome, Period
from tests.conftest import TestDatabase
from tests.forked import Forked
from tests.usage.money import Purse, ended, intent


@pytest.fixture
def purse(database: TestDatabase) -> Purse:
    return Purse(database)


def facts(period: Period) -> BudgetFacts:
    return BudgetFacts(new_id(), BudgetScope.TENANT, "", period, "EUR", None, 1)


@given(st.datetimes(), st.integers(-14, 14))
def test_every_moment_lies_in_one_period_and_the_next_begins_where_it_ends(at: datetime, hours: int) -> None:
    moment = at.replace(
        year=2000 + at.year % 100, day=min(at.day, 28), tzinfo=timezone(timedelta(hours=hours))
    )
    for budget in (facts(Period.DAY), facts(Period.MONTH)):
        start, end = budget.bounds(moment)
        assert start <= moment < end
        assert budget.bounds(start) == budget.bounds(end - timedelta(microseconds=1)) == (start, end)
        assert budget.bounds(end)[0] == end
        assert start.tzinfo is UTC


@pytest.mark.parametrize(
    ("scope", "subject", "whose"),
    [
        (BudgetScope.TENANT, "", "your organisation"),
        (BudgetScope.GROUP, "6f0c", "your group 6f0c"),
        (BudgetScope.MEMBER, "0198", "your account"),
        (BudgetScope.TASK_TYPE, "summarize", "the task type summarize"),
    ],
)
def test_a_refusal_says_whose_budget_which_limit_until_when_and_what_to_do(
    scope: BudgetScope, subject: str, whose: str
) -> None:
    until = datetime(2999, 2, 1, tzinfo=UTC)
    roomy = Standing(facts(Period.MONTH), until, until, 0, 0)
    mine = BudgetFacts(new_id(), scope, subject, Period.DAY, "EUR", None, 100)
    refused = exhausted(
        [replace(roomy, budget=replace(roomy.budget, hard_micros=101)), Standing(mine, until, until, 99, 1)]
    )
    assert refused.message == (
        f"The daily budget of {whose} is used up until 2999-02-01 00:00 UTC: its hard limit leaves too little for"
        " this. Wait until then, or ask your administrator to raise it."
    )
    assert {one.code: one.message for one in refused.details} == {
        "resets_at": until.isoformat(),
        "scope": scope,
        "period": "day",
        "limit": "hard",
    }


def test_of_several_used_up_budgets_the_one_is_named_that_begins_anew_last() -> None:
    soon, late = datetime(2999, 2, 1, tzinfo=UTC), datetime(2999, 3, 1, tzinfo=UTC)
    overdrawn = Standing(replace(facts(Period.DAY), hard_micros=10), soon, soon, 50, 0)
    used_up = Standing(replace(facts(Period.MONTH), hard_micros=10), late, late, 10, 0)
    assert "2999-03-01" in exhausted([overdrawn, used_up]).message


async def test_what_is_reserved_becomes_what_was_spent(purse: Purse) -> None:
    budget_id = await purse.budget()
    budgets = await purse.budgets()
    one = intent(purse.database)
    assert await purse.open(one, budgets)
    assert (await purse.stand())[budget_id].reserved_micros == 900
    await purse.settle(ended(one))
    stands = (await purse.stand())[budget_id]
    assert (stands.reserved_micros, stands.spent_micros, stands.left_micros) == (0, 180, 9_820)
    await purse.settle(ended(one, cost_micros=999))
    assert (await purse.stand())[budget_id] == stands


async def test_money_is_reserved_in_all_budgets_or_in_none(purse: Purse) -> None:
    await purse.budget(hard=10_000)
    await purse.budget(hard=899, scope=BudgetScope.MEMBER, subject=str(purse.database.member_id))
    budgets = await purse.budgets()
    assert not await purse.open(intent(purse.database), budgets)
    assert await purse.sums() == (0, 0)
    assert await purse.open(intent(purse.database, reserved_micros=899), budgets)
    assert await purse.sums() == (2 * 899, 0)


async def test_a_hard_limit_does_not_count_money_of_another_currency(purse: Purse) -> None:
    await purse.budget(currency="EUR")
    budgets = await purse.budgets()
    assert not await purse.open(intent(purse.database, currency="USD"), budgets)
    async with purse.database.app.tenant(purse.database.tenant_id) as session:
        with pytest.raises(
            BudgetInAnotherCurrency, match="is in EUR and the model is priced in USD"
        ) as refused:
            await open_call(session, intent(purse.database, currency="USD"), budgets)
    # No time to come back at: it is not a matter of time.
    assert (refused.value.status, refused.value.retry_after_seconds) == (422, None)
    assert refused.value.limits == {budgets[0].id: 10_000}
    assert await purse.open(intent(purse.database, currency="USD", reserved_micros=0), budgets)


async def test_a_vendor_that_counts_more_than_was_reserved_is_paid_and_closes_the_budget_at_once(
    purse: Purse,
) -> None:
    budget_id = await purse.budget(hard=2_000)
    budgets, one = await purse.budgets(), intent(purse.database)
    assert await purse.open(one, budgets)
    await purse.settle(ended(one, cost_micros=2_500))
    assert (await purse.stand())[budget_id].left_micros == -500
    assert not await purse.open(intent(purse.database, reserved_micros=1), budgets)
    assert await purse.sums() == (0, 2_500)


async def test_a_budget_that_was_deleted_meanwhile_bounds_nobody(purse: Purse) -> None:
    await purse.budget(hard=0)
    budgets = await purse.budgets()
    async with purse.database.app.tenant(purse.database.tenant_id) as session:
        await session.execute(text("DELETE FROM budgets"))
    one = intent(purse.database)
    assert await purse.open(one, budgets)
    await purse.settle(ended(one))


async def test_a_call_that_never_left_frees_what_was_reserved_and_is_no_call(purse: Purse) -> None:
    await purse.budget()
    one = intent(purse.database)
    assert await purse.open(one, await purse.budgets())
    await purse.settle(ended(one, CallOutcome.UNSENT, cost_micros=0))
    assert await purse.sums() == (0, 0)


async def test_orphans_are_spent_as_reserved_and_a_late_end_corrects_that(purse: Purse) -> None:
    await purse.budget()
    one = intent(purse.database)
    assert await purse.open(one, await purse.budgets())
    async with purse.database.system.system() as session:
        assert await settle_orphans(session, 0.0) == 1
    assert await purse.sums() == (0, 900)
    await purse.settle(ended(one))
    assert await purse.sums() == (0, 180)


async def test_another_tenant_moves_none_of_it(purse: Purse) -> None:
    await purse.budget()
    one = intent(purse.database)
    assert await purse.open(one, await purse.budgets())
    stranger = Purse(purse.database)
    async with purse.database.app.tenant(purse.database.other_tenant_id) as session:
        assert (await session.execute(text("SELECT count(*) FROM budget_periods"))).scalar_one() == 0
    assert await stranger.sums() == (900, 0)


async def test_a_payer_is_bound_by_the_budgets_that_name_them(purse: Purse) -> None:
    database, group = purse.database, new_id()
    async with database.owner.system() as session:
        await session.execute(
            text("UPDATE members SET groups = jsonb_build_array(CAST(:group AS text)) WHERE id = :id"),
            {"group": str(group), "id": database.member_id},
        )
    wanted = {
        await purse.budget(),
        await purse.budget(scope=BudgetScope.GROUP, subject=str(group)),
        await purse.budget(scope=BudgetScope.MEMBER, subject=str(database.member_id)),
        await purse.budget(scope=BudgetScope.TASK_TYPE, subject="summarize", period=Period.DAY),
    }
    for scope, subject in (
        (BudgetScope.GROUP, str(new_id())),
        (BudgetScope.MEMBER, str(database.colleague_id)),
        (BudgetScope.TASK_TYPE, "translate"),
    ):
        await purse.budget(scope=scope, subject=subject)
    configuration = Configuration(database.app)
    async with database.app.tenant(database.tenant_id) as session:
        found = await budgets_of(
            session, configuration, Payer(database.tenant_id, database.member_id, "summarize")
        )
    assert {budget.id for budget in found} == wanted


async def test_a_soft_limit_makes_frugal_and_the_tightest_hard_limit_counts(purse: Purse) -> None:
    await purse.budget(hard=5_000, soft=900)
    await purse.budget(hard=2_000, period=Period.DAY)
    assert not allowance((await purse.stand()).values()).frugal
    assert await purse.open(intent(purse.database), await purse.budgets())
    allowed = allowance((await purse.stand()).values())
    assert (allowed.frugal, allowed.left_micros, allowed.currency) == (True, 1_100, "EUR")


async def test_a_hundred_calls_at_once_never_pass_a_limit(purse: Purse) -> None:
    """Of 100 calls of up to 900 micros that start together, those fit whose sum does; all end somehow."""
    await purse.budget(hard=20_000)
    await purse.budget(hard=15_000, scope=BudgetScope.TASK_TYPE, subject="summarize")
    budgets, draw = await purse.budgets(), random.Random(7)

    async def one() -> int:
        asked = intent(purse.database, reserved_micros=draw.randint(1, 900))
        if not await purse.open(asked, budgets):
            return 0
        for stands in (await purse.stand()).values():
            assert stands.left_micros is not None
            assert stands.left_micros >= 0
        await purse.settle(ended(asked, cost_micros=draw.randint(0, asked.reserved_micros)))
        return 1

    served = await asyncio.gather(*(one() for _ in range(100)))
    assert 0 < sum(served) < 100
    reserved, spent = await purse.sums()
    async with purse.database.owner.system() as session:
        paid = (await session.execute(text("SELECT sum(cost_micros) FROM model_calls"))).scalar_one()
    assert (reserved, spent) == (0, 2 * paid)


def spender(purse: Purse, price: int, times: int, output: Path) -> Forked:
    told = (purse.database.app_url, str(purse.database.tenant_id), str(price), str(times))
    return Forked("tests.usage.spending", *told, environment=os.environ, output=output)


@pytest.mark.processes
async def test_eight_processes_spend_a_budget_to_the_last_micro_and_not_one_more(
    purse: Purse, tmp_path: Path
) -> None:
    limit, price, each = 100_000, 700, 40
    budget_id = await purse.budget(hard=limit)

    outputs = [tmp_path / f"spent-{number}" for number in range(8)]
    spenders = [spender(purse, price, each, output) for output in outputs]
    assert [await asyncio.to_thread(one.wait, 60.0) for one in spenders] == [0] * 8
    served = [int(output.read_text()) for output in outputs]
    assert sum(served) == limit // price < 8 * each
    stands = (await purse.stand())[budget_id]
    assert stands.spent_micros + stands.reserved_micros == limit - limit % price


@pytest.mark.processes
async def test_killed_processes_leave_no_reservation_behind(purse: Purse, tmp_path: Path) -> None:
    """Killed between reserving and settling: the reaper settles at the reserved amount, to the micro."""
    budget_id = await purse.budget(hard=1_000_000)
    spenders = [spender(purse, 700, 100_000, tmp_path / "spent") for _ in range(3)]

    async def spent() -> bool:
        return (await purse.stand())[budget_id].spent_micros > 0

    async with asyncio.timeout(30):
        while not await spent():
            pass
    for one in spenders:
        one.kill()
        one.wait(10)
    await _until_disconnected(purse.database)
    async with purse.database.system.system() as session:
        await settle_orphans(session, 0.0)
    reserved, paid = await purse.sums()
    async with purse.database.owner.system() as session:
        total = (await session.execute(text("SELECT sum(cost_micros) FROM model_calls"))).scalar_one()
    assert (reserved, paid) == (0, total)


async def _until_disconnected(database: TestDatabase) -> None:
    """The server notices that clients are gone a moment after they were killed."""
    async with asyncio.timeout(10):
        while True:
            async with database.owner.system() as session:
                left = await session.scalar(
                    text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'spending'")
                )
            if not left:
                return
