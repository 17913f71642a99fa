"""Erasing a member, or the whole tenant: asked for, taken back, looked at. The reaper carries it out."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.http.contract import refused
from app.http.guards import AdminOrAuditor, InProcess, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.http.services import Services
from app.identity.principal import Principal
from app.lifecycle import erasure
from app.lifecycle.erasure import ErasureView
from app.lifecycle.errors import CannotEraseOneself, NameDiffers
from app.portal.schemas import AskErasure, ErasureResource, Page
from app.tenants import members, service

router = APIRouter(prefix="/erasures", tags=["administration"], route_class=GuardedRoute)
AT_ONCE = 0.0


@router.get("")
async def list_erasures(
    caller: AdminOrAuditor,
    session: PortalSession,
    before: Annotated[UUID | None, Query(description="Id of the last erasure of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[ErasureResource]:
    """The tenant's erasures, newest first, with their proofs."""
    found = await erasure.page(session, tenant_id=caller.tenant_id, before=before, limit=limit + 1)
    more = None
    if len(found) > limit:
        more = f"/portal/v1/erasures?before={found[limit - 1].id}&limit={limit}"
    return Page(value=[erasure_resource(one) for one in found[:limit]], next_link=more)


@router.post("", status_code=202, responses=refused(409))
async def ask_erasure(
    body: AskErasure,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    services: InProcess,
) -> ErasureResource:
    """Erase a member, beginning within seconds, or the whole tenant after the waiting time, in which it can be taken back.

    An erased person stays shut out until an administrator lets them in again: `PATCH /portal/v1/members/{id}`
    with `state` active.
    """
    # Before the transaction begins: a vault may have to be asked.
    sealer = None if body.member_id is None else await services.keys.sealer(caller.tenant_id)
    await _check(session, services, caller, body)
    asked = await erasure.request(
        session,
        tenant_id=caller.tenant_id,
        member_id=body.member_id,
        sealer=sealer,
        requested_by=caller.member_id,
        by_operator=False,
        wait_days=services.settings.erasure_wait_days if body.member_id is None else AT_ONCE,
        actor=actor(request, caller),
    )
    if body.member_id is not None:
        await services.sessions.end_member(caller.tenant_id, body.member_id)
    response.headers["Location"] = "/portal/v1/erasures"
    return erasure_resource(asked)


@router.post("/{erasure_id}/cancel", responses=refused(409))
async def cancel_erasure(
    erasure_id: UUID, request: Request, caller: TenantAdmin, session: PortalSession
) -> ErasureResource:
    """Take a request back; one that has begun goes on."""
    return erasure_resource(
        await erasure.cancel(
            session, tenant_id=caller.tenant_id, erasure_id=erasure_id, actor=actor(request, caller)
        )
    )


async def _check(session: PortalSession, services: Services, caller: Principal, body: AskErasure) -> None:
    """Nobody erases themselves; a whole tenant is named. Raises what is wrong."""
    if body.member_id is not None:
        if body.member_id == caller.member_id:
            raise CannotEraseOneself
        await members.find(session, tenant_id=caller.tenant_id, member_id=body.member_id)
        return
    if caller.entra_tenant_id == services.settings.operator_tenant:
        raise CannotEraseOneself
    if body.name != (await service.settings(session, tenant_id=caller.tenant_id)).name:
        raise NameDiffers


def erasure_resource(one: ErasureView) -> ErasureResource:
    """An erasure as administrators and the operator see it."""
    return ErasureResource.model_validate(asdict(one))
