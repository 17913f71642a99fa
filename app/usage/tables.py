"""Tables of the usage room: the ledger of model calls, and budgets."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, TenantOwned
from app.vocabulary import BudgetScope, CallOutcome, Period


class ModelCall(TenantOwned, Base):
    """One request to one deployment. Appended as intent, settled after; never fenced, never deleted with jobs.

    No foreign key to jobs: retention deletes jobs, not money.
    """

    __tablename__ = "model_calls"
    __table_args__ = (
        Index(None, "tenant_id", "job_id"),
        Index(None, "tenant_id", "started_at"),
        Index(None, "tenant_id", "member_id", "started_at"),
        Index("ix_model_calls_pending", "started_at", postgresql_where="outcome = 'pending'"),
        Index(
            "ix_model_calls_overrun",
            "tenant_id",
            "settled_at",
            postgresql_where="cost_micros > reserved_micros",
        ),
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
    error_detail: Mapped[str | None]
    """What exactly, where the code is broad: the check that refused an answer."""
    input_tokens: Mapped[int] = mapped_column(default=0)
    cached_input_tokens: Mapped[int] = mapped_column(default=0)
    output_tokens: Mapped[int] = mapped_column(default=0)
    reasoning_tokens: Mapped[int] = mapped_column(default=0)
    reserved_micros: Mapped[int] = mapped_column(BigInteger, default=0)
    cost_micros: Mapped[int] = mapped_column(BigInteger, default=0)
    currency: Mapped[str] = mapped_column(default="EUR")
    task_type: Mapped[str] = mapped_column(default="", server_default="")
    pool_name: Mapped[str] = mapped_column(default="", server_default="")
    vendor: Mapped[str] = mapped_column(default="", server_default="")
    """As they were: reports do not depend on what is configured later."""
    charges: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    """The budgets' periods that it is reserved in, and spent in once it is settled; null for none."""
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]


class Budget(TenantOwned, Base):
    """How much money may be spent in each period. What is spent is counted in `BudgetPeriod`."""

    __tablename__ = "budgets"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        UniqueConstraint("tenant_id", "scope", "subject", "period"),
        CheckConstraint("soft_micros IS NOT NULL OR hard_micros IS NOT NULL", name="bounded"),
        CheckConstraint("soft_micros >= 0 AND hard_micros >= 0", name="not_negative"),
        CheckConstraint("soft_micros <= hard_micros", name="soft_first"),
    )

    scope: Mapped[str] = mapped_column(default=BudgetScope.TENANT)
    subject: Mapped[str] = mapped_column(default="", server_default="")
    """The member's or Entra group's id, or the task type's name; empty for the whole tenant."""
    period: Mapped[str] = mapped_column(default=Period.MONTH)
    currency: Mapped[str]
    """One for all budgets of a tenant."""
    soft_micros: Mapped[int | None] = mapped_column(BigInteger)
    """From here on people are warned, and a cheaper tier is asked first."""
    hard_micros: Mapped[int | None] = mapped_column(BigInteger)
    """Spent and reserved together never pass it."""
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BudgetPeriod(Base):
    """What a budget's payers have spent, and what is reserved for their calls under way, in one period."""

    __tablename__ = "budget_periods"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "budget_id"], ["budgets.tenant_id", "budgets.id"], ondelete="CASCADE"
        ),
        CheckConstraint("reserved_micros >= 0 AND spent_micros >= 0", name="not_negative"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime]
    reserved_micros: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    spent_micros: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
