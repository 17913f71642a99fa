"""MSAL's token caches as sealed rows: one partition a member and session, written by compare-and-swap.

A cache never crosses members: everything in a partition must belong to the account it was made for, as
it is read and before it is written. Two processes that refresh at once lose nothing: whoever comes
second puts its own changes on top of what the first has written.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msal
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id
from app.core.crypto import Place, SealBroken, Sealer
from app.core.database import Database
from app.core.logging import get_logger
from app.identity.tables import TokenCacheRow
from app.tenants.keys import TenantKeys

_log = get_logger(__name__)
_LARGEST_BYTES = 256 * 1024
"""A partition holds one account's tokens for one resource: a few kilobytes. More is no cache of ours."""
_MOST_TRIES = 8
_AGES = ("last_modification_time", "cached_at", "expires_on")

Cache = dict[str, dict[str, dict[str, Any]]]
"""As MSAL keeps it: credential type -> key -> entry."""


@dataclass(frozen=True)
class Partition:
    """Whose tokens, and of which session. `home_account_id` is Entra's `{object id}.{tenant id}`."""

    tenant_id: UUID
    member_id: UUID
    session_key: str
    home_account_id: str
    lifetime_seconds: float
    """Until the row may be removed, from its last write on."""


@dataclass(frozen=True)
class _Stored:
    row_id: UUID
    version: int
    cache: Cache


class ForeignAccount(Exception):
    """A cache holds another account's tokens: nothing of it may be used."""


class CacheContended(Exception):
    """Others kept writing the same partition; our tokens are good, only not kept."""


class TokenCaches:
    """Opens partitions. Each read and each write is a short transaction of its own, in the app role."""

    def __init__(self, database: Database, keys: TenantKeys) -> None:
        self._database = database
        self._keys = keys

    @asynccontextmanager
    async def open(self, partition: Partition) -> AsyncIterator[msal.SerializableTokenCache]:
        """The partition as MSAL takes it, kept at the end if MSAL has changed it, also after an error.

        Raises: `ForeignAccount` when what MSAL has put in belongs to somebody else; nothing is kept then.
        """
        stored = await self._read(partition)
        base = stored.cache if stored is not None else {}
        cache = msal.SerializableTokenCache()
        cache.deserialize(json.dumps(base))
        try:
            yield cache
        finally:
            if cache.has_state_changed:
                await self._keep(partition, stored, base, json.loads(cache.serialize()))

    async def forget(self, partition: Partition) -> None:
        """Drop the partition."""
        async with self._database.tenant(partition.tenant_id) as session:
            await session.execute(delete(TokenCacheRow).where(*_where(partition)))

    async def _keep(self, partition: Partition, stored: _Stored | None, base: Cache, ours: Cache) -> None:
        check_accounts(ours, partition.home_account_id)
        if len(json.dumps(ours)) > _LARGEST_BYTES:
            _log.error("token cache too large to keep", tenant_id=str(partition.tenant_id))
            return
        sealer = await self._keys.sealer(partition.tenant_id)
        wanted = ours
        for _ in range(_MOST_TRIES):
            if await self._write(sealer, partition, stored, wanted):
                return
            known, stored = stored is not None, await self._read(partition)
            if known and stored is None:
                # Revoked meanwhile: what was taken away does not come back by being late.
                return
            wanted = merge(base, ours, stored.cache if stored is not None else {})
        _log.info("token cache not kept", reason=CacheContended.__name__)

    async def _read(self, partition: Partition) -> _Stored | None:
        sealer = await self._keys.sealer(partition.tenant_id)
        async with self._database.tenant(partition.tenant_id) as session:
            row = (
                await session.execute(
                    select(TokenCacheRow.id, TokenCacheRow.version, TokenCacheRow.sealed_cache).where(
                        *_where(partition)
                    )
                )
            ).one_or_none()
        if row is None:
            return None
        try:
            cache: Cache = json.loads(sealer.open(_place(row.id), row.sealed_cache))
            check_accounts(cache, partition.home_account_id)
        except (SealBroken, ForeignAccount, ValueError) as error:
            # Nobody loses more than a sign-in; what cannot be trusted is written over.
            _log.error("token cache not usable", row_id=str(row.id), reason=type(error).__name__)
            cache = {}
        return _Stored(row.id, row.version, cache)

    async def _write(
        self, sealer: Sealer, partition: Partition, stored: _Stored | None, cache: Cache
    ) -> bool:
        """Write over exactly what was read, or make the row; False if somebody else was quicker."""
        row_id = stored.row_id if stored is not None else new_id()
        sealed = sealer.seal(_place(row_id), json.dumps(cache, separators=(",", ":")).encode())
        expires_at = func.clock_timestamp() + text(f"interval '{partition.lifetime_seconds:.3f} seconds'")
        async with self._database.tenant(partition.tenant_id) as session:
            if stored is None:
                statement: Any = (
                    insert(TokenCacheRow)
                    .values(
                        tenant_id=partition.tenant_id,
                        id=row_id,
                        member_id=partition.member_id,
                        session_key=partition.session_key,
                        sealed_cache=sealed,
                        version=1,
                        expires_at=expires_at,
                    )
                    .on_conflict_do_nothing(index_elements=["tenant_id", "member_id", "session_key"])
                )
            else:
                statement = (
                    update(TokenCacheRow)
                    .where(
                        TokenCacheRow.tenant_id == partition.tenant_id,
                        TokenCacheRow.id == row_id,
                        TokenCacheRow.version == stored.version,
                    )
                    .values(
                        sealed_cache=sealed,
                        version=stored.version + 1,
                        expires_at=expires_at,
                        updated_at=func.clock_timestamp(),
                    )
                    .execution_options(synchronize_session=False)
                )
            written = await session.execute(statement.returning(TokenCacheRow.id))
            return written.scalar_one_or_none() is not None


