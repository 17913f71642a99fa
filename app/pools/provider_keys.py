"""Providers' keys as administrators enter them: written, never read back; `credentials.py` opens them to call.

A key counts from the moment of its commit: `credential_version` of the provider rises with it, and whoever has
a client or an open breaker under an older one begins anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor
from app.core.clock import now
from app.core.crypto import Sealer
from app.core.errors import ErrorDetail
from app.pools import owned
from app.pools.credentials import credential_place
from app.pools.errors import CredentialNotFound, ProviderNotFound, WrongConfiguration
from app.pools.tables import Provider, ProviderCredential
from app.vocabulary import Authentication, ProviderKind

_SHORTEST_TO_SHOW = 12
"""Of a shorter key four characters would tell too much."""


@dataclass(frozen=True)
class KeyFacts:
    """All that is told of a key: its last four characters, and since when it counts."""

    last4: str | None
    set_at: datetime


async def keys_of(
    session: AsyncSession, tenant_id: UUID, provider_ids: Sequence[UUID]
) -> dict[UUID, KeyFacts]:
    """What may be told of the keys of these providers, where they are the tenant's own and have one."""
    key = ProviderCredential
    rows = await session.execute(
        select(key.provider_id, key.last4, key.set_at).where(
            key.tenant_id == tenant_id, key.provider_id.in_(provider_ids)
        )
    )
    return {provider_id: KeyFacts(last4, set_at) for provider_id, last4, set_at in rows}


async def check_takes_key(session: AsyncSession, *, tenant_id: UUID, provider_id: UUID) -> None:
    """Whether a key may be entered: before a sealer, which may ask a vault, is fetched outside of a transaction.

    Raises: as `set_key`.
    """
    await _takes_key(session, tenant_id, provider_id)


async def set_key(
    session: AsyncSession, *, tenant_id: UUID, provider_id: UUID, key: str, sealer: Sealer, actor: Actor
) -> KeyFacts:
    """Keep a key, sealed, in place of the one before.

    Raises: `Archived`, `PlatformOwned`, `ProviderNotFound`, `WrongConfiguration`.
    """
    row = await _takes_key(session, tenant_id, provider_id)
    facts = KeyFacts(key[-4:] if len(key) >= _SHORTEST_TO_SHOW else None, now())
    values = {
        "reference": None,
        "sealed": sealer.seal(credential_place(provider_id), key.encode()),
        "last4": facts.last4,
        "set_at": facts.set_at,
    }
    await session.execute(
        insert(ProviderCredential)
        .values(tenant_id=tenant_id, provider_id=provider_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "provider_id"], set_=values)
    )
    await _count(session, row, AuditAction.CREDENTIAL_SET, actor)
    return facts


async def clear_key(session: AsyncSession, *, tenant_id: UUID, provider_id: UUID, actor: Actor) -> None:
    """Remove a key. Raises: `Archived`, `CredentialNotFound`, `PlatformOwned`, `ProviderNotFound`."""
    if not await forget_key(session, await _provider(session, tenant_id, provider_id), actor=actor):
        raise CredentialNotFound


async def forget_key(session: AsyncSession, row: Provider, *, actor: Actor) -> bool:
    """Remove the key of a provider that the caller has locked; False if there was none."""
    key = ProviderCredential
    removed = await session.scalar(
        delete(key)
        .where(key.tenant_id == row.tenant_id, key.provider_id == row.id)
        .returning(key.provider_id)
        .execution_options(synchronize_session=False)
    )
    if removed is not None:
        await _count(session, row, AuditAction.CREDENTIAL_CLEAR, actor)
    return removed is not None


async def _takes_key(session: AsyncSession, tenant_id: UUID, provider_id: UUID) -> Provider:
    row = await _provider(session, tenant_id, provider_id)
    if row.kind == ProviderKind.EXTRACTIVE or row.authentication != Authentication.KEY:
        raise WrongConfiguration(
            ErrorDetail(
                "no_key_needed", "This provider knows us without a key; change its authentication first."
            )
        )
    return row


async def _provider(session: AsyncSession, tenant_id: UUID, provider_id: UUID) -> Provider:
    return await owned.changeable(
        session, Provider, provider_id, tenant_id=tenant_id, missing=ProviderNotFound, what="provider"
    )


async def _count(session: AsyncSession, row: Provider, action: AuditAction, actor: Actor) -> None:
    row.credential_version += 1
    await session.flush()
    await owned.note(session, row, action, actor)
