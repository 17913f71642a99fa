"""Cancelling: the job is over at once; running steps lose the right to write and are told to stop."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record
from app.jobs.complete import end_steps
from app.jobs.errors import JobNotFound
from app.jobs.notify import notify_cancelled
from app.jobs.states import FINAL_JOB_STATES, OPEN_JOB_STATES
from app.jobs.tables import Job
from app.jobs.waking import wake_batch
from app.vocabulary import JobState


async def cancel(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    member_id: UUID,
    job_id: UUID,
    actor_kind: ActorKind = ActorKind.MEMBER,
) -> JobState:
    """Cancel an own job of a member, person or program, and give its state; a job that has ended stays as it ended.

    With a batch those of its jobs end that have not. Raises: `JobNotFound`.
    """
    found = (
        await session.execute(
            select(Job.state, Job.batch_id)
            .where(Job.tenant_id == tenant_id, Job.id == job_id, Job.member_id == member_id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if found is None:
        raise JobNotFound(job_id)
    if found.state in FINAL_JOB_STATES:
        return JobState(found.state)
    await _end(session, tenant_id, job_id)
    if found.batch_id == job_id:
        for one in await _open_jobs(session, tenant_id, job_id):
            await _end(session, tenant_id, one)
    else:
        await wake_batch(session, tenant_id, found.batch_id)
    await record(
        session,
        tenant_id=tenant_id,
        actor=Actor(actor_kind, member_id),
        action=AuditAction.JOB_CANCEL,
        target_type="job",
        target_id=str(job_id),
    )
    return JobState.CANCELLED


async def _end(session: AsyncSession, tenant_id: UUID, job_id: UUID) -> None:
    await end_steps(session, tenant_id, job_id)
    await session.execute(
        update(Job)
        .where(Job.tenant_id == tenant_id, Job.id == job_id)
        .values(
            state=JobState.CANCELLED,
            cancel_requested_at=func.clock_timestamp(),
            finished_at=func.clock_timestamp(),
        )
        .execution_options(synchronize_session=False)
    )
    await notify_cancelled(session, job_id)


async def _open_jobs(session: AsyncSession, tenant_id: UUID, batch_id: UUID) -> Sequence[UUID]:
    """The open jobs of a batch, whose own row is locked: no more are made."""
    rows = await session.scalars(
        select(Job.id)
        .where(Job.tenant_id == tenant_id, Job.batch_id == batch_id, Job.state.in_(OPEN_JOB_STATES))
        .order_by(Job.id)
        .with_for_update(key_share=True)
    )
    return rows.all()
