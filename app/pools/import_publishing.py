"""The pools of an import with what they publish: hundreds at once, in a statement or two for each table."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.record import DetailValue
from app.core.clock import new_id, now
from app.pools.import_changes import Change
from app.pools.import_rows import ImportRows
from app.pools.pool_repository import PoolAdministration
from app.pools.tables import ModelPool, PoolMember, PoolRevision
from app.vocabulary import Strategy


@dataclass(frozen=True)
class _Published:
    """What a pool has published: its strategy, and its members' rows."""

    strategy: str
    members: Sequence[PoolMember]


class ImportPublishing:
    """Collects what pools shall publish, and publishes what they do not yet."""

    def __init__(self, session: AsyncSession, rows: ImportRows, tenant_id: UUID) -> None:
        self._session = session
        self._rows = rows
        self._tenant_id = tenant_id
        self._before: dict[UUID, _Published] | None = None
        self._wanted: list[tuple[ModelPool, Strategy, Sequence[Mapping[str, Any]]]] = []

    async def want(self, pool: ModelPool, strategy: Strategy, members: Sequence[Mapping[str, Any]]) -> None:
        """Let a pool serve by these members; without any it has published nothing."""
        published = (await self._published()).get(pool.published_revision_id or pool.id)
        if not members:
            if published is not None:
                pool.published_revision_id = None
                self._rows.touched(pool, "pool", revision=None)
            return
        if published is not None and published.strategy == strategy:
            before = [{key: getattr(row, key) for key in members[0]} for row in published.members]
            if sorted(map(_key, before)) == sorted(map(_key, members)):
                return
        self._wanted.append((pool, strategy, members))

    async def publish(self) -> set[UUID]:
        """Write it; gives the pools that serve by something else now."""
        await self._session.flush()
        numbers = await PoolAdministration(self._session, self._tenant_id).newest_numbers()
        revisions = [
            PoolRevision(
                tenant_id=self._tenant_id,
                id=new_id(),
                pool_id=pool.id,
                number=numbers.get(pool.id, 0) + 1,
                strategy=strategy,
                note="imported",
            )
            for pool, strategy, _ in self._wanted
        ]
        self._session.add_all(revisions)
        await self._session.flush()
        self._session.add_all(
            PoolMember(tenant_id=self._tenant_id, revision_id=revision.id, **one)
            for revision, (_, _, members) in zip(revisions, self._wanted, strict=True)
            for one in members
        )
        await self._session.flush()
        # A revision that was published takes no more members: first they, then the date.
        for revision in revisions:
            revision.published_at = now()
        await self._session.flush()
        for revision, (pool, _, _) in zip(revisions, self._wanted, strict=True):
            pool.published_revision_id = revision.id
            pool.version += 1
            named = f"{pool.name} revision {revision.number}"
            detail: dict[str, DetailValue] = {"name": pool.name, "revision": revision.number}
            self._rows.changes.append(Change("pool", named, "published", pool.id, detail))
        await self._session.flush()
        return {pool.id for pool, _, _ in self._wanted}

    async def _published(self) -> dict[UUID, _Published]:
        """By revision, what the tenant's pools have published before the import."""
        if self._before is None:
            revisions = (
                await self._session.scalars(
                    select(PoolRevision)
                    .join(ModelPool, ModelPool.published_revision_id == PoolRevision.id)
                    .where(ModelPool.tenant_id == self._tenant_id, PoolRevision.tenant_id == self._tenant_id)
                )
            ).all()
            members: defaultdict[UUID, list[PoolMember]] = defaultdict(list)
            for row in await self._session.scalars(
                select(PoolMember).where(
                    PoolMember.tenant_id == self._tenant_id,
                    PoolMember.revision_id.in_([one.id for one in revisions]),
                )
            ):
                members[row.revision_id].append(row)
            self._before = {one.id: _Published(one.strategy, members[one.id]) for one in revisions}
        return self._before


def _key(member: Mapping[str, Any]) -> str:
    return json.dumps(
        {name: str(value) if name != "parameters" else value for name, value in member.items()},
        sort_keys=True,
    )
