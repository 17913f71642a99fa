"""A member's own jobs, opened for that member: the copy that data protection law gives a right to."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealer
from app.jobs.accept import parameters_place
from app.jobs.complete import result_place
from app.jobs.tables import Job

_PLAIN = ("id", "task_type", "host", "lane", "state", "language", "error", "decision")
_TIMES = ("created_at", "started_at", "finished_at")


async def export_jobs(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, member_id: UUID, after: UUID | None, limit: int
) -> Sequence[dict[str, Any]]:
    """Jobs in the order of their ids, after the one with that id, with what was asked and answered."""
    query = (
        select(Job)
        .where(Job.tenant_id == tenant_id, Job.member_id == member_id)
        .order_by(Job.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Job.id > after)
    return [
        {
            **{name: getattr(job, name) for name in (*_PLAIN, *_TIMES)},
            "parameters": json.loads(sealer.open(parameters_place(job.id), job.sealed_parameters)),
            "result": None
            if job.sealed_result is None
            else json.loads(sealer.open(result_place(job.id), job.sealed_result)),
        }
        for job in await session.scalars(query)
    ]
