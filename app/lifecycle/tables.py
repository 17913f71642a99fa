"""Tables of the lifecycle room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, TenantOwned
from app.lifecycle.states import ErasureState, Phase


class Erasure(TenantOwned, Base):
    """A request to erase a tenant or one of its members, how far it is, and its proof. See states.py.

    It outlives the tenant, so it refers to nothing and names nobody.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        Index(
            "uq_erasures_open",
            "tenant_id",
            text("coalesce(member_id, tenant_id)"),
            unique=True,
            postgresql_where="state IN ('requested', 'running')",
        ),
    )

    member_id: Mapped[UUID | None]
    """Null: the whole tenant."""
    requested_by: Mapped[UUID | None]
    by_operator: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(default=ErasureState.REQUESTED)
    phase: Mapped[str] = mapped_column(default=Phase.SHUT)
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    not_before: Mapped[datetime]
    swept_at: Mapped[datetime | None]
    """When a sweep found nothing for the first time."""
    finished_at: Mapped[datetime | None]
    removed: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Rows removed so far, by table."""
    proof: Mapped[dict[str, Any] | None]


class LegalHold(TenantOwned, Base):
    """Nothing of the member, or of the whole tenant, is deleted while this stands."""

    __tablename__ = "legal_holds"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),)

    member_id: Mapped[UUID | None]
    """Null: the whole tenant."""
    reason: Mapped[str]
    placed_by: Mapped[UUID]
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    until: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    released_by: Mapped[UUID | None]


class RetentionRun(Base):
    """What retention removed from a tenant the last time it removed something, by table."""

    __tablename__ = "retention_runs"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    ran_at: Mapped[datetime] = mapped_column(server_default=func.now())
    removed: Mapped[dict[str, Any]] = mapped_column(default=dict)
