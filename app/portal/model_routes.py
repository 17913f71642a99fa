"""Routes of a tenant: which pool serves which work. Changes name the version they change."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.copilot.asking import find_task_type
from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.pools import own_routes
from app.pools.own_routes import WantedRoute
from app.pools.pool_views import RouteView
from app.portal.pool_schemas import RouteResource, WantedRouteBody
from app.portal.pools import TaskTypeFilter
from app.portal.schemas import Page

router = APIRouter(prefix="/routes", tags=["models"], route_class=GuardedRoute)


@router.get("")
async def list_routes(
    caller: AdminOrAuditor, session: PortalSession, task_type: TaskTypeFilter = None
) -> Page[RouteResource]:
    """The tenant's routes and the platform's; a tenant has two hundred at most."""
    found = await own_routes.list_routes(session, tenant_id=caller.tenant_id, task_type=task_type)
    return Page(value=[RouteResource.of(one) for one in found])


@router.post("", status_code=201, responses=refused(409))
async def create_route(
    body: WantedRouteBody, request: Request, response: Response, caller: TenantAdmin, session: PortalSession
) -> RouteResource:
    """Lead work to one of the tenant's pools, or of the platform's."""
    made = await own_routes.create_route(
        session, tenant_id=caller.tenant_id, wanted=_wanted(body), actor=actor(request, caller)
    )
    response.headers["Location"] = f"/portal/v1/routes/{made.id}"
    return _shown(made, response)


@router.get("/{route_id}")
async def get_route(
    route_id: UUID, response: Response, caller: AdminOrAuditor, session: PortalSession
) -> RouteResource:
    """A route, with its ETag."""
    return _shown(
        await own_routes.find_route(session, tenant_id=caller.tenant_id, route_id=route_id), response
    )


@router.put("/{route_id}", responses=refused(409))
async def change_route(
    route_id: UUID,
    body: WantedRouteBody,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    if_match: IfMatch = None,
) -> RouteResource:
    """Write a route anew; it counts for jobs accepted from now on."""
    after = await own_routes.change_route(
        session,
        tenant_id=caller.tenant_id,
        route_id=route_id,
        version=expected_version(if_match, "route"),
        wanted=_wanted(body),
        actor=actor(request, caller),
    )
    return _shown(after, response)


@router.delete("/{route_id}", status_code=204)
async def delete_route(
    route_id: UUID,
    request: Request,
    caller: TenantAdmin,
    session: PortalSession,
    if_match: IfMatch = None,
) -> None:
    """Remove a route; the next most specific one takes its work."""
    await own_routes.delete_route(
        session,
        tenant_id=caller.tenant_id,
        route_id=route_id,
        version=expected_version(if_match, "route"),
        actor=actor(request, caller),
    )


def _wanted(body: WantedRouteBody) -> WantedRoute:
    return WantedRoute(
        body.name,
        find_task_type(body.task_type).name,
        body.conditions.model_dump(exclude_none=True, mode="json"),
        body.pool_id,
    )


def _shown(route: RouteView, response: Response) -> RouteResource:
    show_version(response, route.version)
    return RouteResource.of(route)
