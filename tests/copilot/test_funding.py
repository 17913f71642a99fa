"""A budget is raised while a job is about to wait for it: whoever is second sees the first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.record import Actor, ActorKind
from app.copilot.endings import Again, Waits, ending
from app.copilot.funding import looked_again
from app.core.clock import now
from app.jobs.leases import ClaimedStep
from app.jobs.resume import resume_all_funded
from app.jobs.waiting import wait
from app.usage import administration
from app.usage.budgets import exhausted, standings
from tests.conftest import TestDatabase
from tests.jobs.conftest import Desk, desk
from tests.usage.money import Purse

__all__ = ["desk"]


async def refused(desk: Desk, budget_id: UUID) -> Waits:
    """What follows from a refusal of this budget as it stands."""
    stand = (await Purse(desk.database).stand())[budget_id]
    end = ending(exhausted([stand]), attempt=1, max_attempts=3, jitter=0.0)
    assert isinstance(end, Waits)
    return end


async def raise_budget(session: AsyncSession, database: TestDatabase, budget_id: UUID, hard: int) -> None:
    """As an administrator does it."""
    tenant_id = database.tenant_id
    view = await administration.find(session, tenant_id=tenant_id, budget_id=budget_id)
    await administration.change(
        session,
        tenant_id=tenant_id,
        wanted=replace(view.standing.budget, hard_micros=hard),
        version=view.version,
        actor=Actor(ActorKind.MEMBER, database.member_id),
    )
    await resume_all_funded(session, tenant_id=tenant_id)


async def end_step(session: AsyncSession, step: ClaimedStep, end: Waits) -> Again | Waits:
    """As the runner writes it."""
    found = await looked_again(session, step.tenant_id, end)
    assert isinstance(found, Again | Waits)
    if isinstance(found, Waits):
        await wait(session, step, reason=found.reason, waiting_for=found.waiting_for, seconds=600)
    return found


async def blocked(database: TestDatabase, session_pid: int) -> None:
    """Return when a session waits for the one with this backend."""
    async with database.owner.system() as session:
        while not await session.scalar(
            text(
                "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND :pid = ANY(pg_blocking_pids(pid)))"
            ),
            {"pid": session_pid},
        ):
            await session.execute(text("SELECT pg_stat_clear_snapshot()"))
            await asyncio.sleep(0)


@asynccontextmanager
async def transaction(database: TestDatabase) -> AsyncIterator[tuple[AsyncSession, int]]:
    """A transaction of the tenant with its backend's number; it commits at the end."""
    async with database.app.tenant(database.tenant_id) as session:
        yield session, await session.scalar(text("SELECT pg_backend_pid()")) or 0


async def state(desk: Desk, job_id: UUID) -> str:
    return str((await desk.job(job_id))["state"])


async def test_a_job_that_would_wait_after_a_raise_is_tried_again_instead(desk: Desk) -> None:
    budget_id = await Purse(desk.database).budget(hard=0)
    step = await desk.claimed(await desk.accept())
    end = await refused(desk, budget_id)

    async def ends() -> Again | Waits:
        async with transaction(desk.database) as (session, _):
            return await end_step(session, step, end)

    async with transaction(desk.database) as (session, pid):
        await raise_budget(session, desk.database, budget_id, 10_000)
        ending_step = asyncio.create_task(ends())
        await blocked(desk.database, pid)

    assert await ending_step == Again(0.5, counted=False, code="budget_raised")
    assert await state(desk, step.job_id) == "running"


async def test_a_raise_that_comes_while_a_job_begins_to_wait_lets_it_go_on(desk: Desk) -> None:
    budget_id = await Purse(desk.database).budget(hard=0)
    step = await desk.claimed(await desk.accept())
    end = await refused(desk, budget_id)

    async def raised() -> None:
        async with transaction(desk.database) as (session, _):
            await raise_budget(session, desk.database, budget_id, 10_000)

    async with transaction(desk.database) as (session, pid):
        assert await end_step(session, step, end) == end
        raising = asyncio.create_task(raised())
        await blocked(desk.database, pid)

    await raising
    assert await state(desk, step.job_id) == "running"


@pytest.mark.parametrize("hard", [0, 5_000])
async def test_a_budget_that_is_no_higher_is_waited_for(desk: Desk, hard: int) -> None:
    budget_id = await Purse(desk.database).budget(hard=5_000)
    step = await desk.claimed(await desk.accept())
    end = await refused(desk, budget_id)
    async with transaction(desk.database) as (session, _):
        await raise_budget(session, desk.database, budget_id, hard)
    async with transaction(desk.database) as (session, _):
        assert await end_step(session, step, end) == end
    assert await state(desk, step.job_id) == "waiting"


async def test_a_budget_that_was_deleted_is_not_waited_for(desk: Desk) -> None:
    budget_id = await Purse(desk.database).budget(hard=0)
    step = await desk.claimed(await desk.accept())
    end = await refused(desk, budget_id)
    await desk.change("DELETE FROM budgets WHERE id = :id", id=budget_id)
    async with transaction(desk.database) as (session, _):
        assert isinstance(await end_step(session, step, end), Again)


async def test_a_job_that_somebody_writes_to_is_resumed_all_the_same(desk: Desk) -> None:
    purse = Purse(desk.database)
    budget_id = await purse.budget(hard=0)
    step = await desk.claimed(await desk.accept())
    async with transaction(desk.database) as (session, _):
        await end_step(session, step, await refused(desk, budget_id))

    async def raised() -> None:
        async with transaction(desk.database) as (session, _):
            await raise_budget(session, desk.database, budget_id, 10_000)

    async with transaction(desk.database) as (session, pid):
        await session.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": step.job_id})
        raising = asyncio.create_task(raised())
        await blocked(desk.database, pid)
    await raising
    assert await state(desk, step.job_id) == "running"
    async with transaction(desk.database) as (session, _):
        stand = await standings(session, desk.database.tenant_id, await purse.budgets(), now())
    assert [one.left_micros for one in stand] == [10_000]
