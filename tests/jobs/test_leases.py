import asyncio
from uuid import UUID

import pytest

from app.core.clock import new_id
from app.jobs.complete import end_steps, retry
from app.jobs.errors import LeaseLost
from app.jobs.leases import beat, hand_back, renew
from app.jobs.reap import fail_overdue, lead, reap
from tests.jobs.conftest import Desk


async def expire(desk: Desk, step_id: UUID) -> None:
    await desk.change(
        "UPDATE job_steps SET lease_expires_at = clock_timestamp() - interval '1 s' WHERE id = :id",
        id=step_id,
    )


async def test_a_claim_raises_the_fencing_number_and_starts_the_job(desk: Desk) -> None:
    job_id = await desk.accept()
    step = await desk.claimed(job_id)
    assert (step.fencing, step.attempt) == (1, 1)
    assert 590 < step.seconds_left <= 600
    assert (await desk.job(job_id))["state"] == "running"


async def test_second_delivery_of_a_claimed_step_does_nothing(desk: Desk) -> None:
    job_id = await desk.accept()
    step = await desk.claimed(job_id)
    assert await desk.claim(step.id) is None
    assert (await desk.steps(job_id))[0]["fencing"] == 1


async def test_of_many_claims_at_once_one_wins(desk: Desk) -> None:
    step_id = await desk.first_step(await desk.accept())
    taken = await asyncio.gather(*(desk.claim(step_id, owner=new_id()) for _ in range(20)))
    assert sum(step is not None for step in taken) == 1


async def test_a_step_that_is_not_due_is_not_claimed(desk: Desk) -> None:
    step_id = await desk.first_step(await desk.accept())
    await desk.change("UPDATE job_steps SET run_after = clock_timestamp() + interval '1 hour'")
    assert await desk.claim(step_id) is None


async def test_a_step_of_a_newer_schema_is_left_alone(desk: Desk) -> None:
    step_id = await desk.first_step(await desk.accept())
    await desk.change("UPDATE job_steps SET schema_version = 99")
    assert await desk.claim(step_id) is None


async def test_renew_extends_what_is_held_and_no_more(desk: Desk) -> None:
    held = await desk.claimed(await desk.accept())
    lost = await desk.claimed(await desk.accept())
    await expire(desk, lost.id)
    async with desk.database.system.system() as session:
        assert await renew(session, owner=desk.owner, steps=[held.id], lease_seconds=30) == {held.id: 1}


async def test_a_lease_that_nobody_works_under_runs_out(desk: Desk) -> None:
    held = await desk.claimed(await desk.accept())
    await desk.claimed(await desk.accept())
    async with desk.database.system.system() as session:
        assert await renew(session, owner=desk.owner, steps=[held.id], lease_seconds=300) == {held.id: 1}
        assert await renew(session, owner=desk.owner, steps=[], lease_seconds=300) == {}
    until = [
        row["seconds"]
        for row in await desk.rows(
            "SELECT extract(epoch FROM lease_expires_at - clock_timestamp()) AS seconds FROM job_steps ORDER BY id"
        )
    ]
    assert until[0] > 100 > until[1]


async def test_the_deadline_begins_with_the_work_and_not_in_the_queue(desk: Desk) -> None:
    job_id = await desk.accept(deadline_seconds=600.0)
    await desk.change(
        "UPDATE jobs SET created_at = now() - interval '2 hours', deadline_at = now() - interval '110 minutes'"
    )
    step = await desk.claimed(job_id)
    assert 590 < step.seconds_left <= 600


async def test_a_running_job_past_its_deadline_fails_even_if_its_step_only_waits(desk: Desk) -> None:
    late, fresh = await desk.accept(), await desk.accept()
    step = await desk.claimed(late)
    async with desk.database.app.tenant(step.tenant_id) as session:
        await retry(session, step, seconds=60, counted=False, error="all_resting")
    await desk.change("UPDATE jobs SET deadline_at = now() - interval '1 second'")
    async with desk.database.system.system() as session:
        assert await fail_overdue(session) == [late]
        assert await fail_overdue(session) == []
    assert (await desk.job(late))["error"]["code"] == "deadline_passed"
    assert (await desk.steps(late))[0]["state"] == "cancelled"
    assert (await desk.job(fresh))["state"] == "queued"


async def test_a_job_that_nothing_takes_up_fails_after_a_day(desk: Desk) -> None:
    job_id = await desk.accept()
    await desk.change("UPDATE jobs SET created_at = now() - interval '25 hours'")
    async with desk.database.system.system() as session:
        assert await fail_overdue(session) == [job_id]
    assert (await desk.job(job_id))["error"]["code"] == "never_started"


