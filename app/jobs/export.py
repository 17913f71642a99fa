"""A member's own jobs, opened for that member: the copy that data protection law gives a right to."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealer
from app.jobs import batch_schedules
from app.jobs.accept import parameters_place
from app.jobs.batches import source_place
from app.jobs.complete import result_place
from app.jobs.feedback import opened as opened_feedback
from app.jobs.tables import BatchItem, Job, JobFeedback

Opening = Callable[[], Awaitable[Sequence[dict[str, Any]]]]
_PLAIN = ("id", "batch_id", "task_type", "host", "lane", "state", "language", "error", "decision")
_TIMES = ("created_at", "started_at", "finished_at")


async def export_jobs(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, member_id: UUID, after: UUID | None, limit: int
) -> Opening:
    """Jobs in the order of their ids, after the one with that id, with what was asked and answered.

    What comes back opens them; call it when the transaction is over.
    """
    query = (
        select(Job)
        .where(Job.tenant_id == tenant_id, Job.member_id == member_id)
        .order_by(Job.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Job.id > after)
    found = list(await session.scalars(query))
    said = {
        one.job_id: one
        for one in await session.scalars(
            select(JobFeedback).where(
                JobFeedback.tenant_id == tenant_id,
                JobFeedback.member_id == member_id,
                JobFeedback.job_id.in_([job.id for job in found]),
            )
        )
    }

    batches = [job.id for job in found if job.batch_id == job.id]
    items: dict[UUID, list[BatchItem]] = {batch_id: [] for batch_id in batches}
    if batches:
        rows = await session.scalars(
            select(BatchItem)
            .where(BatchItem.tenant_id == tenant_id, BatchItem.batch_id.in_(batches))
            .order_by(BatchItem.batch_id, BatchItem.ordinal)
        )
        for item in rows:
            items[item.batch_id].append(item)

    async def opened() -> Sequence[dict[str, Any]]:
        return await asyncio.to_thread(
            lambda: [_opened(sealer, job, said.get(job.id), items.get(job.id)) for job in found]
        )

    return opened


async def export_schedules(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, member_id: UUID, after: UUID | None, limit: int
) -> Opening:
    """Batches that come round again, as `export_jobs` gives jobs; all that a member may have are one page."""
    found = await batch_schedules.page(session, tenant_id=tenant_id, member_id=member_id)
    rows = (
        []
        if after is not None
        else [
            {
                "id": one.id,
                "task_type": one.task_type,
                "at": f"{one.recurrence.at:%H:%M}",
                "time_zone": one.recurrence.time_zone,
                "weekdays": sorted(one.recurrence.weekdays),
                "created_at": one.created_at,
                "request": json.loads(sealer.open(batch_schedules.request_place(one.id), one.sealed_request)),
            }
            for one in found[:limit]
        ]
    )

    async def opened() -> Sequence[dict[str, Any]]:
        return rows

    return opened


def _opened(
    sealer: Sealer, job: Job, feedback: JobFeedback | None, items: Sequence[BatchItem] | None
) -> dict[str, Any]:
    return {
        **{name: getattr(job, name) for name in (*_PLAIN, *_TIMES)},
        "parameters": json.loads(sealer.open(parameters_place(job.id), job.sealed_parameters)),
        "result": None
        if job.sealed_result is None
        else json.loads(sealer.open(result_place(job.id), job.sealed_result)),
        "feedback": None if feedback is None else asdict(opened_feedback(sealer, feedback)),
        **({} if items is None else {"documents": [_opened_item(sealer, item) for item in items]}),
    }


def _opened_item(sealer: Sealer, item: BatchItem) -> dict[str, Any]:
    """A document of a batch, and which job did it."""
    source = item.sealed_source
    return {
        **{name: getattr(item, name) for name in ("ordinal", "document_id", "job_id", "error")},
        "source": None
        if source is None
        else json.loads(sealer.open(source_place(item.batch_id, item.ordinal), source)),
    }
