"""The operator's customers: metadata, invitations, suspension. For PlatformOperators only."""

from dataclasses import asdict
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.core.clock import new_id
from app.core.errors import Conflict
from app.http.contract import refused
from app.http.guards import InProcess, Operator, actor
from app.http.routes import GuardedRoute
from app.http.services import Services
from app.lifecycle import erasure
from app.lifecycle.errors import CannotEraseOneself, NameDiffers, TenantNotErasable
from app.portal.erasures import AT_ONCE, erasure_resource
from app.portal.schemas import (
    NO_NUL,
    ConfirmErasure,
    ErasureResource,
    Invitation,
    Page,
    Suspension,
    TenantResource,
)
from app.tenants import service
from app.tenants.service import TenantFacts
from app.vocabulary import TenantState

router = APIRouter(prefix="/tenants", tags=["operator"], route_class=GuardedRoute)


@router.get("")
async def list_tenants(
    caller: Operator,
    services: InProcess,
    search: Annotated[
        str, Query(max_length=100, pattern=NO_NUL, description="In the name, whatever the case.")
    ] = "",
    state: TenantState | None = None,
    after: Annotated[UUID | None, Query(description="Id of the last tenant of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[TenantResource]:
    """Customers, the oldest first: names and states, nothing of what they do."""
    async with services.database.tenant(caller.tenant_id) as session:
        found = await service.page(session, search=search, state=state, after=after, limit=limit + 1)
    shown = [_resource(one) for one in found[:limit]]
    more = None
    if len(found) > limit:
        given = {"search": search or None, "state": state, "after": shown[-1].id, "limit": limit}
        more = f"/portal/v1/tenants?{urlencode({k: v for k, v in given.items() if v is not None})}"
    return Page(value=shown, next_link=more)


@router.post("", status_code=201, responses=refused(409))
async def invite_tenant(
    body: Invitation, request: Request, response: Response, caller: Operator, services: InProcess
) -> TenantResource:
    """Let a directory bring itself in; an erased customer's may do so again only after this."""
    async with services.database.tenant(caller.tenant_id) as session:
        known = await service.by_entra_id(session, entra_tenant_id=body.entra_tenant_id)
    tenant_id = new_id() if known is None else known.id
    async with services.database.tenant(tenant_id) as session:
        made = await service.invite(
            session,
            tenant_id=tenant_id,
            entra_tenant_id=body.entra_tenant_id,
            name=body.name,
            actor=actor(request, caller),
        )
    response.headers["Location"] = f"/portal/v1/tenants/{made.id}"
    return _resource(made)


@router.get("/{tenant_id}")
async def get_tenant(tenant_id: UUID, caller: Operator, services: InProcess) -> TenantResource:
    """A customer."""
    async with services.database.tenant(caller.tenant_id) as session:
        return _resource(await service.facts(session, tenant_id=tenant_id))


@router.post("/{tenant_id}/suspend", responses=refused(409))
async def suspend_tenant(
    tenant_id: UUID, body: Suspension, request: Request, caller: Operator, services: InProcess
) -> TenantResource:
    """Let nobody of the customer in: requests, streams, sessions and steps end; nothing is lost."""
    if tenant_id == caller.tenant_id:
        raise Conflict("This is your own tenant; nobody could resume it.", target="tenant_id")
    # A session of the customer's, not of the caller's: that is all the database lets us change.
    async with services.database.tenant(tenant_id) as session:
        changed = await service.suspend(
            session, tenant_id=tenant_id, reason=body.reason, actor=actor(request, caller)
        )
    await _tell(services, changed)
    return _resource(changed)


@router.post("/{tenant_id}/resume", responses=refused(409))
async def resume_tenant(
    tenant_id: UUID, request: Request, caller: Operator, services: InProcess
) -> TenantResource:
    """Let the customer in again; its queued work goes on."""
    async with services.database.tenant(tenant_id) as session:
        changed = await service.resume(session, tenant_id=tenant_id, actor=actor(request, caller))
    await _tell(services, changed)
    return _resource(changed)


@router.get("/{tenant_id}/erasures")
async def list_tenant_erasures(
    tenant_id: UUID,
    caller: Operator,
    services: InProcess,
    before: Annotated[UUID | None, Query(description="Id of the last erasure of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[ErasureResource]:
    """Erasures of the whole customer, newest first, with their proofs; those of its members are its own."""
    async with services.database.tenant(caller.tenant_id) as session:
        await service.facts(session, tenant_id=tenant_id)
    async with services.database.tenant(tenant_id) as session:
        found = await erasure.page(
            session, tenant_id=tenant_id, before=before, limit=limit + 1, whole_tenant_only=True
        )
    more = None
    if len(found) > limit:
        more = f"/portal/v1/tenants/{tenant_id}/erasures?before={found[limit - 1].id}&limit={limit}"
    return Page(value=[erasure_resource(one) for one in found[:limit]], next_link=more)


@router.post("/{tenant_id}/erase", status_code=202, responses=refused(409))
async def erase_tenant(
    tenant_id: UUID,
    body: ConfirmErasure,
    request: Request,
    response: Response,
    caller: Operator,
    services: InProcess,
) -> ErasureResource:
    """Erase a customer for good, confirmed with its name; a legal hold forbids it.

    It begins within seconds: from then on nobody of it is let in. When it is finished, `GET .../erasures` has the proof.
    """
    if tenant_id == caller.tenant_id:
        raise CannotEraseOneself
    async with services.database.tenant(tenant_id) as session:
        found = await service.facts(session, tenant_id=tenant_id)
        if found.state in {TenantState.ERASING, TenantState.ERASED}:
            raise TenantNotErasable(tenant_id)
        if body.name != found.name:
            raise NameDiffers
        asked = await erasure.request(
            session,
            tenant_id=tenant_id,
            member_id=None,
            requested_by=caller.member_id,
            by_operator=True,
            wait_days=AT_ONCE,
            actor=actor(request, caller),
        )
    services.directory.forget(found.entra_tenant_id)
    await services.sessions.end_tenant(tenant_id)
    response.headers["Location"] = f"/portal/v1/tenants/{tenant_id}/erasures"
    return erasure_resource(asked)


async def _tell(services: Services, changed: TenantFacts) -> None:
    """After the commit: this process sees it before it answers, the others as Postgres tells them, sessions are gone."""
    services.directory.forget(changed.entra_tenant_id)
    if changed.state is not TenantState.ACTIVE:
        await services.sessions.end_tenant(changed.id)


def _resource(one: TenantFacts) -> TenantResource:
    return TenantResource.model_validate(asdict(one))
