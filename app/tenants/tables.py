"""Tables of the tenants room."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.clock import new_id
from app.core.database import Base, TenantOwned
from app.vocabulary import MemberState, Role, TenantState


class Tenant(Base):
    """A customer. The one table that is read before a tenant is known, so it has no tenant_id."""

    __tablename__ = "tenants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    entra_tenant_id: Mapped[UUID | None] = mapped_column(unique=True)
    """Null only for PLATFORM, which nobody signs in to."""
    name: Mapped[str]
    state: Mapped[str] = mapped_column(default=TenantState.PENDING)
    allow_guests: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Member(TenantOwned, Base):
    """A person of a tenant, known by Entra's object id, never by mail or name."""

    __tablename__ = "members"
    __table_args__ = (UniqueConstraint("tenant_id", "entra_object_id"),)

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    entra_object_id: Mapped[UUID]
    display_name: Mapped[str]
    role: Mapped[str] = mapped_column(default=Role.MEMBER)
    state: Mapped[str] = mapped_column(default=MemberState.ACTIVE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TenantPolicy(Base):
    """What a tenant allows: where its text may go, and how much may run at once. No row: defaults."""

    __tablename__ = "tenant_policies"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    weight: Mapped[int] = mapped_column(default=1)
    """Share of the workers relative to other tenants."""
    max_steps_in_flight: Mapped[int] = mapped_column(default=32)
    max_jobs_queued: Mapped[int] = mapped_column(default=1000)
    allowed_regions: Mapped[list[str] | None]
    """Null allows every region; likewise for processors, vendors and model classes."""
    allowed_processors: Mapped[list[str] | None]
    allowed_vendors: Mapped[list[str] | None]
    allowed_model_classes: Mapped[list[str] | None]
    require_no_training: Mapped[bool] = mapped_column(default=False)
    require_zero_retention: Mapped[bool] = mapped_column(default=False)
    retention_days: Mapped[int] = mapped_column(default=30)
    reuse_across_members: Mapped[bool] = mapped_column(default=False)


class TenantKey(Base):
    """A tenant's data key, wrapped by the key-encryption key named beside it."""

    __tablename__ = "tenant_keys"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    wrapping_key: Mapped[str]
    wrapped: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