def check_accounts(cache: Mapping[str, Mapping[str, Mapping[str, Any]]], home_account_id: str) -> None:
    """Whether every entry that belongs to an account belongs to this one. Raises: `ForeignAccount`."""
    for kind, entries in cache.items():
        if kind == msal.TokenCache.CredentialType.APP_METADATA:
            continue
        for entry in entries.values():
            if str(entry.get("home_account_id")).lower() != home_account_id.lower():
                raise ForeignAccount


def merge(base: Cache, ours: Cache, theirs: Cache) -> Cache:
    """What we changed since `base`, put on top of `theirs`; where both wrote an entry, the newer stays."""
    merged: Cache = {kind: dict(entries) for kind, entries in theirs.items()}
    for kind in base.keys() | ours.keys():
        before, after = base.get(kind, {}), ours.get(kind, {})
        into = merged.setdefault(kind, {})
        for key in before.keys() | after.keys():
            if after.get(key) == before.get(key):
                continue
            untouched = into.get(key) == before.get(key)
            if key not in after:
                # Removed by us; written anew by them, it stays.
                if untouched:
                    into.pop(key, None)
            elif untouched or key not in into or _age(after[key]) >= _age(into[key]):
                into[key] = after[key]
    return {kind: entries for kind, entries in merged.items() if entries}


async def remove_expired(session: AsyncSession, *, limit: int = 1000) -> int:
    """Drop partitions whose time is up. System role; gives how many."""
    expired = (
        select(TokenCacheRow.tenant_id, TokenCacheRow.id)
        .where(TokenCacheRow.expires_at < func.clock_timestamp())
        .limit(limit)
    )
    rows = (await session.execute(expired)).all()
    for row in rows:
        await session.execute(
            delete(TokenCacheRow)
            .where(
                TokenCacheRow.tenant_id == row.tenant_id,
                TokenCacheRow.id == row.id,
                TokenCacheRow.expires_at < func.clock_timestamp(),
            )
            .execution_options(synchronize_session=False)
        )
    return len(rows)


def _age(entry: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(entry.get(name) or 0) for name in _AGES)


def _where(partition: Partition) -> tuple[Any, ...]:
    return (
        TokenCacheRow.tenant_id == partition.tenant_id,
        TokenCacheRow.member_id == partition.member_id,
        TokenCacheRow.session_key == partition.session_key,
    )


def _place(row_id: UUID) -> Place:
    return Place("token_caches", row_id, "sealed_cache")
