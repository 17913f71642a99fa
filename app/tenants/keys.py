"""Data keys of tenants: made on first use, wrapped at rest, unwrapped in memory for a minute at most."""

import asyncio
import secrets
import time
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import FIRST_VERSION, KEY_BYTES, SealBroken, Sealer
from app.core.database import Database
from app.core.logging import get_logger
from app.core.wrapping import WrappedKey, WrappingKeys
from app.tenants.tables import TenantKey

_log = get_logger(__name__)
CACHE_SECONDS = 60.0


class TenantKeys:
    """Gives a tenant's sealer. Works in the app role; keys are cached for a minute, so a rotation is seen.

    While the vault is away, sealers that are cached go on to work for the rest of their minute; then
    `KeysUnavailable` is what everybody gets. There is no other key to fall back on.
    """

    def __init__(self, database: Database, wrapping: WrappingKeys) -> None:
        self._database = database
        self._wrapping = wrapping
        self._cache: dict[UUID, tuple[float, Sealer]] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}

    async def sealer(self, tenant_id: UUID) -> Sealer:
        """The tenant's sealer; its first data key is made here. Raises: `KeysUnavailable`, `SealBroken`."""
        found = self._fresh(tenant_id)
        if found is not None:
            return found
        async with self._locks.setdefault(tenant_id, asyncio.Lock()):
            found = self._fresh(tenant_id)
            if found is None:
                # Counted from before the look: what was read may be as old as that.
                until = time.monotonic() + CACHE_SECONDS
                found = await self._load(tenant_id)
                self._cache[tenant_id] = (until, found)
                asyncio.get_running_loop().call_later(CACHE_SECONDS, self._forget, tenant_id, found)
            return found

    async def close(self) -> None:
        """Forget every key, and let go of the vault."""
        self._cache.clear()
        await self._wrapping.close()

    def _fresh(self, tenant_id: UUID) -> Sealer | None:
        until, sealer = self._cache.get(tenant_id, (0.0, None))
        return sealer if time.monotonic() < until else None

    def _forget(self, tenant_id: UUID, sealer: Sealer) -> None:
        """Also the keys of a tenant that nobody asks for any more leave the memory."""
        if self._cache.get(tenant_id, (0.0, None))[1] is sealer:
            del self._cache[tenant_id]

    async def _load(self, tenant_id: UUID) -> Sealer:
        rows, seals_with = await self._read(tenant_id)
        if not rows:
            # No transaction is open while the vault is asked.
            fresh = await self._wrapping.wrap(tenant_id, FIRST_VERSION, secrets.token_bytes(KEY_BYTES))
            async with self._database.tenant(tenant_id) as session:
                # Of several processes that find no key one makes it, and all read that one.
                await add_version(session, tenant_id, FIRST_VERSION, fresh)
            rows, seals_with = await self._read(tenant_id)
        versions = sorted(rows)
        found = await asyncio.gather(
            *(self._wrapping.unwrap(tenant_id, version, rows[version]) for version in versions),
            return_exceptions=True,
        )
        keys: dict[int, bytes] = {}
        for version, key in zip(versions, found, strict=True):
            if isinstance(key, bytes):
                keys[version] = key
            elif isinstance(key, SealBroken) and version != seals_with:
                # What this version sealed is lost and says so when it is read; the rest is not.
                _log.error("data key unreadable", tenant_id=str(tenant_id), key_version=version)
            else:
                raise key
        return Sealer(tenant_id, keys, seals_with)

    async def _read(self, tenant_id: UUID) -> tuple[dict[int, WrappedKey], int | None]:
        """The wrapped versions, and the newest one that may seal."""
        async with self._database.tenant(tenant_id) as session:
            found = await session.execute(
                select(
                    TenantKey.version,
                    TenantKey.wrapping_key,
                    TenantKey.wrapped,
                    (TenantKey.seals_from <= func.now()).label("seals"),
                ).where(TenantKey.tenant_id == tenant_id)
            )
            rows = found.all()
        sealing = [row.version for row in rows if row.seals]
        wrapped = {row.version: WrappedKey(row.wrapping_key, row.wrapped) for row in rows}
        return wrapped, max(sealing, default=None)


async def add_version(
    session: AsyncSession, tenant_id: UUID, version: int, wrapped: WrappedKey, *, settle_seconds: float = 0.0
) -> bool:
    """Keep a version of a tenant's data key that seals after `settle_seconds`; False if it was there already."""
    added = await session.execute(
        insert(TenantKey)
        .values(
            tenant_id=tenant_id,
            version=version,
            wrapping_key=wrapped.name,
            wrapped=wrapped.wrapped,
            seals_from=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, settle_seconds),
        )
        .on_conflict_do_nothing()
        .returning(TenantKey.version)
    )
    return added.scalar_one_or_none() is not None
