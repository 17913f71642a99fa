"""Removing one job that has ended, with all that hangs on it: steps, checkpoints, result, feedback, keys."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.errors import JobNotFinished, JobNotFound
from app.jobs.repository import JobRepository
from app.jobs.states import FINAL_JOB_STATES
from app.jobs.tables import Job


async def remove(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, job_id: UUID) -> Sequence[UUID]:
    """Remove an own job; gives the documents that it read. Its calls stay in the ledger.

    Raises: `JobNotFound`, `JobNotFinished`.
    """
    mine = (Job.tenant_id == tenant_id, Job.id == job_id, Job.member_id == member_id)
    state = await session.scalar(select(Job.state).where(*mine).with_for_update())
    if state is None:
        raise JobNotFound(job_id)
    if state not in FINAL_JOB_STATES:
        raise JobNotFinished(job_id)
    documents = await JobRepository(session, tenant_id).inputs(job_id)
    await session.execute(delete(Job).where(*mine).execution_options(synchronize_session=False))
    return documents
