"""The two keys of a tenant's record: one makes MACs, one makes pseudonyms.

They are apart from the data keys of content: only the system role reads them, no door does, and the first
outlives the tenant's data. Wrapped by the same key-encryption key.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.audit.actions import AuditAction
from app.audit.chain import GENESIS
from app.audit.record import Actor, ActorKind, record
from app.audit.tables import AuditChain
from app.core.crypto import KEY_BYTES
from app.core.database import Database
from app.core.wrapping import WrappedKey, WrappingKeys

_PSEUDONYM_HEX = 32
_CHAIN, _PSEUDONYM = 0xFFFF_0001, 0xFFFF_0002
"""Stand where a data key's version stands when it is wrapped, so that none of them opens in another's place."""


@dataclass(frozen=True)
class ChainKeys:
    """Of one tenant. Without `pseudonym` the tenant has been erased."""

    chain: bytes = field(repr=False)
    pseudonym: bytes | None = field(repr=False)
    wrapped: tuple[bytes, bytes | None] = field(repr=False)
    """What they were unwrapped from, to see whether it has changed."""

    def pseudonym_of(self, member_id: UUID | None) -> str:
        """The member's name in the record: the same each time, and another one at each tenant."""
        if member_id is None or self.pseudonym is None:
            return ""
        return hmac.digest(self.pseudonym, member_id.bytes, hashlib.sha256).hex()[:_PSEUDONYM_HEX]


class AuditKeys:
    """Makes and opens them, in the system role. No transaction is open while a key-encryption key is asked."""

    def __init__(self, system: Database, wrapping: WrappingKeys) -> None:
        self._system = system
        self._wrapping = wrapping
        self._known: dict[UUID, ChainKeys] = {}

    async def of(self, tenant_id: UUID) -> ChainKeys:
        """The tenant's keys, made on first use. Raises: `KeysUnavailable`, `SealBroken`."""
        found = await self.existing(tenant_id)
        if found is None:
            await self._make(tenant_id)
            found = await self.existing(tenant_id)
        if found is None:
            raise LookupError(f"the audit chain of tenant {tenant_id} vanished as it was made")
        return found

    async def existing(self, tenant_id: UUID) -> ChainKeys | None:
        """The tenant's keys if it has a chain. Raises: `KeysUnavailable`, `SealBroken`."""
        async with self._system.system() as session:
            row = (
                await session.execute(
                    select(
                        AuditChain.wrapping_key,
                        AuditChain.wrapped_chain_key,
                        AuditChain.pseudonym_wrapping_key,
                        AuditChain.wrapped_pseudonym_key,
                    ).where(AuditChain.tenant_id == tenant_id)
                )
            ).one_or_none()
        if row is None:
            return None
        wrapped = (bytes(row.wrapped_chain_key), row.wrapped_pseudonym_key)
        known = self._known.get(tenant_id)
        if known is not None and known.wrapped == wrapped:
            return known
        chain = await self._unwrap(tenant_id, _CHAIN, row.wrapping_key, wrapped[0])
        pseudonym = None
        if wrapped[1] is not None:
            pseudonym = await self._unwrap(tenant_id, _PSEUDONYM, row.pseudonym_wrapping_key, wrapped[1])
        keys = ChainKeys(
            _derive(chain, b"audit chain"),
            None if pseudonym is None else _derive(pseudonym, b"audit pseudonym"),
            wrapped,
        )
        self._known[tenant_id] = keys
        return keys

    async def rewrap(self) -> int:
        """Wrap every chain's keys with the newest key-encryption key; gives how many chains changed.

        Run again, it goes on. Raises: `KeysUnavailable`, `SealBroken`.
        """
        newest = await self._wrapping.newest()
        async with self._system.system() as session:
            rows = (
                await session.execute(
                    select(AuditChain).where(
                        or_(
                            AuditChain.wrapping_key != newest,
                            and_(
                                AuditChain.wrapped_pseudonym_key.is_not(None),
                                AuditChain.pseudonym_wrapping_key != newest,
                            ),
                        )
                    )
                )
            ).scalars()
            old = list(rows)
        return sum([await self._rewrap(row) for row in old])

    async def _rewrap(self, row: AuditChain) -> bool:
        tenant_id, former = row.tenant_id, row.wrapped_pseudonym_key
        key = await self._unwrap(tenant_id, _CHAIN, row.wrapping_key, row.wrapped_chain_key)
        chain = await self._wrapping.wrap(tenant_id, _CHAIN, key)
        values: dict[str, str | bytes] = {"wrapping_key": chain.name, "wrapped_chain_key": chain.wrapped}
        if former is not None:
            key = await self._unwrap(tenant_id, _PSEUDONYM, row.pseudonym_wrapping_key, former)
            pseudonym = await self._wrapping.wrap(tenant_id, _PSEUDONYM, key)
            values |= {"pseudonym_wrapping_key": pseudonym.name, "wrapped_pseudonym_key": pseudonym.wrapped}
        async with self._system.system() as session:
            # Not over an erasure that has destroyed the pseudonyms' key meanwhile.
            changed = await session.execute(
                update(AuditChain)
                .where(
                    AuditChain.tenant_id == tenant_id,
                    AuditChain.wrapped_chain_key == row.wrapped_chain_key,
                    AuditChain.wrapped_pseudonym_key.is_not_distinct_from(former),
                )
                .values(values)
                .returning(AuditChain.tenant_id)
                .execution_options(synchronize_session=False)
            )
            if changed.one_or_none() is None:
                return False
            await record(
                session,
                tenant_id=tenant_id,
                actor=Actor(ActorKind.OPERATOR),
                action=AuditAction.KEY_ROTATE,
                target_type="audit_chain",
                target_id=str(tenant_id),
                detail={"what": "wrapped", "wrapping_key": chain.name},
            )
            return True

    async def _unwrap(self, tenant_id: UUID, purpose: int, name: str, wrapped: bytes) -> bytes:
        return await self._wrapping.unwrap(tenant_id, purpose, WrappedKey(name, wrapped))

    async def _make(self, tenant_id: UUID) -> None:
        chain = await self._wrapping.wrap(tenant_id, _CHAIN, secrets.token_bytes(KEY_BYTES))
        pseudonym = await self._wrapping.wrap(tenant_id, _PSEUDONYM, secrets.token_bytes(KEY_BYTES))
        async with self._system.system() as session:
            # Of several writers that find none one makes it, and all read that one.
            await session.execute(
                insert(AuditChain)
                .values(
                    tenant_id=tenant_id,
                    wrapping_key=chain.name,
                    wrapped_chain_key=chain.wrapped,
                    pseudonym_wrapping_key=pseudonym.name,
                    wrapped_pseudonym_key=pseudonym.wrapped,
                    mac=GENESIS,
                )
                .on_conflict_do_nothing()
            )


def _derive(key: bytes, purpose: bytes) -> bytes:
    """A data key of content put in a chain's place would make other MACs than it."""
    return hmac.digest(key, purpose, hashlib.sha256)
