"""Model pools of a tenant. Changes name the version they change; the platform's are seen, never changed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.copilot.asking import find_task_type
from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.pools import own_pools
from app.pools.pool_views import PoolView
from app.pools.releasing import revert
from app.portal.pool_schemas import ChangePool, NewPool, PoolResource, Revert
from app.portal.schemas import Page

router = APIRouter(prefix="/pools", tags=["models"], route_class=GuardedRoute)
TaskTypeFilter = Annotated[
    str | None,
    Query(max_length=64, pattern="^[a-z0-9_-]*$", description="Only those for this task type."),
]


@router.get("")
async def list_pools(
    caller: AdminOrAuditor,
    session: PortalSession,
    *,
    task_type: TaskTypeFilter = None,
    archived: Annotated[bool, Query(description="Archived ones as well.")] = False,
) -> Page[PoolResource]:
    """The tenant's pools and the platform's; a tenant has two hundred at most."""
    found = await own_pools.list_pools(
        session, tenant_id=caller.tenant_id, task_type=task_type, archived=archived
    )
    return Page(value=[PoolResource.of(one) for one in found])


@router.post("", status_code=201, responses=refused(409))
async def create_pool(
    body: NewPool, request: Request, response: Response, caller: TenantAdmin, session: PortalSession
) -> PoolResource:
    """Make a pool for a task type. It serves once a revision of it is published and a route leads to it."""
    made = await own_pools.create_pool(
        session,
        tenant_id=caller.tenant_id,
        name=body.name,
        task_type=find_task_type(body.task_type).name,
        actor=actor(request, caller),
    )
    response.headers["Location"] = f"/portal/v1/pools/{made.id}"
    return _shown(made, response)


@router.get("/{pool_id}")
async def get_pool(
    pool_id: UUID, response: Response, caller: AdminOrAuditor, session: PortalSession
) -> PoolResource:
    """A pool, with its ETag."""
    return _shown(await own_pools.find_pool(session, tenant_id=caller.tenant_id, pool_id=pool_id), response)


@router.patch("/{pool_id}", responses=refused(409))
async def change_pool(
    pool_id: UUID,
    body: ChangePool,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    if_match: IfMatch = None,
) -> PoolResource:
    """Rename a pool, archive it, or take it out of the archive. One that routes lead to is not archived."""
    after = await own_pools.change_pool(
        session,
        tenant_id=caller.tenant_id,
        pool_id=pool_id,
        version=expected_version(if_match, "pool"),
        actor=actor(request, caller),
        name=body.name,
        archived=body.archived,
    )
    return _shown(after, response)


@router.post("/{pool_id}/revert", responses=refused(409))
async def revert_pool(
    pool_id: UUID,
    body: Revert,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    if_match: IfMatch = None,
) -> PoolResource:
    """Let an earlier published revision serve again, in one step; jobs that run keep theirs."""
    after = await revert(
        session,
        tenant_id=caller.tenant_id,
        pool_id=pool_id,
        version=expected_version(if_match, "pool"),
        actor=actor(request, caller),
        to=body.to,
    )
    return _shown(after, response)


def _shown(pool: PoolView, response: Response) -> PoolResource:
    show_version(response, pool.version)
    return PoolResource.of(pool)
