"""Queries across tenants, for the writer, verification and export. System role, which reads no content."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, select, tuple_, union, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.chain import Link
from app.audit.tables import AuditChain, AuditEntry, AuditPseudonym
from app.core.erasure import table_of

_FIELDS = tuple(Link.__dataclass_fields__)
_COLUMNS = tuple(getattr(AuditEntry, name) for name in _FIELDS)


@dataclass(frozen=True)
class Waiting:
    """Entries of a tenant that no chain holds yet."""

    entries: int
    oldest_at: datetime | None


class SystemAuditRepository:
    """One session in the system role."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def tenants_waiting(self, *, limit: int) -> Sequence[UUID]:
        """Tenants with entries to be chained."""
        query = select(AuditEntry.tenant_id).where(AuditEntry.mac.is_(None)).distinct().limit(limit)
        return (await self._session.scalars(query)).all()

    async def tenants(self) -> set[UUID]:
        """Every tenant that has a chain or an entry."""
        query = union(select(AuditChain.tenant_id), select(AuditEntry.tenant_id))
        return set((await self._session.execute(query)).scalars())

    async def pseudonym(self, tenant_id: UUID, member_id: UUID) -> str | None:
        """How the chained entries call a member; None for whoever is in none of them, or is erased."""
        query = select(AuditPseudonym.pseudonym).where(
            AuditPseudonym.tenant_id == tenant_id, AuditPseudonym.member_id == member_id
        )
        return (await self._session.scalars(query)).one_or_none()

    async def lock_chain(self, tenant_id: UUID) -> Row[Any]:
        """The chain's head, for one writer at a time."""
        query = (
            select(
                AuditChain.position,
                AuditChain.mac,
                AuditChain.wrapped_chain_key,
                AuditChain.wrapped_pseudonym_key,
                func.clock_timestamp().label("now"),
            )
            .where(AuditChain.tenant_id == tenant_id)
            .with_for_update()
        )
        return (await self._session.execute(query)).one()

    async def last_link(self, tenant_id: UUID) -> tuple[int, bytes | None]:
        """Position and MAC of the last entry that is there; (0, None) if none is."""
        query = (
            select(AuditEntry.position, AuditEntry.mac)
            .where(AuditEntry.tenant_id == tenant_id, AuditEntry.position.is_not(None))
            .order_by(AuditEntry.position.desc())
            .limit(1)
        )
        row = (await self._session.execute(query)).one_or_none()
        return (0, None) if row is None else (row.position or 0, row.mac)

    async def unchained(self, tenant_id: UUID, *, limit: int) -> Sequence[AuditEntry]:
        """The oldest entries to be chained, kept from the eraser meanwhile."""
        query = (
            select(AuditEntry)
            .where(AuditEntry.tenant_id == tenant_id, AuditEntry.mac.is_(None))
            .order_by(AuditEntry.id)
            .limit(limit)
            .with_for_update()
        )
        return (await self._session.scalars(query)).all()

    async def write_links(self, tenant_id: UUID, links: Sequence[Link]) -> None:
        """Chain entries: place, MACs, and pseudonyms instead of members."""
        entries = table_of(AuditEntry)
        statement = (
            update(entries)
            .where(entries.c.tenant_id == bindparam("of_tenant"), entries.c.id == bindparam("of_id"))
            .values(
                {
                    name: bindparam(f"new_{name}")
                    for name in ("position", "previous_mac", "mac", "chained_at", "actor", "target_id")
                }
                | {"actor_member_id": None, "target_member_id": None}
            )
        )
        await self._session.execute(
            statement,
            [
                {
                    "of_tenant": tenant_id,
                    "of_id": link.id,
                    "new_position": link.position,
                    "new_previous_mac": link.previous_mac,
                    "new_mac": link.mac,
                    "new_chained_at": link.chained_at,
                    "new_actor": link.actor,
                    "new_target_id": link.target_id,
                }
                for link in links
            ],
        )

    async def move_head(self, tenant_id: UUID, *, position: int, mac: bytes) -> None:
        """Where the next entry goes."""
        await self._session.execute(
            update(AuditChain)
            .where(AuditChain.tenant_id == tenant_id)
            .values(position=position, mac=mac)
            .execution_options(synchronize_session=False)
        )

    async def heads(self) -> Sequence[tuple[UUID, int, bytes]]:
        """Every chain that has an entry: tenant, position, MAC."""
        query = select(AuditChain.tenant_id, AuditChain.position, AuditChain.mac).where(
            AuditChain.position > 0
        )
        return [(row.tenant_id, row.position, row.mac) for row in await self._session.execute(query)]

    async def name_members(self, tenant_id: UUID, pseudonyms: Iterable[tuple[UUID, str]]) -> None:
        """Remember which member a pseudonym stands for."""
        values = [
            {"tenant_id": tenant_id, "member_id": member_id, "pseudonym": pseudonym}
            for member_id, pseudonym in sorted(pseudonyms)
        ]
        if values:
            await self._session.execute(insert(AuditPseudonym).on_conflict_do_nothing(), values)

    async def links(self, tenant_id: UUID, *, after: tuple[int, UUID], limit: int) -> Sequence[Link]:
        """Chained entries by position, from behind `after`; what should not be there twice comes twice."""
        query = (
            select(*_COLUMNS)
            .where(
                AuditEntry.tenant_id == tenant_id,
                AuditEntry.position.is_not(None),
                tuple_(AuditEntry.position, AuditEntry.id) > after,
            )
            .order_by(AuditEntry.position, AuditEntry.id)
            .limit(limit)
        )
        rows = await self._session.execute(query)
        return [Link(**dict(zip(_FIELDS, row, strict=True))) for row in rows]

    async def waiting(self, tenant_id: UUID) -> Waiting:
        """How much is to be chained."""
        query = select(func.count(), func.min(AuditEntry.at)).where(
            AuditEntry.tenant_id == tenant_id, AuditEntry.mac.is_(None), AuditEntry.position.is_(None)
        )
        count, oldest = (await self._session.execute(query)).one()
        return Waiting(count, oldest)
