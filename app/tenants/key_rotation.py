"""Rotation of tenants' data keys and of what wraps them. In the owner's role, one tenant at a time.

Only the operator does this; each tenant's audit record says so.

Nothing here stops anybody: a key that is wrapped anew stays the same key, and a new version of a data key
only opens until every process knows it.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, DetailValue, record
from app.core.crypto import KEY_BYTES, SealBroken, Sealer
from app.core.database import Database
from app.core.wrapping import KeysUnavailable, WrappedKey, WrappingKeys
from app.tenants.keys import CACHE_SECONDS, add_version
from app.tenants.tables import Tenant, TenantKey
from app.vocabulary import TenantState

SETTLE_SECONDS = 2 * CACHE_SECONDS
"""From making a version until it seals: a process that has just looked knows it after `CACHE_SECONDS`."""
_GOING = (TenantState.ERASING, TenantState.ERASED)


@dataclass(frozen=True)
class DataKey:
    """A version of a tenant's data key, as it is stored."""

    tenant_id: UUID
    version: int
    wrapped: WrappedKey
    seals_from: datetime
    seals: bool


@dataclass(frozen=True)
class OpenedKeys:
    """The versions that unwrap, as a sealer (None if none does), and why others do not."""

    sealer: Sealer | None
    sealing: int | None
    broken: dict[int, str] = field(default_factory=dict)


async def data_keys(database: Database) -> dict[UUID, list[DataKey]]:
    """Every data key of every tenant, by tenant; a tenant without one is there too."""
    query = select(TenantKey, (TenantKey.seals_from <= func.now()).label("seals")).order_by(
        TenantKey.tenant_id, TenantKey.version
    )
    async with database.system() as session:
        found: dict[UUID, list[DataKey]] = {
            tenant_id: [] for tenant_id in await session.scalars(select(Tenant.id).order_by(Tenant.id))
        }
        for row, seals in (await session.execute(query)).all():
            wrapped = WrappedKey(row.wrapping_key, row.wrapped)
            key = DataKey(row.tenant_id, row.version, wrapped, row.seals_from, seals)
            found.setdefault(row.tenant_id, []).append(key)
    return found


async def open_keys(wrapping: WrappingKeys, keys: list[DataKey]) -> OpenedKeys:
    """Unwrap one tenant's data keys, each for itself."""
    opened: dict[int, bytes] = {}
    broken: dict[int, str] = {}
    for key in keys:
        try:
            opened[key.version] = await wrapping.unwrap(key.tenant_id, key.version, key.wrapped)
        except SealBroken:
            broken[key.version] = f"{key.wrapped.name} did not wrap it"
        except KeysUnavailable as error:
            broken[key.version] = error.reason
    sealing = max((key.version for key in keys if key.seals and key.version in opened), default=None)
    sealer = Sealer(keys[0].tenant_id, opened, sealing) if opened else None
    return OpenedKeys(sealer, sealing, broken)


async def rewrap(database: Database, wrapping: WrappingKeys, key: DataKey) -> bool:
    """Wrap a data key with the newest key-encryption key; False if it is already, or somebody was quicker.

    Raises: `KeysUnavailable`, `SealBroken`.
    """
    if key.wrapped.name == await wrapping.newest():
        return False
    plain = await wrapping.unwrap(key.tenant_id, key.version, key.wrapped)
    fresh = await wrapping.wrap(key.tenant_id, key.version, plain)
    async with database.tenant(key.tenant_id) as session:
        changed = await session.execute(
            update(TenantKey)
            .where(
                TenantKey.tenant_id == key.tenant_id,
                TenantKey.version == key.version,
                TenantKey.wrapped == key.wrapped.wrapped,
            )
            .values(wrapping_key=fresh.name, wrapped=fresh.wrapped, wrapped_at=func.now())
            .returning(TenantKey.version)
        )
        if changed.scalar_one_or_none() is None:
            return False
        await _record(session, key.tenant_id, key.version, what="wrapped", wrapping_key=fresh.name)
        return True


async def new_version(
    database: Database,
    wrapping: WrappingKeys,
    keys: list[DataKey],
    *,
    settle_seconds: float = SETTLE_SECONDS,
) -> bool:
    """Make the next version of one tenant's data key; False if the tenant is going or somebody was quicker.

    Raises: `KeysUnavailable`.
    """
    tenant_id, version = keys[0].tenant_id, keys[-1].version + 1
    fresh = await wrapping.wrap(tenant_id, version, secrets.token_bytes(KEY_BYTES))
    async with database.tenant(tenant_id) as session:
        # An erasure waits for this, or has begun: a key must not come back behind it.
        state = await session.scalar(
            select(Tenant.state).where(Tenant.id == tenant_id).with_for_update(read=True)
        )
        if state is None or state in _GOING:
            return False
        made = await add_version(session, tenant_id, version, fresh, settle_seconds=settle_seconds)
        if made:
            await _record(session, tenant_id, version, what="new_version", wrapping_key=fresh.name)
        return made


async def record_resealed(database: Database, tenant_id: UUID, version: int, *, values: int) -> None:
    """Say in the tenant's record that so many values were sealed anew with a version of its data key."""
    async with database.tenant(tenant_id) as session:
        await _record(session, tenant_id, version, what="sealed_anew", values=values)


async def _record(session: AsyncSession, tenant_id: UUID, version: int, **detail: DetailValue) -> None:
    await record(
        session,
        tenant_id=tenant_id,
        actor=Actor(ActorKind.OPERATOR),
        action=AuditAction.KEY_ROTATE,
        target_type="data_key",
        target_id=str(version),
        detail=detail,
    )
