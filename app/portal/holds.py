"""Legal holds: what they cover is neither erased nor retained away while they stand."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.http.contract import refused
from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.lifecycle import holds
from app.lifecycle.holds import HoldView
from app.portal.schemas import HoldResource, Page, PlaceHold
from app.tenants import members

router = APIRouter(prefix="/holds", tags=["administration"], route_class=GuardedRoute)


@router.get("")
async def list_holds(
    caller: AdminOrAuditor,
    session: PortalSession,
    before: Annotated[UUID | None, Query(description="Id of the last hold of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[HoldResource]:
    """The tenant's holds, newest first, released ones too."""
    found = await holds.page(session, tenant_id=caller.tenant_id, before=before, limit=limit + 1)
    more = None
    if len(found) > limit:
        more = f"/portal/v1/holds?before={found[limit - 1].id}&limit={limit}"
    return Page(value=[_resource(one) for one in found[:limit]], next_link=more)


@router.post("", status_code=201, responses=refused(409))
async def place_hold(
    body: PlaceHold, request: Request, response: Response, caller: TenantAdmin, session: PortalSession
) -> HoldResource:
    """Keep everything of a member, or of the whole tenant, until the hold ends."""
    if body.member_id is not None:
        await members.find(session, tenant_id=caller.tenant_id, member_id=body.member_id)
    placed = await holds.place(
        session,
        tenant_id=caller.tenant_id,
        member_id=body.member_id,
        reason=body.reason,
        until=body.until,
        placed_by=caller.member_id,
        actor=actor(request, caller),
    )
    response.headers["Location"] = "/portal/v1/holds"
    return _resource(placed)


@router.post("/{hold_id}/release", responses=refused(409))
async def release_hold(
    hold_id: UUID, request: Request, caller: TenantAdmin, session: PortalSession
) -> HoldResource:
    """End a hold; what it kept goes when its time comes."""
    return _resource(
        await holds.release(
            session,
            tenant_id=caller.tenant_id,
            hold_id=hold_id,
            released_by=caller.member_id,
            actor=actor(request, caller),
        )
    )


def _resource(one: HoldView) -> HoldResource:
    return HoldResource.model_validate(asdict(one))
