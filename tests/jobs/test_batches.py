"""The rows of batches: what is counted, woken, held, resumed, cancelled and removed together."""

from uuid import UUID

import pytest

from app.core.clock import new_id
from app.jobs import batches, cancel, dispatch
from app.jobs.batches import BatchCounts, NewItem
from app.jobs.errors import BatchNotFound, JobNotFinished, LeaseLost
from app.jobs.leases import ClaimedStep, beat
from app.jobs.removing import Removed, remove
from app.jobs.repository import JobRepository
from app.jobs.resume import resume
from app.jobs.waiting import NEEDS_USER, wait
from app.vocabulary import BatchItemState, Lane, StepKind
from tests.jobs.conftest import Desk

STALE = 2.0
ASKED = {"code": "consent_required", "message": "Agree."}


async def batch_of(desk: Desk, *, items: int, made: int = 0) -> tuple[UUID, list[UUID]]:
    """A batch of so many documents, the first of which have jobs; gives its id and theirs."""
    batch_id = await desk.accept(is_batch=True, first_step=StepKind.BATCH, lane=Lane.BACKGROUND)
    jobs = [await desk.accept(batch_id=batch_id, lane=Lane.BACKGROUND) for _ in range(made)]
    async with desk.database.app.tenant(desk.database.tenant_id) as session:
        ids = {"tenant_id": desk.database.tenant_id, "batch_id": batch_id}
        await batches.add_items(session, [NewItem() for _ in range(items)], **ids)
        for ordinal, job_id in enumerate(jobs):
            await batches.write_item(session, **ids, ordinal=ordinal, job_id=job_id)
    return batch_id, jobs


async def count(desk: Desk, batch_id: UUID) -> BatchCounts:
    async with desk.database.app.tenant(desk.database.tenant_id) as session:
        found = await batches.count(
            session, tenant_id=desk.database.tenant_id, batch_ids=[batch_id, new_id()]
        )
    return found[batch_id]


async def rest(desk: Desk, step: ClaimedStep, *, seconds: float = 60.0) -> None:
    async with desk.database.app.tenant(step.tenant_id) as session:
        await batches.rest(session, step, seconds=seconds, counts=await count(desk, step.job_id))


async def set_aside(desk: Desk, job_id: UUID) -> None:
    step = await desk.claimed(job_id)
    async with desk.database.app.tenant(step.tenant_id) as session:
        await wait(session, step, reason=NEEDS_USER, waiting_for=ASKED, seconds=600)


async def due_seconds(desk: Desk, batch_id: UUID) -> float:
    (row,) = await desk.rows(
        "SELECT extract(epoch FROM run_after - clock_timestamp())::float AS seconds FROM job_steps WHERE job_id = :id",
        id=batch_id,
    )
    return float(row["seconds"])


async def test_how_far_each_document_is_follows_from_what_is_there(desk: Desk) -> None:
    batch_id, (done, running, gone) = await batch_of(desk, items=6, made=3)
    await desk.finish(await desk.claimed(done), result=b"{}")
    await desk.claimed(running)
    await desk.change("DELETE FROM jobs WHERE id = :id", id=gone)
    async with desk.database.app.tenant(desk.database.tenant_id) as session:
        ids = {"tenant_id": desk.database.tenant_id, "batch_id": batch_id}
        await batches.write_item(session, **ids, ordinal=3, error={"code": "job_too_large"})

    found = await count(desk, batch_id)

    assert {str(state): number for state, number in found.states.items()} == {
        "succeeded": 1,
        "running": 1,
        "removed": 1,
        "failed": 1,
        "queued": 2,
    }
    assert (found.total, found.unmade, found.open, found.ended) == (6, 2, 1, 3)
    async with desk.database.app.tenant(desk.database.tenant_id) as session:
        left = await batches.unmade(session, **ids, limit=10)
        own = {"tenant_id": desk.database.tenant_id, "batch_id": batch_id}
        shown = await batches.page(session, **own, after=2, limit=2, states=())
        failed = await batches.page(session, **own, after=None, limit=9, states=[BatchItemState.FAILED])
    assert [one.ordinal for one in left] == [4, 5]
    assert [(one.ordinal, one.state) for one in shown] == [(3, "failed"), (4, "queued")]
    assert [one.error for one in failed] == [{"code": "job_too_large"}]


async def test_a_batch_rests_without_an_attempt_and_the_end_of_a_job_wakes_it(desk: Desk) -> None:
    batch_id, (job_id, other) = await batch_of(desk, items=3, made=2)
    await desk.change("UPDATE job_steps SET attempt = 2 WHERE job_id = :id", id=batch_id)
    step = await desk.claimed(batch_id)
    await rest(desk, step)
    (row,) = await desk.steps(batch_id)
    assert (row["state"], row["attempt"], row["error_chain"]) == ("queued", 0, [])
    job = await desk.job(batch_id)
    assert (job["state"], job["steps_done"], job["steps_total"]) == ("running", 0, 4)
    assert await due_seconds(desk, batch_id) > 50
    with pytest.raises(LeaseLost):
        await rest(desk, step)

    await desk.finish(await desk.claimed(job_id), result=b"{}")
    assert await due_seconds(desk, batch_id) < 1

    await desk.change("UPDATE job_steps SET run_after = clock_timestamp() + interval '60 s'")
    async with desk.database.app.tenant(desk.database.tenant_id) as session:
        await cancel.cancel(
            session,
            tenant_id=desk.database.tenant_id,
            member_id=desk.database.member_id,
            job_id=other,
        )
    assert await due_seconds(desk, batch_id) < 1


