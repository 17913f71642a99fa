import asyncio

import pytest

from app.core.clock import new_id
from app.core.crypto import Sealer
from app.jobs.accept import request_hash
from app.jobs.errors import IdempotencyKeyReused, JobNotFound, TooManyJobs
from app.jobs.repository import JobRepository
from app.vocabulary import JobState
from tests.jobs.conftest import Desk


async def test_accept_writes_the_job_and_its_first_step_together(desk: Desk) -> None:
    job_id = await desk.accept()
    job, steps = await desk.job(job_id), await desk.steps(job_id)
    assert (job["state"], job["steps_total"]) == ("queued", 1)
    assert [(step["state"], step["kind"], step["fencing"]) for step in steps] == [("queued", "final", 0)]


async def test_parameters_are_sealed_at_rest(desk: Desk) -> None:
    job_id = await desk.accept(parameters={"focus": "the merger"})
    assert b"merger" not in (await desk.job(job_id))["sealed_parameters"]


async def test_fifty_equal_requests_at_once_make_one_job(desk: Desk) -> None:
    digest = request_hash(desk.sealer, {"task_type": "summarize"})
    ids = await asyncio.gather(*(desk.accept(idempotency=("key-1", digest)) for _ in range(50)))
    assert len(set(ids)) == 1
    assert len(await desk.rows("SELECT id FROM jobs")) == 1
    assert len(await desk.rows("SELECT id FROM job_steps")) == 1


async def test_a_key_used_for_another_body_is_a_conflict(desk: Desk) -> None:
    await desk.accept(idempotency=("key-1", request_hash(desk.sealer, {"a": 1})))
    with pytest.raises(IdempotencyKeyReused):
        await desk.accept(idempotency=("key-1", request_hash(desk.sealer, {"a": 2})))


async def test_the_same_key_of_another_tenant_is_another_job(desk: Desk) -> None:
    digest = request_hash(desk.sealer, {"a": 1})
    mine = await desk.accept(idempotency=("key-1", digest))
    theirs = await desk.accept(idempotency=("key-1", digest), other_tenant=True)
    assert mine != theirs


async def test_a_full_queue_is_refused_with_a_time_to_come_back(desk: Desk) -> None:
    await desk.accept(max_jobs_queued=2)
    await desk.accept(max_jobs_queued=2)
    with pytest.raises(TooManyJobs) as refused:
        await desk.accept(max_jobs_queued=2)
    assert refused.value.status == 429
    assert refused.value.retry_after_seconds


async def test_a_job_is_visible_to_its_member_only(desk: Desk) -> None:
    job_id = await desk.accept()
    database = desk.database
    async with database.app.tenant(database.tenant_id) as session:
        jobs = JobRepository(session, database.tenant_id)
        assert (await jobs.view(job_id, member_id=database.member_id)).state is JobState.QUEUED
        assert [job.id for job in await jobs.page(member_id=database.member_id, before=None, limit=10)] == [
            job_id
        ]
        with pytest.raises(JobNotFound):
            await jobs.view(job_id, member_id=database.colleague_id)
    async with database.app.tenant(database.other_tenant_id) as session:
        with pytest.raises(JobNotFound):
            await JobRepository(session, database.other_tenant_id).view(
                job_id, member_id=database.other_member_id
            )
        # Even with the right ids in hand, row-level security shows nothing of another tenant.
        with pytest.raises(JobNotFound):
            await JobRepository(session, database.tenant_id).view(job_id, member_id=database.member_id)


def test_a_request_hash_is_keyed_and_does_not_depend_on_the_order_of_keys() -> None:
    one, other = (Sealer(new_id(), {1: key * 32}) for key in (b"a", b"b"))
    assert request_hash(one, {"a": 1, "b": 2}) == request_hash(one, {"b": 2, "a": 1})
    assert request_hash(one, {"a": 1}) != request_hash(other, {"a": 1})
