"""Administration of pools: list, make, rename, archive. The platform's are seen and used, never changed."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, DetailValue, record
from app.core.clock import new_id, now
from app.core.errors import ChangedMeanwhile
from app.pools.pool_errors import NameTaken, PoolInUse, TooMany
from app.pools.pool_repository import PoolAdministration
from app.pools.pool_views import PoolView
from app.pools.tables import ModelPool

MOST_POOLS = 200
"""Of one tenant, archived ones too: a list is one page."""


async def list_pools(
    session: AsyncSession, *, tenant_id: UUID, task_type: str | None = None, archived: bool = False
) -> list[PoolView]:
    """The tenant's pools and then the platform's, by name; with `archived` those as well."""
    return await PoolAdministration(session, tenant_id).pools(task_type=task_type, archived=archived)


async def find_pool(session: AsyncSession, *, tenant_id: UUID, pool_id: UUID) -> PoolView:
    """A pool that the tenant may see. Raises: `PoolNotFound`."""
    return await PoolAdministration(session, tenant_id).pool(pool_id)


async def create_pool(
    session: AsyncSession, *, tenant_id: UUID, name: str, task_type: str, actor: Actor
) -> PoolView:
    """Make a pool without revisions; `task_type` is one there is. Raises: `NameTaken`, `TooMany`."""
    queries = PoolAdministration(session, tenant_id)
    if await queries.count_pools() >= MOST_POOLS:
        raise TooMany("pools", MOST_POOLS, "rename one that is archived and use it")
    if await queries.is_named(ModelPool, name):
        raise NameTaken("pool", name)
    pool = ModelPool(tenant_id=tenant_id, id=new_id(), name=name, task_type=task_type)
    session.add(pool)
    await session.flush()
    await record_pool(session, pool, actor, AuditAction.POOL_CREATE, task_type=task_type)
    return await queries.pool(pool.id)


async def change_pool(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    pool_id: UUID,
    version: int,
    actor: Actor,
    name: str | None = None,
    archived: bool | None = None,
) -> PoolView:
    """Rename, archive, or take out of the archive; what is so already changes and records nothing.

    Jobs that run in an archived pool go on. Raises: `PoolNotFound`, `OwnedByPlatform`, `ChangedMeanwhile`,
    `NameTaken`, `PoolInUse`.
    """
    queries = PoolAdministration(session, tenant_id)
    pool = await queries.lock_pool(pool_id)
    if pool.version != version:
        raise ChangedMeanwhile("pool")
    before = (pool.name, pool.archived_at is not None)
    wanted = (before[0] if name is None else name, before[1] if archived is None else archived)
    if wanted == before:
        return await queries.pool(pool_id)
    if wanted[0] != before[0] and await queries.is_named(ModelPool, wanted[0]):
        raise NameTaken("pool", wanted[0])
    if wanted[1] and (routes := await queries.routes_to(pool_id)):
        raise PoolInUse(routes)
    pool.name, pool.version = wanted[0], pool.version + 1
    if wanted[1] != before[1]:
        pool.archived_at = now() if wanted[1] else None
    await session.flush()
    await record_pool(session, pool, actor, AuditAction.POOL_CHANGE, before=before[0], archived=wanted[1])
    return await queries.pool(pool_id)


async def record_pool(
    session: AsyncSession, pool: ModelPool, actor: Actor, action: AuditAction, **detail: DetailValue
) -> None:
    """Record what happened to an own pool, by its name."""
    await record(
        session,
        tenant_id=pool.tenant_id,
        actor=actor,
        action=action,
        target_type="pool",
        target_id=str(pool.id),
        detail={"name": pool.name, **detail},
    )
