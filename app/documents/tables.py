"""Tables of the documents room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.crypto import Sealed
from app.core.database import Base, TenantOwned


class Document(TenantOwned, Base):
    """An uploaded document, known by its segments; its name is content and sealed."""

    __tablename__ = "documents"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),)

    member_id: Mapped[UUID]
    sealed_name: Mapped[Sealed]
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[bytes]
    segments: Mapped[int]
    estimated_tokens: Mapped[int]
    language: Mapped[str]
    sealed_source: Mapped[Sealed | None]
    """Where it was fetched from: drive, item, eTag. Null for an upload."""
    notes: Mapped[dict[str, Any]]
    """Counts of what was not taken or read in a certain way, by name."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DocumentPart(Base):
    """At most 4 MiB of a document's sealed segment blob."""

    __tablename__ = "document_parts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "document_id"], ["documents.tenant_id", "documents.id"], ondelete="CASCADE"
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    document_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[Sealed]
