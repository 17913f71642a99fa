"""A job that waits for its member: set aside, resumed, cancelled, too late."""

from uuid import UUID

import pytest

from app.core.clock import new_id
from app.jobs import waiting
from app.jobs.cancel import cancel
from app.jobs.dispatch import look, next_steps
from app.jobs.errors import JobNotFound, JobNotWaiting, LeaseLost
from app.jobs.leases import ClaimedStep, beat
from app.jobs.reap import fail_overdue
from app.jobs.resume import resume, resume_funded, waiting_job
from app.jobs.waiting import Waiting, expire_waiting
from app.vocabulary import StepKind
from tests.jobs.conftest import Desk
from tests.jobs.test_complete import planned, taken

ASKED = {"code": "consent_required", "message": "Somebody must agree.", "scope": "api://x/.default"}


async def wait(desk: Desk, step: ClaimedStep, *, seconds: float = 60.0, code: str = "") -> Waiting:
    asked = {**ASKED, "code": code} if code else ASKED
    async with desk.database.app.tenant(step.tenant_id) as session:
        return await waiting.wait(
            session, step, reason=waiting.NEEDS_USER, waiting_for=asked, seconds=seconds
        )


async def go_on(desk: Desk, job_id: UUID, *, member_id: UUID | None = None) -> None:
    async with desk.database.app.tenant(desk.database.tenant_id) as session:
        await resume(
            session,
            tenant_id=desk.database.tenant_id,
            member_id=member_id or desk.database.member_id,
            job_id=job_id,
        )


async def ready(desk: Desk) -> list[UUID]:
    """The steps that a dispatcher would start now."""
    async with desk.database.system.system() as session:
        await beat(session, owner=desk.owner, capacity=50)
        floor = await look(session, stale_hint_seconds=2.0)
        return [step.id for step in await next_steps(session, floor, stale_hint_seconds=2.0)]


async def test_a_waiting_job_holds_no_lease_and_is_offered_to_nobody(desk: Desk) -> None:
    job_id = await desk.accept()
    step = await desk.claimed(job_id)

    waiting = await wait(desk, step)

    job, (row,) = await desk.job(job_id), await desk.steps(job_id)
    assert (job["state"], job["waiting_reason"], job["waiting_for"]) == ("waiting", "needs_user", ASKED)
    assert waiting.body() == {"reason": "needs_user", "expires_at": job["expires_at"].isoformat(), **ASKED}
    assert (row["state"], row["attempt"], row["lease_owner"]) == ("blocked", 0, None)
    assert await ready(desk) == []
    assert await desk.claim(step.id) is None


async def test_a_resumed_job_goes_on_where_it_was_and_its_wait_does_not_count(desk: Desk) -> None:
    job_id = await desk.accept()
    step = await desk.claimed(job_id)
    before = (await desk.job(job_id))["deadline_at"]
    await wait(desk, step)
    await desk.change("UPDATE jobs SET waiting_at = waiting_at - interval '2 hours'")

    await go_on(desk, job_id)

    job = await desk.job(job_id)
    assert (job["state"], job["waiting_for"], job["expires_at"]) == ("running", None, None)
    assert 7200 <= (job["deadline_at"] - before).total_seconds() < 7230
    assert await ready(desk) == [step.id]
    again = await taken(desk, step.id)
    assert (again.attempt, again.fencing, again.starts_job) == (1, 2, True)
    assert (await desk.finish(again, result=b"done")).state == "succeeded"


async def test_a_holder_whose_job_waits_writes_nothing_more(desk: Desk) -> None:
    job_id = await desk.accept()
    step = await desk.claimed(job_id)
    await wait(desk, step)
    with pytest.raises(LeaseLost):
        await desk.finish(step, result=b"late")
    with pytest.raises(LeaseLost):
        await wait(desk, step)


async def test_of_steps_that_ask_at_once_the_first_counts_and_all_are_resumed(desk: Desk) -> None:
    job_id, maps, final_id = await planned(desk, maps=4)
    first, second, running = [await taken(desk, step_id) for step_id in maps[:3]]

    await wait(desk, first, code="first")
    expires_at = (await desk.job(job_id))["expires_at"]
    told = await wait(desk, second, code="second", seconds=9000)

    assert (told.waiting_for["code"], told.expires_at) == ("first", expires_at)
    # What runs goes on, what is queued does not start.
    assert (await desk.finish(running)).state == "waiting"
    assert await ready(desk) == []
    await go_on(desk, job_id)
    assert sorted(await ready(desk)) == sorted([maps[0], maps[1], maps[3]])
    for step_id in (maps[0], maps[1], maps[3]):
        await desk.finish(await taken(desk, step_id))
    assert (await desk.finish(await taken(desk, final_id), result=b"x")).state == "succeeded"


async def test_nobody_resumes_the_job_of_another_or_one_that_does_not_wait(desk: Desk) -> None:
    job_id = await desk.accept()
    with pytest.raises(JobNotWaiting, match="queued"):
        await go_on(desk, job_id)
    step = await desk.claimed(job_id)
    await wait(desk, step)
    with pytest.raises(JobNotFound):
        await go_on(desk, job_id, member_id=desk.database.colleague_id)
    with pytest.raises(JobNotFound):
        await go_on(desk, new_id())
    await go_on(desk, job_id)
    with pytest.raises(JobNotWaiting, match="running"):
        await go_on(desk, job_id)