async def test_whoever_resumes_a_batch_or_one_of_its_jobs_resumes_all_that_wait_by_the_same_session(
    desk: Desk,
) -> None:
    old, new = new_id(), new_id()
    for resumed in (0, 1):
        batch_id, jobs = await batch_of(desk, items=5, made=3)
        await desk.change(
            "UPDATE jobs SET graph_session_id = :old WHERE batch_id = :id", old=old, id=batch_id
        )
        for one in (jobs[0], jobs[1], batch_id):
            await set_aside(desk, one)
        async with desk.database.app.tenant(desk.database.tenant_id) as session:
            ids = {"tenant_id": desk.database.tenant_id, "batch_id": batch_id}
            held = await batches.held(session, **ids)
            assert held is not None
            assert (held.job_id, held.reason, held.waiting_for) == (jobs[0], NEEDS_USER, ASKED)
            assert 590 < held.seconds <= 600
            await resume(
                session,
                tenant_id=desk.database.tenant_id,
                member_id=desk.database.member_id,
                job_id=(batch_id, jobs[1])[resumed],
                graph_session_id=new,
            )
            assert await batches.held(session, **ids) is None
        rows = await desk.rows(
            "SELECT j.state, j.graph_session_id, s.state AS step FROM jobs j JOIN job_steps s ON s.job_id = j.id"
            " WHERE j.batch_id = :id ORDER BY j.id",
            id=batch_id,
        )
        assert [(row["state"], row["step"]) for row in rows] == [("running", "queued")] * 3 + [
            ("queued", "queued")
        ]
        assert {row["graph_session_id"] for row in rows} == {new}


async def test_cancelling_a_batch_ends_its_open_jobs_and_makes_no_more(desk: Desk) -> None:
    batch_id, (done, running) = await batch_of(desk, items=4, made=2)
    await desk.finish(await desk.claimed(done), result=b"{}")
    step, driver = await desk.claimed(running), await desk.claimed(batch_id)
    beside = await desk.accept()
    ids = {"tenant_id": desk.database.tenant_id, "member_id": desk.database.member_id}
    async with desk.database.app.tenant(desk.database.tenant_id) as session:
        await cancel.cancel(session, tenant_id=ids["tenant_id"], member_id=ids["member_id"], job_id=batch_id)

    found = await count(desk, batch_id)

    assert (found.of(BatchItemState.SUCCEEDED), found.of(BatchItemState.CANCELLED)) == (1, 3)
    assert (await desk.job(beside))["state"] == "queued"
    with pytest.raises(LeaseLost):
        await desk.finish(step, result=b"{}")
    with pytest.raises(LeaseLost):
        await rest(desk, driver)


async def test_a_batch_goes_with_its_jobs_once_all_have_ended(desk: Desk) -> None:
    batch_id, (job_id,) = await batch_of(desk, items=1, made=1)
    ids = {"tenant_id": desk.database.tenant_id, "member_id": desk.database.member_id}
    await desk.change("UPDATE jobs SET state = 'failed' WHERE id = :id", id=batch_id)

    async def removed(job: UUID) -> Removed:
        async with desk.database.app.tenant(desk.database.tenant_id) as session:
            return await remove(session, **ids, job_id=job)

    with pytest.raises(JobNotFinished):
        await removed(batch_id)
    await desk.finish(await desk.claimed(job_id), result=b"{}")
    assert (await removed(batch_id)).jobs == {batch_id, job_id}
    assert await desk.rows("SELECT 1 FROM jobs UNION ALL SELECT 1 FROM batch_items") == []


async def test_jobs_of_a_batch_stand_in_it_and_not_among_the_members_own(desk: Desk) -> None:
    batch_id, (job_id,) = await batch_of(desk, items=1, made=1)
    plain = await desk.accept()
    own = {"member_id": desk.database.member_id, "before": None, "limit": 10}
    async with desk.database.app.tenant(desk.database.tenant_id) as session:
        repository = JobRepository(session, desk.database.tenant_id)
        assert [one.id for one in await repository.page(**own)] == [plain]  # type: ignore[arg-type]
        assert [one.id for one in await repository.page(**own, batches=True)] == [batch_id]  # type: ignore[arg-type]
        for member_id, wanted in (
            (desk.database.colleague_id, batch_id),
            (desk.database.member_id, job_id),
            (desk.database.member_id, plain),
        ):
            with pytest.raises(BatchNotFound):
                await batches.find_batch(
                    session,
                    tenant_id=desk.database.tenant_id,
                    member_id=member_id,
                    batch_id=wanted,
                )


async def test_background_leaves_a_part_of_a_tenants_steps_in_flight_to_people_who_wait(desk: Desk) -> None:
    async with desk.database.system.system() as session:
        await beat(session, owner=desk.owner, capacity=200)
    await desk.change(
        "INSERT INTO tenant_policies (tenant_id, max_steps_in_flight) VALUES (:id, 16)",
        id=desk.database.tenant_id,
    )
    for _ in range(17):
        await desk.accept(lane=Lane.BACKGROUND)
    for _ in range(3):
        await desk.accept()

    async def picked(lane: Lane) -> int:
        async with desk.database.system.system() as session:
            steps = await dispatch.pick(session, lane=lane, slots=100, stale_hint_seconds=STALE)
            await dispatch.mark_hinted(session, [(step, None) for step in steps])
            return len(steps)

    assert await picked(Lane.BACKGROUND) == 14
    assert await picked(Lane.INTERACTIVE) == 2
    assert (await picked(Lane.BACKGROUND), await picked(Lane.INTERACTIVE)) == (0, 0)
