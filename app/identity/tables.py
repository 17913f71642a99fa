"""Tables of the identity room: what lets us act for people who are not there."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.crypto import Sealed
from app.core.database import Base, TenantOwned


class TokenCacheRow(TenantOwned, Base):
    """One partition of MSAL's token cache: one member in one session. See token_caches.py."""

    __tablename__ = "token_caches"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
        UniqueConstraint("tenant_id", "member_id", "session_key"),
        Index(None, "expires_at"),
    )

    member_id: Mapped[UUID]
    session_key: Mapped[str]
    """A graph session's id, or a keyed digest of the token that the member called with."""
    sealed_cache: Mapped[Sealed]
    version: Mapped[int] = mapped_column(BigInteger, default=1)
    """Rises with each write; a write says which one it read."""
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class GraphSession(TenantOwned, Base):
    """A member's leave to read their files while they are away, until `expires_at` or until revoked."""

    __tablename__ = "graph_sessions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
        Index(None, "tenant_id", "member_id"),
        Index(None, "expires_at"),
    )

    member_id: Mapped[UUID]
    entra_tenant_id: Mapped[UUID]
    entra_object_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    renewed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When its member last proved who they are."""
    expires_at: Mapped[datetime]
