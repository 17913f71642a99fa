"""Drafts: revisions of a pool that may still change, and never serve."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor
from app.core.clock import new_id
from app.core.errors import ChangedMeanwhile, ErrorDetail
from app.pools.own_pools import record_pool
from app.pools.pool_errors import InvalidDraft, NothingPublished, PoolArchived, RevisionPublished, TooMany
from app.pools.pool_repository import PoolAdministration
from app.pools.pool_views import DraftContent, NewMember, RevisionView
from app.pools.tables import ModelPool, PoolMember, PoolRevision
from app.vocabulary import Strategy

MOST_DRAFTS = 20
"""Of one pool at a time."""
MOST_MEMBERS = 50
"""Of one revision: each is looked at for every call."""


async def list_revisions(
    session: AsyncSession, *, tenant_id: UUID, pool_id: UUID, before: int | None, limit: int
) -> list[RevisionView]:
    """Revisions of a pool without members, the newest first, below the number `before`. Raises: `PoolNotFound`."""
    queries = PoolAdministration(session, tenant_id)
    return await queries.revisions(await queries.pool(pool_id), before=before, limit=limit)


async def find_revision(
    session: AsyncSession, *, tenant_id: UUID, pool_id: UUID, number: int
) -> RevisionView:
    """A revision with its members. Raises: `PoolNotFound`, `RevisionNotFound`."""
    queries = PoolAdministration(session, tenant_id)
    return await queries.revision(await queries.pool(pool_id), number)


async def create_draft(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    pool_id: UUID,
    content: DraftContent,
    actor: Actor,
    copy_published: bool = False,
) -> RevisionView:
    """Make a draft of an own pool with the next number; what `content` leaves open is copied, or empty.

    Raises: `PoolNotFound`, `OwnedByPlatform`, `PoolArchived`, `NothingPublished`, `InvalidDraft`, `TooMany`.
    """
    queries = PoolAdministration(session, tenant_id)
    pool = await _changeable(queries, pool_id)
    if await queries.count_drafts(pool_id) >= MOST_DRAFTS:
        raise TooMany("drafts of the pool", MOST_DRAFTS, "publish or delete one")
    view = await queries.pool(pool_id)
    copied: RevisionView | None = None
    if copy_published:
        if view.published_number is None:
            raise NothingPublished("The pool has published nothing that could be copied.")
        copied = await queries.revision(view, view.published_number)
    strategy = content.strategy or (Strategy.WEIGHTED if copied is None else copied.strategy)
    revision = PoolRevision(
        tenant_id=tenant_id,
        id=new_id(),
        pool_id=pool_id,
        number=await queries.newest_number(pool_id) + 1,
        strategy=strategy,
        note=content.note or "",
    )
    session.add(revision)
    await session.flush()
    members = content.members
    if members is None and copied is not None:
        members = tuple(
            NewMember(one.deployment_id, one.prompt_set_id, one.parameters, one.tier, one.weight, one.purpose)
            for one in copied.members
        )
    await _put_members(session, queries, revision, members or ())
    await record_pool(session, pool, actor, AuditAction.POOL_DRAFT, revision=revision.number)
    return await queries.revision(view, revision.number)


async def change_draft(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    pool_id: UUID,
    number: int,
    version: int,
    content: DraftContent,
    actor: Actor,
) -> RevisionView:
    """Change a draft; members are replaced as a whole.

    Raises: `PoolNotFound`, `OwnedByPlatform`, `PoolArchived`, `RevisionNotFound`, `RevisionPublished`,
    `ChangedMeanwhile`, `InvalidDraft`.
    """
    queries = PoolAdministration(session, tenant_id)
    pool = await _changeable(queries, pool_id)
    revision = await own_draft(queries, pool_id, number, version)
    if content.strategy is not None:
        revision.strategy = content.strategy
    if content.note is not None:
        revision.note = content.note
    if content.members is not None:
        await _drop_members(session, queries, revision)
        await _put_members(session, queries, revision, content.members)
    revision.version += 1
    await session.flush()
    await record_pool(session, pool, actor, AuditAction.POOL_DRAFT, revision=number)
    return await queries.revision(await queries.pool(pool_id), number)


async def delete_draft(
    session: AsyncSession, *, tenant_id: UUID, pool_id: UUID, number: int, version: int, actor: Actor
) -> None:
    """Drop a draft. Raises: as `change_draft`."""
    queries = PoolAdministration(session, tenant_id)
    pool = await _changeable(queries, pool_id)
    revision = await own_draft(queries, pool_id, number, version)
    await _drop_members(session, queries, revision)
    await session.delete(revision)
    await session.flush()
    await record_pool(session, pool, actor, AuditAction.POOL_DRAFT, revision=number, deleted=True)


async def own_draft(queries: PoolAdministration, pool_id: UUID, number: int, version: int) -> PoolRevision:
    """A draft of an own pool, which the caller has locked, in the version that the caller has read.

    Raises: `RevisionNotFound`, `RevisionPublished`, `ChangedMeanwhile`.
    """
    revision = await queries.own_revision(pool_id, number)
    if revision.published_at is not None:
        raise RevisionPublished(number)
    if revision.version != version:
        raise ChangedMeanwhile("draft")
    return revision


async def _changeable(queries: PoolAdministration, pool_id: UUID) -> ModelPool:
    pool = await queries.lock_pool(pool_id)
    if pool.archived_at is not None:
        raise PoolArchived(pool.name)
    return pool


async def _drop_members(session: AsyncSession, queries: PoolAdministration, revision: PoolRevision) -> None:
    for row in await queries.member_rows(revision):
        await session.delete(row)
    await session.flush()


async def _put_members(
    session: AsyncSession,
    queries: PoolAdministration,
    revision: PoolRevision,
    members: Sequence[NewMember],
) -> None:
    """Members as rows. What is not there cannot be referred to; what is not right is said by `validate`."""
    deployments = await queries.deployments({one.deployment_id for one in members})
    prompt_sets = await queries.prompt_sets({one.prompt_set_id for one in members})
    problems = []
    for position, one in enumerate(members):
        if one.deployment_id not in deployments:
            problems.append(
                ErrorDetail(
                    "unknown_deployment", "there is no such deployment", f"members[{position}].deployment_id"
                )
            )
        if one.prompt_set_id not in prompt_sets:
            problems.append(
                ErrorDetail(
                    "unknown_prompt_set", "there is no such prompt set", f"members[{position}].prompt_set_id"
                )
            )
    if problems:
        raise InvalidDraft(problems)
    session.add_all(
        PoolMember(
            tenant_id=revision.tenant_id,
            revision_id=revision.id,
            deployment_tenant_id=deployments[one.deployment_id].tenant_id,
            deployment_id=one.deployment_id,
            prompt_set_tenant_id=prompt_sets[one.prompt_set_id][0],
            prompt_set_id=one.prompt_set_id,
            parameters=dict(one.parameters),
            tier=one.tier,
            weight=one.weight,
            purpose=one.purpose,
        )
        for one in members
    )
    await session.flush()
