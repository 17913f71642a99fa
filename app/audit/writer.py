"""The one writer of chains: it takes entries in order, outside of the transactions that recorded them.

    record (any transaction) ─► entry without MAC ─► writer: pseudonyms, position, MAC ─► anchors

Run again after it died, it goes on where the last commit was. Run twice at once, one waits for the other:
the chain's row is the lock. Without a key-encryption key entries wait; nothing else does.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from app.audit.actions import AuditAction
from app.audit.anchors import AnchorFile
from app.audit.chain import GENESIS, Link, compute_mac
from app.audit.keys import AuditKeys, ChainKeys
from app.audit.repository import SystemAuditRepository
from app.audit.tables import AuditEntry
from app.core.crypto import SealBroken
from app.core.database import Database
from app.core.logging import get_logger
from app.core.wrapping import KeysUnavailable, WrappingKeys

_log = get_logger(__name__)
_MOST_TENANTS = 1000


class ChainWriter:
    """Chains what was recorded. Works in the system role; a transaction chains at most `batch` entries."""

    def __init__(self, system: Database, wrapping: WrappingKeys, *, batch: int = 500) -> None:
        self._system = system
        self._keys = AuditKeys(system, wrapping)
        self._batch = batch

    async def run(self, *, longest_seconds: float = 20.0) -> int:
        """Chain all that waits; gives how many. Raises the last error, after every tenant had its turn."""
        end = time.monotonic() + longest_seconds
        chained = 0
        failed: Exception | None = None
        async with self._system.system() as session:
            waiting = await SystemAuditRepository(session).tenants_waiting(limit=_MOST_TENANTS)
        for tenant_id in waiting:
            try:
                count = self._batch
                while count == self._batch and time.monotonic() < end:
                    count = await self.chain(tenant_id)
                    chained += count
            except (SQLAlchemyError, SealBroken, KeysUnavailable, OSError) as error:
                _log.error("audit entries not chained", tenant_id=str(tenant_id), reason=type(error).__name__)
                failed = error
        if failed is not None:
            raise failed
        return chained

    async def chain(self, tenant_id: UUID) -> int:
        """Chain a tenant's oldest entries in one transaction; gives how many. Raises: `SealBroken`."""
        keys = await self._keys.of(tenant_id)
        async with self._system.system() as session:
            repository = SystemAuditRepository(session)
            head = await repository.lock_chain(tenant_id)
            if (head.wrapped_chain_key, head.wrapped_pseudonym_key) != keys.wrapped:
                # Wrapped anew, or the tenant was erased just now: the next turn sees it.
                return 0
            position, previous = head.position, head.mac
            last, last_mac = await repository.last_link(tenant_id)
            if (last, last_mac or GENESIS) != (position, previous):
                # Somebody else was at these rows. Verification says what; the record goes on regardless.
                _log.error("audit chain differs from its head", tenant_id=str(tenant_id), position=position)
                if last > position:
                    position, previous = last, last_mac or GENESIS
            entries = await repository.unchained(tenant_id, limit=self._batch)
            if not entries:
                return 0
            links: list[Link] = []
            for entry in entries:
                position += 1
                links.append(_link(keys, entry, position=position, previous=previous, at=head.now))
                previous = links[-1].mac or GENESIS
            await repository.name_members(tenant_id, _members(keys, entries))
            await repository.write_links(tenant_id, links)
            await repository.move_head(tenant_id, position=position, mac=previous)
        return len(links)


def _link(keys: ChainKeys, entry: AuditEntry, *, position: int, previous: bytes, at: datetime) -> Link:
    link = Link(
        tenant_id=entry.tenant_id,
        id=entry.id,
        at=entry.at,
        actor_kind=entry.actor_kind,
        actor=keys.pseudonym_of(entry.actor_member_id),
        address=entry.address,
        address_salt=entry.address_salt,
        address_digest=entry.address_digest,
        action=entry.action,
        target_type=entry.target_type,
        target_id=keys.pseudonym_of(entry.target_member_id) or entry.target_id,
        detail=entry.detail,
        position=position,
        chained_at=at,
        previous_mac=previous,
        mac=None,
    )
    return replace(link, mac=compute_mac(keys.chain, link, previous))


def _members(keys: ChainKeys, entries: Sequence[AuditEntry]) -> set[tuple[UUID, str]]:
    found = {entry.actor_member_id for entry in entries}
    # Who is being erased gets no name again.
    found |= {entry.target_member_id for entry in entries if entry.action != AuditAction.MEMBER_ERASE}
    return {(one, keys.pseudonym_of(one)) for one in found if one is not None and keys.pseudonym is not None}


async def anchor(system: Database, anchors: AnchorFile) -> int:
    """Write down every head that has moved since its last anchor; gives how many. Raises: `AnchorsUnusable`."""
    async with system.system() as session:
        heads = await SystemAuditRepository(session).heads()
    known = await asyncio.to_thread(anchors.heads)
    moved = []
    for tenant_id, position, mac in heads:
        newest = known.get(tenant_id)
        if newest is None or position > newest.position:
            moved.append((tenant_id, position, mac))
        elif position < newest.position or mac != newest.mac:
            _log.error("audit chain is not the one that was anchored", tenant_id=str(tenant_id))
    # Waiting for the disk is not for the loop.
    await asyncio.to_thread(anchors.append, moved)
    return len(moved)
