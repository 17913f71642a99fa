"""What is done in the tenant, for its administrators: metadata of jobs, never what is in them."""

from dataclasses import asdict
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query

from app.http.guards import AdminOrAuditor, PortalSession
from app.http.routes import GuardedRoute
from app.jobs.overview import JobMetadata, tenant_page
from app.portal.schemas import JobMetadataResource, Page
from app.usage.ledger import JobUsage, job_usages
from app.vocabulary import JobState

router = APIRouter(prefix="/jobs", tags=["administration"], route_class=GuardedRoute)


@router.get("")
async def list_jobs_of_tenant(
    caller: AdminOrAuditor,
    session: PortalSession,
    member_id: UUID | None = None,
    state: JobState | None = None,
    before: Annotated[UUID | None, Query(description="Id of the last job of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[JobMetadataResource]:
    """Jobs of the caller's tenant, newest first: who, what kind, when, how many tokens, what it cost."""
    found = await tenant_page(
        session,
        tenant_id=caller.tenant_id,
        member_id=member_id,
        state=state,
        before=before,
        limit=limit + 1,
    )
    used = await job_usages(session, caller.tenant_id, [job.id for job in found])
    shown = [_resource(job, used[job.id]) for job in found[:limit]]
    more = None
    if len(found) > limit:
        given = {"member_id": member_id, "state": state, "before": shown[-1].id, "limit": limit}
        more = f"/portal/v1/jobs?{urlencode({k: v for k, v in given.items() if v is not None})}"
    return Page(value=shown, next_link=more)


def _resource(job: JobMetadata, used: JobUsage) -> JobMetadataResource:
    return JobMetadataResource.model_validate(
        {
            **asdict(job),
            "input_tokens": used.input_tokens,
            "output_tokens": used.output_tokens,
            "cost_micros": used.cost_micros,
            "currency": used.currency,
        }
    )
