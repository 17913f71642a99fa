"""A member's leaves to read their files while they are away: start, list, renew, revoke."""

from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter, Request

from app.addin.schemas import GraphSessionPage, GraphSessionResource, NewGraphSession
from app.http.contract import refused
from app.http.guards import Caller, InProcess, RawToken, TenantSession, actor
from app.http.routes import GuardedRoute
from app.identity import long_sessions
from app.identity.principal import Principal

router = APIRouter(prefix="/graph-sessions", tags=["graph-sessions"], route_class=GuardedRoute)


@router.post("", status_code=201, responses=refused(409))
async def start_graph_session(
    request: Request,
    body: NewGraphSession,
    caller: Caller,
    token: RawToken,
    state: InProcess,
    session: TenantSession,
) -> GraphSessionResource:
    """Let jobs of the caller read the caller's files from now on."""
    session_id = await state.files.sessions.start(caller, token, actor=actor(request, caller), days=body.days)
    return await _own(session, caller, session_id)


@router.get("")
async def list_graph_sessions(caller: Caller, session: TenantSession) -> GraphSessionPage:
    """The caller's sessions that are not over."""
    found = await long_sessions.list_sessions(session, tenant_id=caller.tenant_id, member_id=caller.member_id)
    return GraphSessionPage(value=[GraphSessionResource.model_validate(asdict(one)) for one in found])


@router.post("/{session_id}/renew")
async def renew_graph_session(
    request: Request,
    session_id: UUID,
    caller: Caller,
    token: RawToken,
    state: InProcess,
    session: TenantSession,
) -> GraphSessionResource:
    """Prove again who the caller is; the session ends when it would have ended."""
    await state.files.sessions.renew(caller, token, session_id, actor=actor(request, caller))
    return await _own(session, caller, session_id)


@router.delete("/{session_id}", status_code=204)
async def revoke_graph_session(
    request: Request, session_id: UUID, caller: Caller, session: TenantSession
) -> None:
    """End a session and drop its tokens; jobs that need it wait for the caller."""
    await long_sessions.revoke(
        session,
        tenant_id=caller.tenant_id,
        session_id=session_id,
        actor=actor(request, caller),
        member_id=caller.member_id,
    )


async def _own(session: TenantSession, caller: Principal, session_id: UUID) -> GraphSessionResource:
    found = await long_sessions.find_session(
        session, tenant_id=caller.tenant_id, member_id=caller.member_id, session_id=session_id
    )
    return GraphSessionResource.model_validate(asdict(found))
