"""Data keys of tenants: made on first use, wrapped at rest, unwrapped in memory."""

import asyncio
import time
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.core.crypto import LocalKeyring, Sealer
from app.core.database import Database
from app.tenants.tables import TenantKey

_CACHE_SECONDS = 60.0


class TenantKeys:
    """Gives a tenant's sealer. Works in the app role; keys are cached for a minute, so a rotation is seen."""

    def __init__(self, database: Database, keyring: LocalKeyring) -> None:
        self._database = database
        self._keyring = keyring
        self._cache: dict[UUID, tuple[float, Sealer]] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}

    async def sealer(self, tenant_id: UUID) -> Sealer:
        """The tenant's sealer; its first data key is made here. Raises: `SealBroken`."""
        found = self._fresh(tenant_id)
        if found is not None:
            return found
        async with self._locks.setdefault(tenant_id, asyncio.Lock()):
            found = self._fresh(tenant_id)
            if found is None:
                found = await self._load(tenant_id)
                self._cache[tenant_id] = (time.monotonic() + _CACHE_SECONDS, found)
            return found

    def _fresh(self, tenant_id: UUID) -> Sealer | None:
        until, sealer = self._cache.get(tenant_id, (0.0, None))
        return sealer if time.monotonic() < until else None

    async def _load(self, tenant_id: UUID) -> Sealer:
        query = select(TenantKey).where(TenantKey.tenant_id == tenant_id)
        async with self._database.tenant(tenant_id) as session:
            rows = (await session.scalars(query)).all()
            if not rows:
                name, wrapped = self._keyring.new_data_key(tenant_id)
                # Of several processes that find no key one makes it, and all read that one.
                await session.execute(
                    insert(TenantKey)
                    .values(tenant_id=tenant_id, version=1, wrapping_key=name, wrapped=wrapped)
                    .on_conflict_do_nothing()
                )
                rows = (await session.scalars(query)).all()
        return Sealer(
            tenant_id,
            {row.version: self._keyring.unwrap(tenant_id, row.wrapping_key, row.wrapped) for row in rows},
        )
