"""Notices: what ends soon of what the tenant uses and what cost too much, for its administrators to act on in time."""

from dataclasses import asdict
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request

from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.notices import service
from app.notices.service import NoticeView
from app.portal.notice_schemas import NoticeResource
from app.portal.schemas import Page

router = APIRouter(prefix="/notices", tags=["configuration"], route_class=GuardedRoute)


@router.get("")
async def list_notices(
    caller: AdminOrAuditor,
    session: PortalSession,
    acknowledged: Annotated[
        bool | None, Query(description="Only those that somebody has, or nobody has acknowledged.")
    ] = None,
    before: Annotated[UUID | None, Query(description="Id of the last notice of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[NoticeResource]:
    """Ends of deployments and contracts, 90, 30 and 7 days ahead and when they have come, and money past its limit.

    Newest first.
    """
    found = await service.page(
        session, tenant_id=caller.tenant_id, before=before, limit=limit + 1, acknowledged=acknowledged
    )
    more = None
    if len(found) > limit:
        given = {"before": found[limit - 1].id, "limit": limit}
        if acknowledged is not None:
            given["acknowledged"] = str(acknowledged).lower()
        more = f"/portal/v1/notices?{urlencode(given)}"
    return Page(value=[_resource(one) for one in found[:limit]], next_link=more)


@router.post("/{notice_id}/acknowledge")
async def acknowledge_notice(
    notice_id: UUID, request: Request, caller: TenantAdmin, session: PortalSession
) -> NoticeResource:
    """Say that it has been seen; who says so first is remembered."""
    return _resource(
        await service.acknowledge(
            session,
            tenant_id=caller.tenant_id,
            notice_id=notice_id,
            member_id=caller.member_id,
            actor=actor(request, caller),
        )
    )


def _resource(one: NoticeView) -> NoticeResource:
    return NoticeResource.model_validate(asdict(one))
