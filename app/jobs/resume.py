"""Resuming: what the job waited for has been done, so its steps are queued again."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.errors import JobNotFound, JobNotWaiting
from app.jobs.notify import notify_steps
from app.jobs.tables import Job, JobStep
from app.vocabulary import JobState, StepState


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

    From now on it fetches by `graph_session_id`, if one is given. Raises: `JobNotFound`, `JobNotWaiting`.
    """
    await waiting_job(session, tenant_id=tenant_id, member_id=member_id, job_id=job_id)
    await session.execute(
        update(Job)
        .where(Job.tenant_id == tenant_id, Job.id == job_id)
        .values(
            state=JobState.RUNNING,
            waiting_reason=None,
            waiting_for=None,
            expires_at=None,
            graph_session_id=func.coalesce(graph_session_id, Job.graph_session_id),
            deadline_at=Job.deadline_at + (func.clock_timestamp() - Job.waiting_at),
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
    await notify_steps(session)
