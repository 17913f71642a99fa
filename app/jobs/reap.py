"""Expired leases: back to the queue, or dead after the last attempt. Runs in the system role, one leader."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.complete import Progress, after_death
from app.jobs.notify import notify_steps
from app.jobs.tables import Job, JobStep, WorkerHeartbeat
from app.vocabulary import JobState, StepKind, StepState

_LEADER = 7_203_001
"""Advisory lock of the reaper: whoever holds it in a transaction is the leader for that transaction."""

_LONGEST_QUEUED = timedelta(days=1)
_TOO_LATE = {
    "code": "deadline_passed",
    "message": "The job did not finish in time; send a smaller document or try again.",
}
_NEVER_STARTED = {
    "code": "never_started",
    "message": "Nothing could take up the job within a day; try again or ask your operator.",
}


@dataclass(frozen=True)
class Reaped:
    """A step whose lease had expired. `progress` is set when its death changed the job."""

    tenant_id: UUID
    job_id: UUID
    step_id: UUID
    progress: Progress | None


async def lead(session: AsyncSession, lock: int = _LEADER) -> bool:
    """Try to be the leader until this transaction ends."""
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(lock))))


async def reap(session: AsyncSession, *, max_attempts: int, limit: int = 100) -> list[Reaped]:
    """Take back up to `limit` steps whose lease has expired."""
    expired = await session.execute(
        select(JobStep.tenant_id, JobStep.job_id, JobStep.id)
        .where(JobStep.state == StepState.RUNNING, JobStep.lease_expires_at < func.clock_timestamp())
        .order_by(JobStep.job_id)
        .limit(limit)
    )
    reaped = [
        found
        for row in expired.all()
        if (found := await _reap_one(session, row.tenant_id, row.job_id, row.id, max_attempts))
    ]
    if reaped:
        await notify_steps(session)
    return reaped


async def _reap_one(
    session: AsyncSession, tenant_id: UUID, job_id: UUID, step_id: UUID, max_attempts: int
) -> Reaped | None:
    job = (
        await session.execute(
            select(Job.on_dead, (Job.deadline_at < func.clock_timestamp()).label("too_late"))
            .where(Job.tenant_id == tenant_id, Job.id == job_id)
            .with_for_update(key_share=True)
        )
    ).one()
    still_expired = (
        JobStep.tenant_id == tenant_id,
        JobStep.id == step_id,
        JobStep.state == StepState.RUNNING,
        JobStep.lease_expires_at < func.clock_timestamp(),
    )
    step = (
        await session.execute(
            select(JobStep.attempt, JobStep.kind, JobStep.successor_step_id).where(*still_expired)
        )
    ).one_or_none()
    if step is None:
        return None
    dead = step.attempt >= max_attempts or job.too_late
    lost = f"The workers that tried this step stopped {step.attempt} times; try again or ask your operator."
    error = _TOO_LATE if job.too_late else {"code": "worker_lost", "message": lost}
    await session.execute(
        update(JobStep)
        .where(*still_expired)
        .values(
            state=StepState.DEAD if dead else StepState.QUEUED,
            lease_owner=None,
            lease_expires_at=None,
            hinted_at=None,
            hint_count=0,
            reservation=None,
            **({"error": error, "finished_at": func.clock_timestamp()} if dead else {}),
        )
        .execution_options(synchronize_session=False)
    )
    progress = None
    if dead:
        progress = await after_death(
            session,
            tenant_id=tenant_id,
            job_id=job_id,
            successor_step_id=step.successor_step_id,
            kind=StepKind(step.kind),
            error=error,
            on_dead=job.on_dead,
        )
    return Reaped(tenant_id, job_id, step_id, progress)


async def fail_overdue(session: AsyncSession, *, limit: int = 100) -> list[UUID]:
    """Fail open jobs whose time is over, whatever holds their steps up; gives their ids.

    A running job may take until its deadline, one that never started may wait in the queue for a day.
    """
    now = func.clock_timestamp()
    overdue = or_(
        and_(Job.state == JobState.RUNNING, Job.deadline_at < now),
        and_(
            Job.state == JobState.QUEUED,
            func.coalesce(Job.start_after, Job.created_at) < now - _LONGEST_QUEUED,
        ),
    )
    jobs = await session.execute(
        select(Job.tenant_id, Job.id, Job.state)
        .where(overdue)
        .order_by(Job.id)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    found = jobs.all()
    for job in found:
        await after_death(
            session,
            tenant_id=job.tenant_id,
            job_id=job.id,
            successor_step_id=None,
            kind=StepKind.FINAL,
            error=_TOO_LATE if job.state == JobState.RUNNING else _NEVER_STARTED,
            on_dead="fail",
        )
    return [job.id for job in found]


async def forget_dead_workers(session: AsyncSession, *, seconds: float = 60.0) -> None:
    """Remove heartbeats of processes not seen for `seconds`."""
    await session.execute(
        delete(WorkerHeartbeat).where(
            WorkerHeartbeat.seen_at < func.clock_timestamp() - text(f"interval '{seconds:.3f} seconds'")
        )
    )
