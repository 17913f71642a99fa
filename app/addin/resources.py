"""Rooms' values as the add-in's resources."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.addin.schemas import JobResource, ProgressResource, UsageResource
from app.core.crypto import Sealer
from app.jobs.complete import result_place
from app.jobs.repository import JobRepository, JobView
from app.usage.ledger import job_usage
from app.vocabulary import Lane, OfficeHost


async def read_job(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, member_id: UUID, job_id: UUID
) -> JobResource:
    """A member's own job with its result. Raises: `JobNotFound`."""
    view = await JobRepository(session, tenant_id).view(job_id, member_id=member_id)
    return await job_resource(session, view, tenant_id=tenant_id, result=open_result(sealer, view))


def open_result(sealer: Sealer, view: JobView) -> dict[str, Any] | None:
    """The stored result, if the job has one."""
    if view.sealed_result is None:
        return None
    result: dict[str, Any] = json.loads(sealer.open(result_place(view.id), view.sealed_result))
    return result


async def job_resource(
    session: AsyncSession, view: JobView, *, tenant_id: UUID, result: dict[str, Any] | None
) -> JobResource:
    """A job as the add-in sees it."""
    used = await job_usage(session, tenant_id, view.id)
    return JobResource(
        id=view.id,
        task_type=view.task_type,
        state=view.state,
        host=OfficeHost(view.host),
        lane=Lane(view.lane),
        language=view.language,
        created_at=view.created_at,
        started_at=view.started_at,
        finished_at=view.finished_at,
        progress=ProgressResource(phase=view.phase, done=view.steps_done, total=view.steps_total),
        result=result,
        decision=view.decision,
        usage=UsageResource(
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cost_micros=used.cost_micros,
            currency=used.currency,
            calls=used.calls,
        ),
        error=view.error,
    )
