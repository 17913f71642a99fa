"""Cancelling: the job is over at once; running steps lose the right to write and are told to stop."""

from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record
from app.jobs.complete import end_steps
from app.jobs.errors import JobNotFound
from app.jobs.notify import notify_cancelled
from app.jobs.states import FINAL_JOB_STATES
from app.jobs.tables import Job
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

    Raises: `JobNotFound`.
    """
    state = await session.scalar(
        select(Job.state)
        .where(Job.tenant_id == tenant_id, Job.id == job_id, Job.member_id == member_id)
        .with_for_update(key_share=True)
    )
    if state is None:
        raise JobNotFound(job_id)
    if state in FINAL_JOB_STATES:
        return JobState(state)
    await end_steps(session, tenant_id, job_id)
    await session.execute(
        update(Job)
        .where(Job.tenant_id == tenant_id, Job.id == job_id)
        .values(
            state=JobState.CANCELLED,
            cancel_requested_at=func.clock_timestamp(),
            finished_at=func.clock_timestamp(),
        )
    )
    await notify_cancelled(session, job_id)
    await record(
        session,
        tenant_id=tenant_id,
        actor=Actor(actor_kind, member_id),
        action=AuditAction.JOB_CANCEL,
        target_type="job",
        target_id=str(job_id),
    )
    return JobState.CANCELLED
