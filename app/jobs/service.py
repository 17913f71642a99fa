"""Reading jobs: what doors and the runner ask for. The verbs that change work have a file each."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.repository import EarlierAnswer, JobRepository, JobView, Predecessor
from app.vocabulary import JobState

__all__ = [
    "EarlierAnswer",
    "JobView",
    "Predecessor",
    "earlier_answers",
    "inputs",
    "page",
    "predecessors",
    "reused_calls",
    "view",
]


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
    batches: bool = False,
) -> list[JobView]:
    """A member's own jobs, or batches, newest first, before the one with that id; in any state if none is named.

    The jobs of a batch are not among them.
    """
    return await JobRepository(session, tenant_id).page(
        member_id=member_id,
        before=before,
        limit=limit,
        states=states,
        task_type=task_type,
        batches=batches,
    )


async def inputs(session: AsyncSession, *, tenant_id: UUID, job_id: UUID) -> Sequence[UUID]:
    """The documents that a job reads, in order."""
    return await JobRepository(session, tenant_id).inputs(job_id)


async def predecessors(
    session: AsyncSession, *, tenant_id: UUID, job_id: UUID, step_id: UUID
) -> list[Predecessor]:
    """The steps that a step waited for, by ordinal."""
    return await JobRepository(session, tenant_id).predecessors(job_id, step_id)


async def earlier_answers(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID | None, hashes: Collection[bytes]
) -> dict[bytes, EarlierAnswer]:
    """Answers of finished steps by their hash; of one member's, or with None of the whole tenant's."""
    return await JobRepository(session, tenant_id).earlier_answers(hashes, member_id=member_id)


async def reused_calls(session: AsyncSession, *, tenant_id: UUID, job_id: UUID) -> Sequence[UUID]:
    """The calls whose answers a job took from earlier steps."""
    return await JobRepository(session, tenant_id).reused_calls(job_id)
