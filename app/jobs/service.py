"""Reading jobs: what doors and the runner ask for. The verbs that change work have a file each."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.repository import JobRepository, JobView, Predecessor
from app.vocabulary import JobState

__all__ = ["JobView", "Predecessor", "inputs", "page", "predecessors", "view"]


async def view(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, job_id: UUID) -> JobView:
    """A member's own job. Raises: `JobNotFound`."""
    return await JobRepository(session, tenant_id).view(job_id, member_id=member_id)


async def page(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    member_id: UUID,
    before: UUID | None,
    limit: int,
    states: Collection[JobState] = (),
    task_type: str | None = None,
) -> list[JobView]:
    """A member's own jobs, newest first, before the job with that id; in any state if none is named."""
    return await JobRepository(session, tenant_id).page(
        member_id=member_id, before=before, limit=limit, states=states, task_type=task_type
    )


async def inputs(session: AsyncSession, *, tenant_id: UUID, job_id: UUID) -> Sequence[UUID]:
    """The documents that a job reads, in order."""
    return await JobRepository(session, tenant_id).inputs(job_id)


async def predecessors(
    session: AsyncSession, *, tenant_id: UUID, job_id: UUID, step_id: UUID
) -> list[Predecessor]:
    """The steps that a step waited for, by ordinal."""
    return await JobRepository(session, tenant_id).predecessors(job_id, step_id)
