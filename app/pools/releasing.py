"""Publishing a draft and going back: the pool's pointer moves, jobs that run keep the revision they began with."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor
from app.core.clock import now
from app.core.errors import ChangedMeanwhile
from app.pools.drafts import own_draft
from app.pools.own_pools import record_pool
from app.pools.pool_errors import InvalidDraft, NothingPublished, PoolArchived, RevisionNotFound
from app.pools.pool_repository import PoolAdministration
from app.pools.pool_views import PoolView
from app.pools.tables import ModelPool, PoolRevision
from app.pools.validating import NOBODY, validate


async def publish_draft(
    session: AsyncSession, *, tenant_id: UUID, pool_id: UUID, number: int, version: int, actor: Actor
) -> PoolView:
    """Let a draft serve, in the version that the caller has read; from then on it never changes.

    Raises: `PoolNotFound`, `OwnedByPlatform`, `PoolArchived`, `RevisionNotFound`, `RevisionPublished`,
    `ChangedMeanwhile`, `InvalidDraft` with every problem.
    """
    queries = PoolAdministration(session, tenant_id)
    pool = await _open(queries, pool_id)
    draft = await own_draft(queries, pool_id, number, version)
    problems = await validate(session, tenant_id=tenant_id, pool_id=pool_id, number=number)
    if problems:
        raise InvalidDraft(problems)
    draft.published_at = now()
    await session.flush()
    await _point(session, pool, draft, actor, AuditAction.POOL_PUBLISH)
    return await queries.pool(pool_id)


async def revert(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    pool_id: UUID,
    version: int,
    actor: Actor,
    to: int | None = None,
) -> PoolView:
    """Let a revision serve that was published before: number `to`, or the one before the present one.

    `version` is the pool's, so that two who revert at once do not go two steps back. Refused only where
    nobody of that revision may serve today.

    Raises: `PoolNotFound`, `OwnedByPlatform`, `PoolArchived`, `ChangedMeanwhile`, `RevisionNotFound`,
    `NothingPublished`, `InvalidDraft`.
    """
    queries = PoolAdministration(session, tenant_id)
    pool = await _open(queries, pool_id)
    if pool.version != version:
        raise ChangedMeanwhile("pool")
    wanted = await _earlier(queries, pool, to)
    if wanted.id == pool.published_revision_id:
        return await queries.pool(pool_id)
    found = await validate(session, tenant_id=tenant_id, pool_id=pool_id, number=wanted.number)
    if any(problem.code == NOBODY for problem in found):
        raise InvalidDraft(found)
    await _point(session, pool, wanted, actor, AuditAction.POOL_REVERT)
    return await queries.pool(pool_id)


async def _open(queries: PoolAdministration, pool_id: UUID) -> ModelPool:
    pool = await queries.lock_pool(pool_id)
    if pool.archived_at is not None:
        raise PoolArchived(pool.name)
    return pool


async def _earlier(queries: PoolAdministration, pool: ModelPool, to: int | None) -> PoolRevision:
    if to is None:
        before = await queries.published_before(pool)
        if before is None:
            raise NothingPublished("No revision was published before the present one.")
        return before
    revision = await queries.own_revision(pool.id, to)
    if revision.published_at is None:
        raise RevisionNotFound(to)
    return revision


async def _point(
    session: AsyncSession, pool: ModelPool, revision: PoolRevision, actor: Actor, action: AuditAction
) -> None:
    pool.published_revision_id = revision.id
    pool.version += 1
    await session.flush()
    await record_pool(session, pool, actor, action, revision=revision.number)
