"""Which tables of this room hold a tenant's or a member's data, and how their open work ends."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.erasure import Erasable, by_member, by_parent, delete_found, of_tenant, older_than, table_of
from app.jobs.complete import end_steps
from app.jobs.notify import notify_cancelled
from app.jobs.states import FINAL_JOB_STATES, OPEN_JOB_STATES
from app.jobs.tables import (
    BatchItem,
    BatchSchedule,
    DispatchMemberTurn,
    DispatchTurn,
    IdempotencyKey,
    Job,
    JobFeedback,
    JobFilePart,
    JobInput,
    JobStep,
)
from app.vocabulary import JobState

TABLES: tuple[Erasable, ...] = (
    by_member(Job),
    by_member(JobStep),
    by_member(IdempotencyKey),
    by_member(JobFeedback),
    by_parent(JobInput, "job_id", Job),
    by_parent(JobFilePart, "job_id", Job),
    by_parent(BatchItem, "batch_id", Job),
    by_member(BatchSchedule),
    by_member(DispatchMemberTurn),
    of_tenant(DispatchTurn),
)


async def first_jobs(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID, limit: int
) -> Sequence[UUID]:
    """The ids of a member's jobs that an erasure removes next. Eraser role."""
    found = await session.scalars(
        select(Job.id)
        .where(Job.tenant_id == tenant_id, Job.member_id == member_id)
        .order_by(Job.id)
        .limit(limit)
    )
    return found.all()


async def delete_outdated_jobs(
    session: AsyncSession, *, tenant_id: UUID, days: float, except_members: Collection[UUID], limit: int
) -> Sequence[UUID]:
    """Delete jobs that ended more than `days` ago, with their steps and keys; gives their ids. Eraser role."""
    table = table_of(Job)
    return await delete_found(
        session,
        table,
        table.c.tenant_id == tenant_id,
        table.c.state.in_(FINAL_JOB_STATES),
        older_than(table, "finished_at", days),
        table.c.member_id.not_in(except_members),
        limit=limit,
    )


def documents_in_use(tenant_id: UUID) -> Select[UUID]:
    """The documents that jobs and batches of the tenant refer to."""
    waiting = select(BatchItem.document_id).where(
        BatchItem.tenant_id == tenant_id, BatchItem.document_id.is_not(None)
    )
    read = select(JobInput.document_id).where(JobInput.tenant_id == tenant_id)
    return select(read.union_all(waiting).subquery().c.document_id)


async def cancel_some(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID | None = None, limit: int = 100
) -> int:
    """Cancel open jobs of a tenant or a member, at most `limit`; gives how many. System role.

    Running steps lose the right to write, and their workers are told to stop.
    """
    whose = [Job.tenant_id == tenant_id, Job.state.in_(OPEN_JOB_STATES)]
    if member_id is not None:
        whose.append(Job.member_id == member_id)
    found = await session.scalars(
        select(Job.id).where(*whose).order_by(Job.id).limit(limit).with_for_update(key_share=True)
    )
    job_ids = found.all()
    for job_id in job_ids:
        await end_steps(session, tenant_id, job_id)
        await session.execute(
            update(Job)
            .where(Job.tenant_id == tenant_id, Job.id == job_id)
            .values(state=JobState.CANCELLED, finished_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )
        await notify_cancelled(session, job_id)
    return len(job_ids)
