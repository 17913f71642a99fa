"""Writing platform configuration: rows by name, and a pool's new revision only when something differs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id, now
from app.core.database import Base
from app.pools.tables import ModelPool, PoolMember, PoolRevision, PriceRevision
from app.vocabulary import PLATFORM, MemberPurpose, Strategy

_Row = TypeVar("_Row", bound=Base)

ENVIRONMENT_TIER = -1
"""Members that the environment offers are asked before any that the file names."""


@dataclass(frozen=True)
class NewMember:
    """A member of a revision to be: platform rows only."""

    deployment_id: UUID
    prompt_set_id: UUID
    parameters: Mapping[str, Any]
    tier: int
    weight: int = 1
    purpose: MemberPurpose = MemberPurpose.SERVING

    def identity(self) -> tuple[str, ...]:
        """What makes two members the same."""
        return (
            str(self.deployment_id),
            str(self.prompt_set_id),
            json.dumps(dict(self.parameters), sort_keys=True),
            str(self.tier),
            str(self.weight),
            str(self.purpose),
        )


async def put(session: AsyncSession, table: type[_Row], name: Mapping[str, Any], **values: Any) -> _Row:
    """The platform's row of this name with these values; nothing is written where nothing differs."""
    row = await session.scalar(select(table).filter_by(tenant_id=PLATFORM, **name))
    if row is None:
        row = table(tenant_id=PLATFORM, **name, **values)
        session.add(row)
    else:
        for column, value in values.items():
            setattr(row, column, value)
    await session.flush()
    return row


async def put_price(session: AsyncSession, deployment_id: UUID, **prices: Any) -> None:
    """Append a price revision if the newest says something else."""
    newest = await session.scalar(
        select(PriceRevision)
        .where(
            PriceRevision.tenant_id == PLATFORM,
            PriceRevision.deployment_id == deployment_id,
            PriceRevision.withdrawn_at.is_(None),
        )
        .order_by(PriceRevision.created_at.desc(), PriceRevision.id.desc())
        .limit(1)
    )
    if newest is not None and all(getattr(newest, column) == value for column, value in prices.items()):
        return
    session.add(
        PriceRevision(
            tenant_id=PLATFORM, deployment_tenant_id=PLATFORM, deployment_id=deployment_id, **prices
        )
    )
    await session.flush()


async def published_members(session: AsyncSession, pool: ModelPool) -> list[NewMember]:
    """The members of the revision that a platform pool has published."""
    rows = await session.scalars(
        select(PoolMember).where(
            PoolMember.tenant_id == PLATFORM, PoolMember.revision_id == pool.published_revision_id
        )
    )
    return [
        NewMember(
            row.deployment_id,
            row.prompt_set_id,
            row.parameters,
            row.tier,
            row.weight,
            MemberPurpose(row.purpose),
        )
        for row in rows
    ]


async def publish(
    session: AsyncSession, pool: ModelPool, strategy: Strategy, members: Sequence[NewMember]
) -> bool:
    """Publish a revision with these members, unless the published one is the same. True if it is new."""
    published = await session.scalar(
        select(PoolRevision).where(
            PoolRevision.tenant_id == PLATFORM, PoolRevision.id == pool.published_revision_id
        )
    )
    if not members:
        pool.published_revision_id = None
        await session.flush()
        return published is not None
    if published is not None and published.strategy == strategy:
        before = await published_members(session, pool)
        if sorted(map(NewMember.identity, before)) == sorted(map(NewMember.identity, members)):
            return False
    await _append(session, pool, strategy, members)
    return True


async def _append(
    session: AsyncSession, pool: ModelPool, strategy: Strategy, members: Sequence[NewMember]
) -> None:
    newest = await session.scalar(
        select(func.max(PoolRevision.number)).where(
            PoolRevision.tenant_id == PLATFORM, PoolRevision.pool_id == pool.id
        )
    )
    revision = PoolRevision(
        tenant_id=PLATFORM, id=new_id(), pool_id=pool.id, number=(newest or 0) + 1, strategy=strategy
    )
    session.add(revision)
    await session.flush()
    session.add_all(
        PoolMember(
            tenant_id=PLATFORM,
            revision_id=revision.id,
            deployment_tenant_id=PLATFORM,
            deployment_id=member.deployment_id,
            prompt_set_tenant_id=PLATFORM,
            prompt_set_id=member.prompt_set_id,
            parameters=dict(member.parameters),
            tier=member.tier,
            weight=member.weight,
            purpose=member.purpose,
        )
        for member in members
    )
    await session.flush()
    revision.published_at = now()
    pool.published_revision_id = revision.id
    await session.flush()
