"""Members' leaves to read their files while they are away: an administrator sees that there are some, and ends them."""

from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter, Request

from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.identity import long_sessions
from app.portal.schemas import MemberGraphSession, Page

router = APIRouter(prefix="/graph-sessions", tags=["administration"], route_class=GuardedRoute)


@router.get("")
async def list_member_graph_sessions(
    caller: AdminOrAuditor, session: PortalSession
) -> Page[MemberGraphSession]:
    """The tenant's newest hundred that are not over."""
    found = await long_sessions.list_sessions(session, tenant_id=caller.tenant_id)
    return Page(value=[MemberGraphSession.model_validate(asdict(one)) for one in found])


@router.delete("/{session_id}", status_code=204)
async def revoke_member_graph_session(
    session_id: UUID, request: Request, caller: TenantAdmin, session: PortalSession
) -> None:
    """End a session and drop its tokens; jobs that need it wait for their member."""
    await long_sessions.revoke(
        session, tenant_id=caller.tenant_id, session_id=session_id, actor=actor(request, caller)
    )
