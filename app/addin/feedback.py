"""What the caller thinks of a job's result, and what they did with it."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.http.contract import refused
from app.http.guards import Caller, TenantSealer, TenantSession
from app.http.routes import GuardedRoute
from app.jobs import feedback
from app.jobs.feedback import Feedback, Thumb

router = APIRouter(prefix="/jobs/{job_id}/feedback", tags=["jobs"], route_class=GuardedRoute)
_COMMENT = Annotated[str, Field(min_length=1, max_length=2_000)]


class FeedbackBody(BaseModel):
    """All that the caller says of a job; what is left out is not said. Administrators see counts, never the comment."""

    model_config = ConfigDict(extra="forbid")

    thumb: Thumb | None = None
    is_inserted: Annotated[bool, Field(description="The result was put into the document.")] = False
    is_undone: Annotated[bool, Field(description="And taken out of it again.")] = False
    comment: _COMMENT | None = None


@router.get("")
async def get_feedback(
    job_id: UUID, caller: Caller, session: TenantSession, sealer: TenantSealer
) -> FeedbackBody:
    """What the caller has said of a job."""
    found = await feedback.given(session, sealer, member_id=caller.member_id, job_id=job_id)
    return FeedbackBody.model_validate(asdict(found))


@router.put("", responses=refused(409))
async def put_feedback(
    job_id: UUID, body: FeedbackBody, caller: Caller, session: TenantSession, sealer: TenantSealer
) -> FeedbackBody:
    """Say what the result of an own job that has ended was worth, in place of what was said before."""
    said = Feedback(**body.model_dump())
    await feedback.give(session, sealer, said, member_id=caller.member_id, job_id=job_id)
    return body


@router.delete("", status_code=204)
async def delete_feedback(job_id: UUID, caller: Caller, session: TenantSession) -> None:
    """Take back what was said of a job."""
    await feedback.withdraw(session, tenant_id=caller.tenant_id, member_id=caller.member_id, job_id=job_id)
