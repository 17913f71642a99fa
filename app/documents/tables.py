"""Tables of the documents room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, false, func
from sqlalchemy.dialects.postgresql import JSONB
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
    sealed_labels: Mapped[Sealed | None]
    """Sensitivity labels that stood in the file. Null for what was kept before they were read."""
    notes: Mapped[dict[str, Any]]
    """Counts of what was not taken or read in a certain way, by name."""
    findings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    """What reads as if it were meant for the model: {kind, count, segment?}, without its text."""
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


class UploadSession(TenantOwned, Base):
    """A file on its way in. What has arrived is always its beginning, up to `received_bytes`.

    It becomes a document (`document_id`) or is refused (`refused_code`); then its parts go, unless they are
    the original that a new file may be made of: see originals.py.
    """

    __tablename__ = "upload_sessions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "document_id"], ["documents.tenant_id", "documents.id"], ondelete="CASCADE"
        ),
        Index(None, "tenant_id", "member_id"),
        Index(None, "tenant_id", "document_id"),
        Index(None, "expires_at"),
    )

    member_id: Mapped[UUID]
    sealed_name: Mapped[Sealed]
    sealed_sha256: Mapped[Sealed | None]
    """What the client says the whole file's SHA-256 is; a plain hash would tell which file it is."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    received_bytes: Mapped[int] = mapped_column(BigInteger)
    document_id: Mapped[UUID | None]
    is_original: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Its parts stay as long as its document, also when the session is over."""
    refused_code: Mapped[str | None]
    refused_message: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class UploadPart(Base):
    """At most 4 MiB of an uploaded file, sealed; `start` is its first byte's place in the file."""

    __tablename__ = "upload_parts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["upload_sessions.tenant_id", "upload_sessions.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    length: Mapped[int]
    content: Mapped[Sealed]
