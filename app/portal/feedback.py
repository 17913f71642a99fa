"""What the tenant's people thought of results, as counts: never who, and never a comment."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.core.clock import now
from app.http.guards import AdminOrAuditor, PortalSession
from app.http.routes import GuardedRoute
from app.jobs.feedback import counts

router = APIRouter(prefix="/feedback", tags=["administration"], route_class=GuardedRoute)


class FeedbackCountResource(BaseModel):
    """Jobs of a task type that ended in the range and are still kept, and how many of them were said what of."""

    task_type: str
    jobs: int
    thumbs_up: int
    thumbs_down: int
    inserted: int
    undone: int
    comments: int


class FeedbackCounts(BaseModel):
    """By task type."""

    value: list[FeedbackCountResource]


@router.get("")
async def get_feedback_counts(
    caller: AdminOrAuditor,
    session: PortalSession,
    since: Annotated[
        date | None, Query(alias="from", description="The first day (UTC); default: 30 days before `to`.")
    ] = None,
    until: Annotated[
        date | None, Query(alias="to", description="The day after the last one; default: tomorrow.")
    ] = None,
) -> FeedbackCounts:
    """How often results of each task type were liked, disliked, inserted, taken out again and commented on."""
    last = until or now().date() + timedelta(days=1)
    first = since or last - timedelta(days=min(30, (last - date.min).days))
    found = await counts(session, tenant_id=caller.tenant_id, since=first, until=last)
    return FeedbackCounts(value=[FeedbackCountResource.model_validate(asdict(one)) for one in found])
