"""Resuming: what the job waited for is done or there, so its steps are queued again."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record
from app.jobs.errors import JobNotFound, JobNotWaiting
from app.jobs.notify import notify_steps
from app.jobs.states import OPEN_JOB_STATES
from app.jobs.tables import Job, JobStep
from app.jobs.waiting import BUDGET
from app.vocabulary import JobState, StepState

_LOOK_AGAIN = timedelta(minutes=5)
"""How long after it began to wait: prices and budgets are brought into one currency without telling the job."""


@dataclass(frozen=True)
class WaitingJob:
    """A waiting job as `resume` needs it; its row is locked."""

    reason: str
    waiting_for: dict[str, Any]
    graph_session_id: UUID | None


async def waiting_job(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, job_id: UUID) -> WaitingJob:
    """A member's own job that waits and is not too late. Raises: `JobNotFound`, `JobNotWaiting`."""
    row = (
        await session.execute(
            select(
                Job.state,
                Job.waiting_reason,
                Job.waiting_for,
                Job.graph_session_id,
                (Job.expires_at < func.clock_timestamp()).label("too_late"),
            )
            .where(Job.tenant_id == tenant_id, Job.id == job_id, Job.member_id == member_id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if row is None:
        raise JobNotFound(job_id)
    if row.state != JobState.WAITING or row.too_late:
        raise JobNotWaiting("over its time" if row.state == JobState.WAITING else row.state)
    return WaitingJob(row.waiting_reason, row.waiting_for or {}, row.graph_session_id)


async def resume(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    member_id: UUID,
    job_id: UUID,
    graph_session_id: UUID | None = None,
) -> None:
    """Let a member's own waiting job go on; the time it waited does not count towards its deadline.

    From now on it fetches by `graph_session_id`, if one is given. Of a batch all go on that wait: what one waited
    for, the others did, too. Raises: `JobNotFound`, `JobNotWaiting`.
    """
    together = await _lock_batch(session, tenant_id=tenant_id, member_id=member_id, job_id=job_id)
    await waiting_job(session, tenant_id=tenant_id, member_id=member_id, job_id=job_id)
    found = {} if graph_session_id is None else {"graph_session_id": graph_session_id}
    await _go_on(session, tenant_id, job_id, **found)
    for other, state in together.items():
        if other != job_id and state == JobState.WAITING:
            await _go_on(session, tenant_id, other, **found)
    if found and together:
        await session.execute(
            update(Job)
            .where(Job.tenant_id == tenant_id, Job.id.in_(together), Job.graph_session_id.is_not(None))
            .values(found)
            .execution_options(synchronize_session=False)
        )
    await record(
        session,
        tenant_id=tenant_id,
        actor=Actor(ActorKind.MEMBER, member_id),
        action=AuditAction.JOB_RESUME,
        target_type="job",
        target_id=str(job_id),
    )
    await notify_steps(session)


async def _lock_batch(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID, job_id: UUID
) -> dict[UUID, str]:
    """The open jobs of the batch that a member's own job belongs to, with their states; none where it is in none."""
    batch_id = await session.scalar(
        select(Job.batch_id).where(Job.tenant_id == tenant_id, Job.id == job_id, Job.member_id == member_id)
    )
    if batch_id is None:
        return {}
    rows = await session.execute(
        select(Job.id, Job.state)
        .where(Job.tenant_id == tenant_id, Job.batch_id == batch_id, Job.state.in_(OPEN_JOB_STATES))
        .order_by(Job.id)
        .with_for_update(key_share=True)
    )
    return {row.id: row.state for row in rows}


async def resume_funded(
    session: AsyncSession, *, tenant_id: UUID | None = None, limit: int = 200
) -> list[UUID]:
    """Let jobs that wait for money go on: those whose budget has begun anew, or all of a tenant; gives their ids.

    One that waits for something else about money than a new period looks every few minutes. Across tenants in the
    system role. A job that finds too little money again waits again.
    """
    over = (
        func.coalesce(
            Job.waiting_for["resets_at"].astext.cast(DateTime(timezone=True)), Job.waiting_at + _LOOK_AGAIN
        )
        <= func.clock_timestamp()
    )
    rows = await session.execute(
        select(Job.tenant_id, Job.id)
        .where(
            Job.state == JobState.WAITING,
            Job.waiting_reason == BUDGET,
            over if tenant_id is None else Job.tenant_id == tenant_id,
        )
        .order_by(Job.id)
        .limit(limit)
        # A tenant's are resumed once: one that somebody is writing to must not be left waiting.
        .with_for_update(skip_locked=tenant_id is None, key_share=True)
    )
    found = rows.all()
    # Whoever only looks again waits no longer than was said at first.
    only_looks = case((Job.waiting_for["resets_at"].astext.is_(None), Job.expires_at))
    kept: dict[str, Any] = {"expires_at": only_looks} if tenant_id is None else {}
    for row in found:
        await _go_on(session, row.tenant_id, row.id, **kept)
    if found:
        await notify_steps(session)
    return [row.id for row in found]


async def resume_all_funded(session: AsyncSession, *, tenant_id: UUID) -> int:
    """Let all jobs of a tenant that wait for money look again: a budget leaves more. Gives how many."""
    resumed = 0
    while found := await resume_funded(session, tenant_id=tenant_id):
        resumed += len(found)
    return resumed


async def _go_on(session: AsyncSession, tenant_id: UUID, job_id: UUID, **changes: Any) -> None:
    """The time it waited does not count towards its deadline."""
    await session.execute(
        update(Job)
        .where(Job.tenant_id == tenant_id, Job.id == job_id)
        .values(
            state=JobState.RUNNING,
            waiting_reason=None,
            waiting_for=None,
            **{
                "expires_at": None,
                "deadline_at": Job.deadline_at + (func.clock_timestamp() - Job.waiting_at),
                **changes,
            },
        )
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(JobStep)
        .where(
            JobStep.tenant_id == tenant_id,
            JobStep.job_id == job_id,
            JobStep.state == StepState.BLOCKED,
            JobStep.remaining == 0,
        )
        .values(state=StepState.QUEUED, run_after=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )
