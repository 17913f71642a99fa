"""Removing one job that has ended, with all that hangs on it: steps, checkpoints, result, feedback, keys.

A batch takes its jobs along.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.errors import JobNotFinished, JobNotFound
from app.jobs.states import FINAL_JOB_STATES
from app.jobs.tables import BatchItem, Job, JobInput


@dataclass(frozen=True)
class Removed:
    """What went, and the documents that it read."""

    jobs: frozenset[UUID]
    documents: frozenset[UUID]


async def remove(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, job_id: UUID) -> Removed:
    """Remove an own job, or an own batch with its jobs. Their calls stay in the ledger.

    Raises: `JobNotFound`, `JobNotFinished`.
    """
    its_own = (Job.tenant_id == tenant_id, Job.member_id == member_id)
    rows = await session.execute(
        select(Job.id, Job.state)
        # A batch's jobs name it, and it names itself.
        .where(*its_own, or_(Job.id == job_id, Job.batch_id == job_id))
        .order_by(Job.id)
        .with_for_update()
    )
    states = {row.id: row.state for row in rows}
    if job_id not in states:
        raise JobNotFound(job_id)
    if not FINAL_JOB_STATES.issuperset(states.values()):
        raise JobNotFinished(job_id)
    read = await session.scalars(
        select(JobInput.document_id)
        .where(JobInput.tenant_id == tenant_id, JobInput.job_id.in_(states))
        .union(
            select(BatchItem.document_id).where(
                and_(BatchItem.tenant_id == tenant_id, BatchItem.batch_id == job_id),
                BatchItem.document_id.is_not(None),
            )
        )
    )
    documents = frozenset(read.all())
    await session.execute(
        delete(Job).where(*its_own, Job.id.in_(states)).execution_options(synchronize_session=False)
    )
    return Removed(frozenset(states), documents)
