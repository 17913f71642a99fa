"""Tables of the usage room: the ledger of model calls, and budgets."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, TenantOwned
from app.vocabulary import CallOutcome


class ModelCall(TenantOwned, Base):
    """One request to one deployment. Appended as intent, settled after; never fenced, never deleted with jobs.

    No foreign key to jobs: retention deletes jobs, not money.
    """

    __tablename__ = "model_calls"
    __table_args__ = (
        Index(None, "tenant_id", "job_id"),
        Index("ix_model_calls_pending", "started_at", postgresql_where="outcome = 'pending'"),
    )

    member_id: Mapped[UUID]
    job_id: Mapped[UUID]
    step_id: Mapped[UUID]
    fencing: Mapped[int] = mapped_column(BigInteger)
    hop: Mapped[int]
    pool_revision_id: Mapped[UUID]
    pool_member_id: Mapped[UUID]
    deployment_id: Mapped[UUID]
    price_revision_id: Mapped[UUID | None]
    provider_name: Mapped[str]
    request_model: Mapped[str]
    outcome: Mapped[str] = mapped_column(default=CallOutcome.PENDING)
    error_code: Mapped[str | None]
    input_tokens: Mapped[int] = mapped_column(default=0)
    cached_input_tokens: Mapped[int] = mapped_column(default=0)
    output_tokens: Mapped[int] = mapped_column(default=0)
    reasoning_tokens: Mapped[int] = mapped_column(default=0)
    reserved_micros: Mapped[int] = mapped_column(BigInteger, default=0)
    cost_micros: Mapped[int] = mapped_column(BigInteger, default=0)
    currency: Mapped[str] = mapped_column(default="EUR")
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]


class Budget(TenantOwned, Base):
    """Money per period. Reserved before a call and settled after; the sum never passes the limit."""

    __tablename__ = "budgets"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        UniqueConstraint("tenant_id", "scope", "period_start"),
        CheckConstraint("reserved_micros >= 0 AND spent_micros >= 0", name="not_negative"),
    )

    scope: Mapped[str] = mapped_column(default="tenant")
    """`tenant`, `member:<id>` or `task_type:<name>`."""
    currency: Mapped[str]
    limit_micros: Mapped[int] = mapped_column(BigInteger)
    reserved_micros: Mapped[int] = mapped_column(BigInteger, default=0)
    spent_micros: Mapped[int] = mapped_column(BigInteger, default=0)
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
