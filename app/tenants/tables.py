"""Tables of the tenants room."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.clock import new_id
from app.core.database import Base, TenantOwned
from app.vocabulary import AppClientState, MemberState, Role, TenantState


class Tenant(Base):
    """A customer. The one table that is read before a tenant is known, so it has no tenant_id."""

    __tablename__ = "tenants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    entra_tenant_id: Mapped[UUID | None] = mapped_column(unique=True)
    """Null only for PLATFORM, which nobody signs in to."""
    name: Mapped[str]
    state: Mapped[str] = mapped_column(default=TenantState.PENDING)
    allow_guests: Mapped[bool] = mapped_column(default=False)
    read_profiles: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Whether a person's groups and department are read from Microsoft Graph when they sign in."""
    settings_version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """Raised by each change of the settings; the ETag that a change must name."""
    suspended_reason: Mapped[str | None]
    suspended_at: Mapped[datetime | None]
    onboarded_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Member(TenantOwned, Base):
    """A person of a tenant, known by Entra's object id, never by mail or name."""

    __tablename__ = "members"
    __table_args__ = (
        UniqueConstraint("tenant_id", "entra_object_id"),
        UniqueConstraint("tenant_id", "tombstone"),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    entra_object_id: Mapped[UUID]
    display_name: Mapped[str]
    role: Mapped[str] = mapped_column(default=Role.MEMBER)
    state: Mapped[str] = mapped_column(default=MemberState.ACTIVE)
    groups: Mapped[list[str]] = mapped_column(default=list, server_default=text("'[]'::jsonb"))
    """Entra's ids of the person's groups, sorted, for policies; at most `members.MOST_GROUPS`."""
    groups_incomplete: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """The person is in more groups than the token named or than we keep: absence here proves nothing."""
    department: Mapped[str] = mapped_column(default="", server_default="")
    is_guest: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    last_seen_at: Mapped[datetime | None]
    """When the person last signed in at the portal."""
    tombstone: Mapped[UUID | None]
    """Set when an erasure is asked for: by it an erased person is known and kept out. See tombstones.py."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AppClient(TenantOwned, Base):
    """A program of a tenant that acts for itself, and the member row that is its own and pays for it."""

    __tablename__ = "app_clients"
    __table_args__ = (
        UniqueConstraint("tenant_id", "client_id"),
        UniqueConstraint("tenant_id", "member_id"),
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
    )

    client_id: Mapped[UUID]
    """Of its registration in Entra: the `azp` of its tokens."""
    name: Mapped[str]
    member_id: Mapped[UUID]
    permissions: Mapped[list[str]]
    """Application roles that its tenant lets it use here."""
    state: Mapped[str] = mapped_column(default=AppClientState.ACTIVE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TenantPolicy(Base):
    """What a tenant allows: where its text may go, and how much may run at once. No row: defaults."""

    __tablename__ = "tenant_policies"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    weight: Mapped[int] = mapped_column(server_default=text("1"))
    """Share of the workers relative to other tenants."""
    max_steps_in_flight: Mapped[int] = mapped_column(server_default=text("32"))
    max_jobs_queued: Mapped[int] = mapped_column(server_default=text("1000"))
    allowed_regions: Mapped[list[str] | None]
    """Null allows every region; likewise for processors, vendors and model classes."""
    allowed_processors: Mapped[list[str] | None]
    allowed_vendors: Mapped[list[str] | None]
    allowed_model_classes: Mapped[list[str] | None]
    require_no_training: Mapped[bool] = mapped_column(server_default=text("false"))
    require_zero_retention: Mapped[bool] = mapped_column(server_default=text("false"))
    retention_days: Mapped[int] = mapped_column(server_default=text("30"))
    reuse_across_members: Mapped[bool] = mapped_column(server_default=text("false"))
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """Raised by each change; the ETag that a change must name."""


class TaskPermission(Base):
    """Who may use a task type; no row: everybody. Where all three lists are null, every person may."""

    __tablename__ = "task_permissions"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    task_type: Mapped[str] = mapped_column(primary_key=True)
    groups: Mapped[list[str] | None]
    """Entra's ids."""
    departments: Mapped[list[str] | None]
    roles: Mapped[list[str] | None]
    programs: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """Raised by each change; the ETag that a change must name."""


class TenantKey(Base):
    """A tenant's data key, wrapped by the key-encryption key named beside it."""

    __tablename__ = "tenant_keys"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    wrapping_key: Mapped[str]
    wrapped: Mapped[bytes]
    seals_from: Mapped[datetime] = mapped_column(server_default=func.now())
    """Until then the version only opens: every process must know it before one of them seals with it."""
    wrapped_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
