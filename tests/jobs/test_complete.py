import asyncio
from uuid import UUID

import pytest

from app.jobs.cancel import cancel
from app.jobs.complete import Progress, bury
from app.jobs.errors import JobNotFound, LeaseLost
from app.jobs.leases import ClaimedStep
from app.jobs.repository import JobRepository
from app.vocabulary import JobState, StepKind
from tests.jobs.conftest import Desk


async def planned(desk: Desk, *, maps: int, on_dead: str = "partial") -> tuple[UUID, list[UUID], UUID]:
    """A job whose plan has made `maps` map steps and a final one. (job id, map ids, final id)."""
    job_id = await desk.accept(first_step=StepKind.PLAN, on_dead=on_dead)
    plan = await desk.claimed(job_id)
    final = desk.planned(StepKind.FINAL, maps, remaining=maps)
    steps = [desk.planned(StepKind.MAP, number, successor=final.id) for number in range(maps)]
    progress = await desk.finish(plan, new_steps=(*steps, final))
    assert (progress.done, progress.total) == (1, maps + 2)
    return job_id, [step.id for step in steps], final.id


async def taken(desk: Desk, step_id: UUID) -> ClaimedStep:
    step = await desk.claim(step_id)
    assert step is not None
    return step


async def bury_step(desk: Desk, step: ClaimedStep, on_dead: str) -> Progress:
    async with desk.database.app.tenant(step.tenant_id) as session:
        return await bury(
            session, step, error={"code": "invalid_output", "message": "no"}, on_dead=on_dead, decision=None
        )


async def test_a_short_job_succeeds_with_its_only_step(desk: Desk) -> None:
    job_id = await desk.accept()
    progress = await desk.finish(await desk.claimed(job_id), result=b"done", decision={"why": "it fits"})
    job = await desk.job(job_id)
    assert progress.state is JobState.SUCCEEDED
    assert (job["state"], job["decision"], job["steps_done"]) == ("succeeded", {"why": "it fits"}, 1)
    assert job["finished_at"] >= job["started_at"] >= job["created_at"]


async def test_the_last_of_many_steps_releases_its_successor_once(desk: Desk) -> None:
    job_id, maps, final_id = await planned(desk, maps=12)
    assert await desk.claim(final_id) is None
    claimed = [await taken(desk, step_id) for step_id in maps]
    await asyncio.gather(*(desk.finish(step) for step in claimed))
    final = await taken(desk, final_id)
    async with desk.database.app.tenant(final.tenant_id) as session:
        before = await JobRepository(session, final.tenant_id).predecessors(job_id, final.id)
    assert [step.id for step in before] == maps
    assert (await desk.finish(final, result=b"x")).state is JobState.SUCCEEDED


async def test_a_dead_map_step_leaves_the_job_partial(desk: Desk) -> None:
    _, maps, final_id = await planned(desk, maps=2)
    await desk.finish(await taken(desk, maps[0]))
    await bury_step(desk, await taken(desk, maps[1]), "partial")
    final = await taken(desk, final_id)
    assert (await desk.finish(final, result=b"x", partial=True)).state is JobState.PARTIAL


async def test_a_dead_merge_step_leaves_the_job_partial(desk: Desk) -> None:
    job_id = await desk.accept(first_step=StepKind.PLAN, on_dead="partial")
    plan = await desk.claimed(job_id)
    final = desk.planned(StepKind.FINAL, 4, remaining=2)
    merges = [desk.planned(StepKind.MERGE, at, remaining=1, successor=final.id) for at in (2, 3)]
    maps = [desk.planned(StepKind.MAP, at, successor=merge.id) for at, merge in enumerate(merges)]
    await desk.finish(plan, new_steps=(*maps, *merges, final))
    for step in maps:
        await desk.finish(await taken(desk, step.id))
    progress = await bury_step(desk, await taken(desk, merges[0].id), "partial")
    assert (progress.state, progress.done, progress.total) == (JobState.RUNNING, 4, 6)
    await desk.finish(await taken(desk, merges[1].id))
    last = await taken(desk, final.id)
    assert (await desk.finish(last, result=b"x", partial=True)).state is JobState.PARTIAL


@pytest.mark.parametrize("kind", [StepKind.PLAN, StepKind.FINAL])
async def test_a_dead_first_or_last_step_fails_the_job(desk: Desk, kind: StepKind) -> None:
    job_id = await desk.accept(first_step=kind, on_dead="partial")
    progress = await bury_step(desk, await desk.claimed(job_id), "partial")
    assert progress.state is JobState.FAILED


async def test_a_dead_map_step_fails_a_job_that_must_be_whole(desk: Desk) -> None:
    job_id, maps, _ = await planned(desk, maps=3, on_dead="fail")
    running = await taken(desk, maps[0])
    await bury_step(desk, await taken(desk, maps[1]), "fail")
    assert (await desk.job(job_id))["state"] == "failed"
    assert {step["state"] for step in await desk.steps(job_id)} == {"done", "dead", "cancelled"}
    with pytest.raises(LeaseLost):
        await desk.finish(running)


async def test_a_queued_job_is_cancelled_at_once(desk: Desk) -> None:
    job_id = await desk.accept()
    step_id = await desk.first_step(job_id)
    database = desk.database
    async with database.app.tenant(database.tenant_id) as session:
        state = await cancel(
            session, tenant_id=database.tenant_id, member_id=database.member_id, job_id=job_id
        )
    assert state is JobState.CANCELLED
    assert await desk.claim(step_id) is None


async def test_a_finished_job_wins_over_a_late_cancel(desk: Desk) -> None:
    job_id = await desk.accept()
    await desk.finish(await desk.claimed(job_id), result=b"x")
    database = desk.database
    async with database.app.tenant(database.tenant_id) as session:
        state = await cancel(
            session, tenant_id=database.tenant_id, member_id=database.member_id, job_id=job_id
        )
    assert state is JobState.SUCCEEDED
    assert (await desk.job(job_id))["state"] == "succeeded"


async def test_finish_and_cancel_at_once_end_in_one_state(desk: Desk) -> None:
    database = desk.database

    async def cancel_it(job_id: UUID) -> None:
        async with database.app.tenant(database.tenant_id) as session:
            await cancel(session, tenant_id=database.tenant_id, member_id=database.member_id, job_id=job_id)

    for _ in range(10):
        job_id = await desk.accept()
        step = await desk.claimed(job_id)
        ended = await asyncio.gather(
            desk.finish(step, result=b"x"), cancel_it(job_id), return_exceptions=True
        )
        job, row = await desk.job(job_id), (await desk.steps(job_id))[0]
        if isinstance(ended[0], LeaseLost):
            assert (job["state"], row["state"], job["sealed_result"]) == ("cancelled", "cancelled", None)
        else:
            assert (job["state"], row["state"]) == ("succeeded", "done")


async def test_a_colleague_cannot_cancel(desk: Desk) -> None:
    job_id = await desk.accept()
    database = desk.database
    for tenant_id, member_id in (
        (database.tenant_id, database.colleague_id),
        (database.other_tenant_id, database.other_member_id),
    ):
        async with database.app.tenant(tenant_id) as session:
            with pytest.raises(JobNotFound):
                await cancel(session, tenant_id=tenant_id, member_id=member_id, job_id=job_id)
    assert (await desk.job(job_id))["state"] == "queued"