async def test_a_job_that_waits_too_long_fails_and_cannot_be_resumed(desk: Desk) -> None:
    job_id = await desk.accept()
    await wait(desk, await desk.claimed(job_id))
    patient = await desk.accept()
    await wait(desk, await desk.claimed(patient))
    await desk.change(
        "UPDATE jobs SET expires_at = clock_timestamp() - interval '1 s' WHERE id = :id", id=job_id
    )
    with pytest.raises(JobNotWaiting, match="over its time"):
        await go_on(desk, job_id)

    async with desk.database.system.system() as session:
        assert await expire_waiting(session) == [job_id]
        assert await expire_waiting(session) == []

    job, (step,) = await desk.job(job_id), await desk.steps(job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "needs_user_expired")
    assert (step["state"], job["finished_at"] is not None) == ("cancelled", True)
    assert (await desk.job(patient))["state"] == "waiting"


async def test_a_waiting_job_is_not_overdue_however_long_ago_its_deadline_was(desk: Desk) -> None:
    job_id = await desk.accept()
    await wait(desk, await desk.claimed(job_id))
    await desk.change("UPDATE jobs SET deadline_at = clock_timestamp() - interval '1 day'")
    async with desk.database.system.system() as session:
        assert await fail_overdue(session) == []
    assert (await desk.job(job_id))["state"] == "waiting"


async def test_a_job_that_waits_for_money_goes_on_when_its_budget_begins_anew(desk: Desk) -> None:
    past, future = await desk.claimed(await desk.accept()), await desk.claimed(await desk.accept())
    for step, resets_at in ((past, "2026-11-01T00:00:00+00:00"), (future, "2999-01-01T00:00:00+00:00")):
        async with desk.database.app.tenant(step.tenant_id) as session:
            await waiting.wait(
                session, step, reason=waiting.BUDGET, waiting_for={"resets_at": resets_at}, seconds=60
            )
    async with desk.database.system.system() as session:
        assert await resume_funded(session) == [past.job_id]
        assert await resume_funded(session) == []
    assert await ready(desk) == [past.id]

    async with desk.database.app.tenant(desk.database.tenant_id) as session:
        assert await resume_funded(session, tenant_id=desk.database.tenant_id) == [future.job_id]
    assert sorted(await ready(desk)) == sorted([past.id, future.id])


async def test_a_job_that_waits_for_money_in_its_currency_looks_every_five_minutes(desk: Desk) -> None:
    step = await desk.claimed(await desk.accept())
    async with desk.database.app.tenant(step.tenant_id) as session:
        await waiting.wait(
            session, step, reason=waiting.BUDGET, waiting_for={"code": "budget_currency"}, seconds=600
        )
    for minutes, resumed in ((4, []), (5, [step.job_id])):
        await desk.change(
            "UPDATE jobs SET waiting_at = clock_timestamp() - make_interval(mins => :minutes)",
            minutes=minutes,
        )
        async with desk.database.system.system() as session:
            assert await resume_funded(session) == resumed
    assert await ready(desk) == [step.id]


async def test_a_job_that_looks_again_in_vain_waits_no_longer_than_was_said_at_first(desk: Desk) -> None:
    step, ends = await desk.claimed(await desk.accept()), set()
    for _ in range(3):
        async with desk.database.app.tenant(step.tenant_id) as session:
            waits = await waiting.wait(
                session, step, reason=waiting.BUDGET, waiting_for={"code": "budget_currency"}, seconds=600
            )
        ends.add(waits.expires_at)
        await desk.change("UPDATE jobs SET waiting_at = clock_timestamp() - interval '5 minutes'")
        async with desk.database.system.system() as session:
            assert await resume_funded(session) == [step.job_id]
        step = await desk.claimed(step.job_id)
    assert len(ends) == 1
    async with desk.database.app.tenant(step.tenant_id) as session:
        resets = {"code": "budget_exhausted", "resets_at": "2027-01-01T00:00:00+00:00"}
        later = await waiting.wait(session, step, reason=waiting.BUDGET, waiting_for=resets, seconds=6000)
    assert later.expires_at > max(ends)
    await desk.change('UPDATE jobs SET waiting_for = waiting_for || \'{"resets_at": "2020-01-01"}\'')
    async with desk.database.system.system() as session:
        assert await resume_funded(session) == [step.job_id]
    assert (await desk.job(step.job_id))["expires_at"] is None


async def test_a_job_that_waits_for_money_too_long_says_so(desk: Desk) -> None:
    step = await desk.claimed(await desk.accept())
    async with desk.database.app.tenant(step.tenant_id) as session:
        await waiting.wait(session, step, reason=waiting.BUDGET, waiting_for={}, seconds=-1)
    async with desk.database.system.system() as session:
        assert await expire_waiting(session) == [step.job_id]
    assert (await desk.job(step.job_id))["error"]["code"] == "budget_expired"


async def test_a_waiting_job_can_be_cancelled(desk: Desk) -> None:
    job_id = await desk.accept(first_step=StepKind.FETCH)
    await wait(desk, await desk.claimed(job_id))
    tenant_id, member_id = desk.database.tenant_id, desk.database.member_id
    async with desk.database.app.tenant(tenant_id) as session:
        await cancel(session, tenant_id=tenant_id, member_id=member_id, job_id=job_id)
        with pytest.raises(JobNotWaiting, match="cancelled"):
            await waiting_job(session, tenant_id=tenant_id, member_id=member_id, job_id=job_id)
    assert [step["state"] for step in await desk.steps(job_id)] == ["cancelled"]
