"""Administration of routes: which pool serves what, for a tenant's own routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import new_id
from app.core.errors import ChangedMeanwhile
from app.pools.pool_errors import InvalidRoute, NameTaken, PoolArchived, PoolNotFound, TooMany
from app.pools.pool_repository import PoolAdministration
from app.pools.pool_views import PoolView, RouteView
from app.pools.tables import Route
from app.vocabulary import PLATFORM

MOST_ROUTES = 200
"""Of one tenant: each is looked at for every job."""


@dataclass(frozen=True)
class WantedRoute:
    """A route as asked for. Conditions are of `routes.CONDITIONS`, without those left open."""

    name: str
    task_type: str
    conditions: Mapping[str, Any]
    pool_id: UUID


async def list_routes(
    session: AsyncSession, *, tenant_id: UUID, task_type: str | None = None
) -> list[RouteView]:
    """The tenant's routes and then the platform's, by name."""
    return await PoolAdministration(session, tenant_id).routes(task_type=task_type)


async def find_route(session: AsyncSession, *, tenant_id: UUID, route_id: UUID) -> RouteView:
    """A route that the tenant may see. Raises: `RouteNotFound`."""
    return await PoolAdministration(session, tenant_id).route(route_id)


async def create_route(
    session: AsyncSession, *, tenant_id: UUID, wanted: WantedRoute, actor: Actor
) -> RouteView:
    """Make a route to an own pool or to one of the platform's.

    Raises: `PoolNotFound`, `PoolArchived`, `InvalidRoute`, `NameTaken`, `TooMany`.
    """
    queries = PoolAdministration(session, tenant_id)
    if await queries.count_routes() >= MOST_ROUTES:
        raise TooMany("routes", MOST_ROUTES, "delete one")
    if await queries.is_named(Route, wanted.name):
        raise NameTaken("route", wanted.name)
    pool = await _target(queries, wanted)
    route = Route(tenant_id=tenant_id, id=new_id())
    _fill(route, wanted, pool)
    session.add(route)
    await session.flush()
    await _record(session, route, actor, AuditAction.ROUTE_CREATE, pool.name)
    return await queries.route(route.id)


async def change_route(
    session: AsyncSession, *, tenant_id: UUID, route_id: UUID, version: int, wanted: WantedRoute, actor: Actor
) -> RouteView:
    """Write a route over that of `version`. Raises: as `create_route`, `RouteNotFound`, `OwnedByPlatform`, `ChangedMeanwhile`."""
    queries = PoolAdministration(session, tenant_id)
    route = await queries.lock_route(route_id)
    if route.version != version:
        raise ChangedMeanwhile("route")
    if route.name != wanted.name and await queries.is_named(Route, wanted.name):
        raise NameTaken("route", wanted.name)
    pool = await _target(queries, wanted)
    _fill(route, wanted, pool)
    route.version += 1
    await session.flush()
    await _record(session, route, actor, AuditAction.ROUTE_CHANGE, pool.name)
    return await queries.route(route_id)


async def delete_route(
    session: AsyncSession, *, tenant_id: UUID, route_id: UUID, version: int, actor: Actor
) -> None:
    """Remove a route; jobs that it led somewhere stay. Raises: `RouteNotFound`, `OwnedByPlatform`, `ChangedMeanwhile`."""
    queries = PoolAdministration(session, tenant_id)
    route = await queries.lock_route(route_id)
    if route.version != version:
        raise ChangedMeanwhile("route")
    pool = await queries.pool(route.pool_id)
    await session.delete(route)
    await session.flush()
    await _record(session, route, actor, AuditAction.ROUTE_DELETE, pool.name)


async def _target(queries: PoolAdministration, wanted: WantedRoute) -> PoolView:
    least, most = wanted.conditions.get("min_tokens", 0), wanted.conditions.get("max_tokens")
    if most is not None and most < least:
        raise InvalidRoute(
            f"No document has at least {least} and at most {most} tokens.", target="conditions.max_tokens"
        )
    try:
        pool = await queries.pool(wanted.pool_id)
        if pool.tenant_id != PLATFORM:
            # Locked, so that nobody archives it while this route is made.
            await queries.lock_pool(pool.id)
            pool = await queries.pool(pool.id)
    except PoolNotFound:
        raise InvalidRoute(
            "There is no such pool; GET /portal/v1/pools lists them.", target="pool_id"
        ) from None
    if pool.archived_at is not None:
        raise PoolArchived(pool.name)
    if pool.task_type != wanted.task_type:
        raise InvalidRoute(
            f"The pool {pool.name} is for {pool.task_type}, not for {wanted.task_type}.", target="task_type"
        )
    return pool


def _fill(route: Route, wanted: WantedRoute, pool: PoolView) -> None:
    route.name, route.task_type, route.conditions = wanted.name, wanted.task_type, dict(wanted.conditions)
    route.pool_tenant_id, route.pool_id = pool.tenant_id, pool.id


async def _record(
    session: AsyncSession, route: Route, actor: Actor, action: AuditAction, pool_name: str
) -> None:
    await record(
        session,
        tenant_id=route.tenant_id,
        actor=actor,
        action=action,
        target_type="route",
        target_id=str(route.id),
        detail={"name": route.name, "task_type": route.task_type, "pool": pool_name},
    )
