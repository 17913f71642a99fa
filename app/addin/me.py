"""A person's own copy of what we hold about them."""

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from app.audit.record import Actor, ActorKind
from app.http.browsers import address
from app.http.guards import Caller, InProcess, TenantSealer
from app.http.routes import GuardedRoute
from app.lifecycle.export import export_member

router = APIRouter(prefix="/me", tags=["me"], route_class=GuardedRoute)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "One JSON object a line."}},
)
async def export_own(
    request: Request, caller: Caller, sealer: TenantSealer, services: InProcess
) -> StreamingResponse:
    """Everything of the caller's own: the member's row, documents with their text, jobs with their results."""
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
