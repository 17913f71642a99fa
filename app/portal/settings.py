"""What a tenant's administrators decide about their tenant. Changes name the version they change."""

from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request, Response

from app.core.database import after_commit
from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import AdminOrAuditor, InProcess, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.portal.schemas import ChangeSettings, SettingsResource
from app.tenants import service
from app.tenants.service import TenantSettings

router = APIRouter(prefix="/settings", tags=["administration"], route_class=GuardedRoute)


@router.get("")
async def get_settings(
    caller: AdminOrAuditor, session: PortalSession, response: Response
) -> SettingsResource:
    """The tenant's settings, with their ETag."""
    return _shown(await service.settings(session, tenant_id=caller.tenant_id), response)


@router.patch("", responses=refused(412))
async def change_settings(
    body: ChangeSettings,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    state: InProcess,
    if_match: IfMatch = None,
) -> SettingsResource:
    """Change some settings; 412 if somebody else changed them since the ETag in `If-Match` was given."""
    before = await service.settings(session, tenant_id=caller.tenant_id)
    changes = body.model_dump(exclude_none=True)
    after = await service.change_settings(
        session,
        tenant_id=caller.tenant_id,
        wanted=replace(before, version=expected_version(if_match, "settings"), **changes),
        actor=actor(request, caller),
    )
    after_commit(session, partial(state.directory.forget, caller.entra_tenant_id))
    return _shown(after, response)


def _shown(settings: TenantSettings, response: Response) -> SettingsResource:
    show_version(response, settings.version)
    return SettingsResource(
        name=settings.name,
        allow_guests=settings.allow_guests,
        read_profiles=settings.read_profiles,
        retention_days=settings.retention_days,
    )
