"""Turns within a tenant: nobody waits behind a colleague's long job, or behind an own one."""

import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import pytest

from app.core.clock import new_id
from app.jobs import dispatch
from app.jobs.leases import beat
from app.jobs.turns import ReadyStep
from app.vocabulary import Lane, StepKind
from tests.jobs.conftest import Desk

STALE = 2.0


async def long_job(desk: Desk, steps: int, *, colleague: bool = False) -> UUID:
    """A job whose first step has made so many others, all ready."""
    job_id = await desk.accept(first_step=StepKind.MAP, colleague=colleague)
    await desk.change(
        "INSERT INTO job_steps (tenant_id, id, job_id, member_id, task_type, kind, lane, state, estimated_tokens,"
        " ordinal, schema_version, remaining, attempt, fencing, hint_count, error_chain)"
        " SELECT tenant_id, uuidv7(), id, member_id, task_type, 'map', lane, 'queued', 1, n, 1, 0, 0, 0, 0, '[]'"
        " FROM jobs, generate_series(2, :steps) n WHERE id = :job",
        job=job_id,
        steps=steps,
    )
    return job_id


async def turn(desk: Desk, slots: int, *, resting: Sequence[tuple[UUID, UUID]] = ()) -> list[ReadyStep]:
    """The next steps, which end at once."""
    async with desk.database.system.system() as session:
        picked = await dispatch.pick(
            session, lane=Lane.INTERACTIVE, slots=slots, stale_hint_seconds=STALE, resting=resting
        )
    await desk.change(
        "UPDATE job_steps SET state = 'done' WHERE id = ANY (:ids)", ids=[step.id for step in picked]
    )
    return picked


async def jobs_served(desk: Desk, turns: int, *, slots: int = 1) -> list[UUID]:
    return [step.job_id for _ in range(turns) for step in await turn(desk, slots)]


@pytest.mark.parametrize("colleague", [True, False])
async def test_a_short_job_has_its_turn_beside_a_long_one_of_a_colleague_or_its_own_member(
    desk: Desk, *, colleague: bool
) -> None:
    long = await long_job(desk, 300)
    assert await jobs_served(desk, 3) == [long] * 3
    short = await desk.accept(colleague=colleague)
    assert short in await jobs_served(desk, 2)
    assert await jobs_served(desk, 2) == [long] * 2


async def test_members_share_a_tenants_steps_however_many_jobs_each_has(desk: Desk) -> None:
    for _ in range(4):
        await long_job(desk, 20)
    theirs = await long_job(desk, 40, colleague=True)
    assert (await jobs_served(desk, 10, slots=2)).count(theirs) == 10
    assert (await jobs_served(desk, 1, slots=16)).count(theirs) == 8


async def test_jobs_of_a_member_share_what_the_member_has(desk: Desk) -> None:
    jobs = [await long_job(desk, 30) for _ in range(3)]
    assert Counter(await jobs_served(desk, 12)) == dict.fromkeys(jobs, 4)
    assert Counter(await jobs_served(desk, 1, slots=30)) == dict.fromkeys(jobs, 10)


async def test_what_one_member_or_job_leaves_others_take(desk: Desk) -> None:
    long = await long_job(desk, 60)
    short = [await desk.accept(colleague=n % 2 == 0) for n in range(6)]
    served = Counter(await jobs_served(desk, 1, slots=32))
    assert served == {long: 26, **dict.fromkeys(short, 1)}


async def test_nobody_starves_while_more_comes_than_is_served(desk: Desk) -> None:
    """Each turn serves one step and one or two jobs come: the queue only grows, and yet everybody has turns."""
    chance = random.Random(7)
    old = {colleague: await long_job(desk, 100, colleague=colleague) for colleague in (False, True)}
    served: list[UUID] = []
    for _ in range(40):
        for _ in range(chance.choice((1, 1, 2))):
            await desk.accept(colleague=chance.random() < 0.2)
        served += await jobs_served(desk, 1)
    for job_id in old.values():
        turns = [number for number, one in enumerate(served) if one == job_id]
        assert len(turns) >= 3
        # Each round of the member's jobs has only those that were there when it began.
        assert all(later - earlier <= 30 for earlier, later in itertools.pairwise(turns))
    # Most of the turns are had by those who came later.
    assert sum(served.count(job_id) for job_id in old.values()) < 25


async def test_a_job_that_waits_or_whose_models_are_full_costs_others_no_turn(desk: Desk) -> None:
    full = new_id()
    for _ in range(3):
        await desk.accept(pool_revision_id=full)
    waiting = await long_job(desk, 50)
    await desk.change("UPDATE jobs SET state = 'waiting' WHERE id = :id", id=waiting)
    ready = await long_job(desk, 10)
    resting = [(desk.database.tenant_id, full)]
    picked = [step.job_id for _ in range(4) for step in await turn(desk, 2, resting=resting)]
    assert picked == [ready] * 8


async def test_a_tenant_has_no_more_in_flight_than_it_may_in_both_lanes_together(desk: Desk) -> None:
    await desk.change(
        "INSERT INTO tenant_policies (tenant_id, max_steps_in_flight) VALUES (:id, 8)",
        id=desk.database.tenant_id,
    )
    for _ in range(20):
        await desk.accept()
        await desk.accept(lane=Lane.BACKGROUND)
    async with desk.database.system.system() as session:
        await beat(session, owner=desk.owner, capacity=64)
        floor = await dispatch.look(session, stale_hint_seconds=STALE)
        steps = await dispatch.next_steps(session, floor, stale_hint_seconds=STALE)
    # Background's reserve of the slots goes first, but not past what the tenant may have.
    assert len(steps) == 8


async def test_a_turn_costs_no_more_however_many_steps_wait(desk: Desk) -> None:
    long = await long_job(desk, 10_000)
    short = await desk.accept(colleague=True)
    costs = []
    for _ in range(5):
        async with desk.database.system.system() as session:
            started = time.perf_counter()
            floor = await dispatch.look(session, stale_hint_seconds=STALE)
            picked = await dispatch.pick(
                session, lane=Lane.INTERACTIVE, slots=8, stale_hint_seconds=STALE, resting=()
            )
            costs.append(time.perf_counter() - started)
        assert floor.waiting == {Lane.INTERACTIVE}
        assert Counter(step.job_id for step in picked) == {long: 7, short: 1}
    assert min(costs) < 0.1