async def test_renewing_and_cancelling_at_once_never_wait_in_a_circle(desk: Desk) -> None:
    jobs = [await desk.accept() for _ in range(12)]
    held = [await desk.claimed(job_id) for job_id in jobs]

    async def renewals() -> None:
        for _ in range(20):
            async with desk.database.system.system() as session:
                await renew(
                    session, owner=desk.owner, steps=[one.id for one in reversed(held)], lease_seconds=30
                )

    async def ends() -> None:
        for job_id in reversed(jobs):
            async with desk.database.app.tenant(desk.database.tenant_id) as session:
                await end_steps(session, desk.database.tenant_id, job_id)

    await asyncio.gather(renewals(), renewals(), ends())


async def test_renewal_never_passes_the_deadline(desk: Desk) -> None:
    job_id = await desk.accept(deadline_seconds=5.0)
    held = await desk.claimed(job_id)
    async with desk.database.system.system() as session:
        await renew(session, owner=desk.owner, steps=[held.id], lease_seconds=3000)
    step = (await desk.steps(job_id))[0]
    assert step["lease_expires_at"] == step["deadline_at"]


async def test_a_holder_that_lost_its_lease_writes_nothing(desk: Desk) -> None:
    job_id = await desk.accept()
    first = await desk.claimed(job_id)
    await expire(desk, first.id)
    async with desk.database.system.system() as session:
        assert await lead(session)
        assert [found.step_id for found in await reap(session, max_attempts=4)] == [first.id]
    second = await desk.claimed(job_id)
    assert second.fencing == 2
    with pytest.raises(LeaseLost):
        await desk.finish(first, result=b"late")
    await desk.finish(second, result=b"good")
    job = await desk.job(job_id)
    assert job["state"] == "succeeded"
    assert job["steps_done"] == 1


async def test_a_step_whose_workers_keep_dying_is_dead_after_the_last_attempt(desk: Desk) -> None:
    job_id = await desk.accept()
    for _ in range(3):
        step = await desk.claimed(job_id)
        await expire(desk, step.id)
        async with desk.database.system.system() as session:
            await reap(session, max_attempts=3)
    job = await desk.job(job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "worker_lost")
    assert (await desk.steps(job_id))[0]["state"] == "dead"


async def test_two_reapers_have_one_leader(desk: Desk) -> None:
    async with desk.database.system.system() as one, desk.database.system.system() as other:
        assert await lead(one)
        assert not await lead(other)


async def test_handing_back_is_not_an_attempt(desk: Desk) -> None:
    job_id = await desk.accept()
    step = await desk.claimed(job_id)
    async with desk.database.system.system() as session:
        assert await hand_back(session, owner=desk.owner, steps=[step.id]) == 1
        assert await hand_back(session, owner=new_id(), steps=[step.id]) == 0
    again = await desk.claimed(job_id)
    assert (again.attempt, again.fencing) == (1, 2)


async def test_a_retry_waits_and_counts_and_a_postponed_step_does_not_count(desk: Desk) -> None:
    job_id = await desk.accept()
    step = await desk.claimed(job_id)
    async with desk.database.app.tenant(step.tenant_id) as session:
        await retry(session, step, seconds=0.0, counted=True, error="unavailable")
    again = await desk.claimed(job_id)
    assert again.attempt == 2
    async with desk.database.app.tenant(step.tenant_id) as session:
        await retry(session, again, seconds=30.0, counted=False, error="rate_limited")
    row = (await desk.steps(job_id))[0]
    assert (row["state"], row["attempt"], row["error_chain"]) == (
        "queued",
        1,
        ["unavailable", "rate_limited"],
    )
    assert await desk.claim(row["id"]) is None


async def test_the_system_role_cannot_read_content(desk: Desk) -> None:
    await desk.accept()
    from sqlalchemy import text
    from sqlalchemy.exc import ProgrammingError

    for column in (
        "jobs.sealed_result",
        "jobs.sealed_parameters",
        "job_steps.sealed_output",
        "job_steps.sealed_input",
    ):
        async with desk.database.system.system() as session:
            with pytest.raises(ProgrammingError, match="permission denied"):
                await session.execute(text(f"SELECT {column} FROM {column.split('.')[0]}"))


async def test_heartbeats_are_one_row_a_process(desk: Desk) -> None:
    async with desk.database.system.system() as session:
        await beat(session, owner=desk.owner, capacity=4)
        await beat(session, owner=desk.owner, capacity=8)
    assert [row["capacity"] for row in await desk.rows("SELECT capacity FROM worker_heartbeats")] == [8]
