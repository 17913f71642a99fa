"""Jobs as a tenant's administrators see them: metadata. No name of a document, no parameter, no result."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.tables import Job
from app.vocabulary import JobState


@dataclass(frozen=True)
class JobMetadata:
    """Who let what kind of work be done, and when."""

    id: UUID
    member_id: UUID
    task_type: str
    host: str
    lane: str
    state: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_COLUMNS = tuple(getattr(Job, name) for name in JobMetadata.__dataclass_fields__)


async def tenant_page(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    member_id: UUID | None = None,
    state: JobState | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[JobMetadata]:
    """Jobs of the whole tenant or of one member, newest first, before the one with that id."""
    query = select(*_COLUMNS).where(Job.tenant_id == tenant_id).order_by(Job.id.desc()).limit(limit)
    if member_id is not None:
        query = query.where(Job.member_id == member_id)
    if state is not None:
        query = query.where(Job.state == state)
    if before is not None:
        query = query.where(Job.id < before)
    return [
        JobMetadata(**{**row._asdict(), "state": JobState(row.state)}) for row in await session.execute(query)
    ]


async def job_counts(
    session: AsyncSession, *, tenant_id: UUID, member_ids: Sequence[UUID]
) -> dict[UUID, int]:
    """How many jobs each of these members has."""
    rows = await session.execute(
        select(Job.member_id, func.count())
        .where(Job.tenant_id == tenant_id, Job.member_id.in_(member_ids))
        .group_by(Job.member_id)
    )
    found = {row[0]: int(row[1]) for row in rows}
    return {one: found.get(one, 0) for one in member_ids}
