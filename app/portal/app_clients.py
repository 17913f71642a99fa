"""Programs of the tenant that act for themselves: which are registered."""

from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.audit.actions import AuditAction
from app.audit.record import record
from app.core.database import after_commit
from app.http.contract import refused
from app.http.guards import AdminOrAuditor, InProcess, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.portal.schemas import AppClientResource, NewAppClient, Page
from app.tenants import app_clients
from app.tenants.app_clients import AppClientView

router = APIRouter(prefix="/app-clients", tags=["administration"], route_class=GuardedRoute)


@router.get("")
async def list_app_clients(caller: AdminOrAuditor, session: PortalSession) -> Page[AppClientResource]:
    """The tenant's programs, revoked ones too; there are a hundred at most."""
    found = await app_clients.list_app_clients(session, tenant_id=caller.tenant_id)
    return Page(value=[_resource(one) for one in found])


@router.post("", status_code=201, responses=refused(409))
async def register_app_client(
    body: NewAppClient,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    state: InProcess,
) -> AppClientResource:
    """Let a program in that Entra has granted its application role, with a member row of its own that pays for it."""
    made = await app_clients.register_app_client(
        session,
        tenant_id=caller.tenant_id,
        client_id=body.client_id,
        name=body.name,
    )
    await record(
        session,
        tenant_id=caller.tenant_id,
        actor=actor(request, caller),
        action=AuditAction.APP_CLIENT_REGISTER,
        target_type="app_client",
        target_id=str(made.id),
    )
    after_commit(session, state.forget_people)
    response.headers["Location"] = f"/portal/v1/app-clients/{made.id}"
    return _resource(made)


@router.delete("/{app_client_id}")
async def revoke_app_client(
    app_client_id: UUID, request: Request, caller: TenantAdmin, session: PortalSession, state: InProcess
) -> AppClientResource:
    """Let a program in no more, from its next request on; its jobs stay."""
    revoked = await app_clients.revoke_app_client(
        session, tenant_id=caller.tenant_id, app_client_id=app_client_id
    )
    await record(
        session,
        tenant_id=caller.tenant_id,
        actor=actor(request, caller),
        action=AuditAction.APP_CLIENT_REVOKE,
        target_type="app_client",
        target_id=str(app_client_id),
    )
    after_commit(session, state.forget_people)
    return _resource(revoked)


def _resource(one: AppClientView) -> AppClientResource:
    return AppClientResource.model_validate(asdict(one))
