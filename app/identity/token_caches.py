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
from sqlalchemy import Row, Select, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id
from app.core.crypto import Place, SealBroken, Sealed, Sealer
from app.core.database import Database
from app.core.logging import get_logger
from app.identity.tables import TokenCacheRow
from app.tenants.keys import TenantKeys

_log = get_logger(__name__)
_LARGEST_BYTES = 256 * 1024
"""A partition holds one account's tokens for one resource: a few kilobytes. More is no cache of ours."""
_AGES = ("last_modification_time", "cached_at", "expires_on")

Cache = dict[str, dict[str, dict[str, Any]]]
"""As MSAL keeps it: credential type -> key -> entry."""


@dataclass(frozen=True)
class Partition:
    """Whose tokens, and of which session. The person is known by tenant and object id, a guest as well."""

    tenant_id: UUID
    member_id: UUID
    session_key: str
    entra_tenant_id: UUID
    entra_object_id: UUID
    lifetime_seconds: float
    """Until the row may be removed, from its last write on."""


@dataclass(frozen=True)
class _Stored:
    row_id: UUID
    version: int
    cache: Cache


class ForeignAccount(Exception):
    """A cache holds another account's tokens: nothing of it may be used."""


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
        check_accounts(ours, partition)
        if len(json.dumps(ours)) > _LARGEST_BYTES:
            _log.error("token cache too large to keep", tenant_id=str(partition.tenant_id))
            return
        sealer = await self._keys.sealer(partition.tenant_id)
        async with self._database.tenant(partition.tenant_id) as session:
            if await _write(session, sealer, partition, stored, ours):
                return
            # Somebody was quicker: ours goes on top of theirs, with the row held so that no third is quicker again.
            row = (await session.execute(_query(partition).with_for_update())).one_or_none()
            if row is None:
                # Revoked meanwhile: what was taken away does not come back by being late.
                return
            theirs = _opened(sealer, partition, row)
            await _write(session, sealer, partition, theirs, merge(base, ours, theirs.cache))

    async def _read(self, partition: Partition) -> _Stored | None:
        sealer = await self._keys.sealer(partition.tenant_id)
        async with self._database.tenant(partition.tenant_id) as session:
            row = (await session.execute(_query(partition))).one_or_none()
        return None if row is None else _opened(sealer, partition, row)


def _query(partition: Partition) -> Select[UUID, int, Sealed]:
    return select(TokenCacheRow.id, TokenCacheRow.version, TokenCacheRow.sealed_cache).where(
        *_where(partition)
    )


def _opened(sealer: Sealer, partition: Partition, row: Row[UUID, int, Sealed]) -> _Stored:
    try:
        cache: Cache = json.loads(sealer.open(_place(row.id), row.sealed_cache))
        check_accounts(cache, partition)
    except (SealBroken, ForeignAccount, ValueError) as error:
        # Nobody loses more than a sign-in; what cannot be trusted is written over.
        _log.error("token cache not usable", row_id=str(row.id), reason=type(error).__name__)
        cache = {}
    return _Stored(row.id, row.version, cache)


async def _write(
    session: AsyncSession, sealer: Sealer, partition: Partition, stored: _Stored | None, cache: Cache
) -> bool:
    """Write over exactly what was read, or make the row; False if somebody else was quicker."""
    row_id = stored.row_id if stored is not None else new_id()
    sealed = sealer.seal(_place(row_id), json.dumps(cache, separators=(",", ":")).encode())
    lifetime = text(f"interval '{partition.lifetime_seconds:.3f} seconds'")
    values = {"sealed_cache": sealed, "expires_at": func.clock_timestamp() + lifetime}
    if stored is None:
        statement: Any = (
            insert(TokenCacheRow)
            .values(
                tenant_id=partition.tenant_id,
                id=row_id,
                member_id=partition.member_id,
                session_key=partition.session_key,
                version=1,
                **values,
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
            .values(version=stored.version + 1, updated_at=func.clock_timestamp(), **values)
            .execution_options(synchronize_session=False)
        )
    written = await session.execute(statement.returning(TokenCacheRow.id))
    return written.scalar_one_or_none() is not None


def is_account(entry: Mapping[str, Any], partition: Partition) -> bool:
    """Whether an account of MSAL's is the partition's person.

    `local_account_id` and `realm` name a person where they work; the home account of a guest names them
    where they come from.
    """
    named = (str(entry.get("realm")).lower(), str(entry.get("local_account_id")).lower())
    return named == (str(partition.entra_tenant_id), str(partition.entra_object_id))


def check_accounts(cache: Mapping[str, Mapping[str, Mapping[str, Any]]], partition: Partition) -> None:
    """Whether every entry belongs to the partition's person. Raises: `ForeignAccount`."""
    kinds = msal.TokenCache.CredentialType
    accounts = cache.get(kinds.ACCOUNT, {}).values()
    if not all(is_account(one, partition) for one in accounts):
        raise ForeignAccount
    own = {one["home_account_id"] for one in accounts}
    for kind, entries in cache.items():
        if kind == kinds.APP_METADATA:
            continue
        if any(one.get("home_account_id") not in own for one in entries.values()):
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
