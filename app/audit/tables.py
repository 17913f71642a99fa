"""Tables of the audit room. Postgres itself refuses to change or delete what is chained, see the migration."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, TenantOwned


class AuditEntry(TenantOwned, Base):
    """Something that happened. Refers to nothing, because it outlives what it speaks of.

    Until it is chained it names members by id; afterwards by pseudonym, and position and MACs are set.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("uq_audit_entries_position", "tenant_id", "position", unique=True),
        Index("ix_audit_entries_unchained", "tenant_id", "id", postgresql_where=text("mac IS NULL")),
        Index("ix_audit_entries_actor", "tenant_id", "actor", postgresql_where=text("address IS NOT NULL")),
    )

    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor_kind: Mapped[str]
    actor_member_id: Mapped[UUID | None]
    """Until the entry is chained."""
    actor: Mapped[str] = mapped_column(server_default="")
    """The member's pseudonym; empty if nobody was known, or was erased before the entry was chained."""
    address: Mapped[str | None]
    """Where the request came from. Not chained itself but by its digest, so it can be erased."""
    address_salt: Mapped[bytes | None]
    address_digest: Mapped[bytes | None]
    action: Mapped[str]
    target_type: Mapped[str]
    target_id: Mapped[str]
    """For a member its pseudonym, once the entry is chained."""
    target_member_id: Mapped[UUID | None]
    """Until the entry is chained."""
    detail: Mapped[dict[str, Any]]
    position: Mapped[int | None] = mapped_column(BigInteger)
    """Its place in the tenant's chain, from 1 without gaps."""
    previous_mac: Mapped[bytes | None]
    mac: Mapped[bytes | None]
    chained_at: Mapped[datetime | None]


class AuditChain(Base):
    """A tenant's chain: its two keys, wrapped, and its head. The row is the writer's lock."""

    __tablename__ = "audit_chains"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    wrapping_key: Mapped[str]
    """Names the key-encryption key of `wrapped_chain_key`."""
    wrapped_chain_key: Mapped[bytes]
    """Stays when the tenant is erased, so that its chain can still be verified."""
    pseudonym_wrapping_key: Mapped[str]
    wrapped_pseudonym_key: Mapped[bytes | None]
    """Goes when the tenant is erased: then nobody can find a member's pseudonym any more."""
    position: Mapped[int] = mapped_column(BigInteger, server_default="0")
    mac: Mapped[bytes]


class AuditPseudonym(Base):
    """Which member a pseudonym stands for, until the member is erased."""

    __tablename__ = "audit_pseudonyms"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    pseudonym: Mapped[str]
