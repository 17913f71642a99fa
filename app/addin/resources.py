"""Rooms' values as the add-in's resources."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.addin.money import job_warnings, warned
from app.addin.schemas import EstimateFigures, JobResource, ProgressResource, UsageResource, WaitingResource
from app.core.crypto import Sealer
from app.jobs.complete import result_place
from app.jobs.service import JobView, view
from app.jobs.states import FINAL_JOB_STATES
from app.pools.configuration import Configuration
from app.usage.budgets import Payer, Standing
from app.usage.ledger import JobUsage, job_usage
from app.vocabulary import JobState, Lane, OfficeHost


async def read_job(
    session: AsyncSession,
    sealer: Sealer,
    configuration: Configuration,
    *,
    tenant_id: UUID,
    member_id: UUID,
    job_id: UUID,
) -> JobResource:
    """A member's own job with its result. Raises: `JobNotFound`."""
    job = await view(session, tenant_id=tenant_id, member_id=member_id, job_id=job_id)
    used = await job_usage(session, tenant_id, job_id)
    low: Sequence[Standing] = ()
    if job.state not in FINAL_JOB_STATES:
        low = await warned(session, configuration, Payer(tenant_id, member_id, job.task_type))
    return job_resource(job, used, low, result=open_result(sealer, job))


def open_result(sealer: Sealer, job: JobView) -> dict[str, Any] | None:
    """The stored result, if the job has one."""
    if job.sealed_result is None:
        return None
    result: dict[str, Any] = json.loads(sealer.open(result_place(job.id), job.sealed_result))
    return result


def job_resource(
    job: JobView, used: JobUsage, low: Sequence[Standing], *, result: dict[str, Any] | None
) -> JobResource:
    """A job as the add-in sees it; `low` are the member's budgets past their soft limit."""
    return JobResource(
        id=job.id,
        task_type=job.task_type,
        state=job.state,
        host=OfficeHost(job.host),
        lane=Lane(job.lane),
        language=job.language,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        progress=ProgressResource(phase=job.phase, done=job.steps_done, total=job.steps_total),
        waiting=waiting_resource(job),
        result=result,
        estimate=None if job.estimate is None else EstimateFigures.model_validate(job.estimate),
        decision=job.decision,
        usage=usage_resource(used, job.reused_tokens),
        warnings=job_warnings(job, low),
        error=job.error,
    )


def usage_resource(used: JobUsage, reused_tokens: int) -> UsageResource:
    """What a job used, and what it did not have to."""
    tokens = used.input_tokens + used.output_tokens + reused_tokens
    share = round(reused_tokens / tokens, 4) if tokens else 0.0
    return UsageResource(**asdict(used), reused_tokens=reused_tokens, reused_share=share)


def waiting_resource(job: JobView) -> WaitingResource | None:
    """What a waiting job waits for; None for any other."""
    if job.state is not JobState.WAITING:
        return None
    return WaitingResource.model_validate(
        {**(job.waiting_for or {}), "reason": job.waiting_reason, "expires_at": job.expires_at}
    )
