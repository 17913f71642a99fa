"""A person's own copy of what we hold about them."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from app.audit.record import Actor, ActorKind
from app.http.browsers import address
from app.http.guards import Caller, InProcess, TenantSealer, TenantSession
from app.http.routes import GuardedRoute
from app.http.usage import Asked, Skip, UsagePage, usage_page
from app.lifecycle.export import export_member
from app.usage import reports

router = APIRouter(prefix="/me", tags=["me"], route_class=GuardedRoute)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "One JSON object a line."}},
)
async def export_own(
    request: Request, caller: Caller, sealer: TenantSealer, services: InProcess
) -> StreamingResponse:
    """Everything of the caller's own: the member's row, documents with their text, jobs with their results, both with files."""
    lines = export_member(
        services.database,
        sealer,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        actor=Actor(ActorKind.MEMBER, member_id=caller.member_id, address=address(request)),
    )
    return StreamingResponse(
        lines,
        media_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="switchboard-export.ndjson"'},
    )


@router.get("/usage")
async def own_usage(
    request: Request,
    caller: Caller,
    session: TenantSession,
    asked: Asked,
    skip: Skip = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> UsagePage:
    """What the caller's own work used in a range of days: calls, tokens and money."""
    wanted = replace(asked, member_id=caller.member_id)
    rows = await reports.usage(session, tenant_id=caller.tenant_id, wanted=wanted, skip=skip, limit=limit + 1)
    return usage_page(request, asked, rows, skip=skip, limit=limit)
