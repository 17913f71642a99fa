"""Tables of the evaluation room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.crypto import Sealed
from app.core.database import Base, TenantOwned


class EvaluationSet(TenantOwned, Base):
    """A tenant's own cases under a name. Another content is a new row; the newest counts."""

    __tablename__ = "evaluation_sets"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        UniqueConstraint("tenant_id", "name", "digest"),
    )

    name: Mapped[str]
    digest: Mapped[bytes]
    """HMAC of the cases under the tenant's key."""
    cases: Mapped[int]
    sealed_cases: Mapped[Sealed]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EvaluationRun(TenantOwned, Base):
    """Members tried with the cases of a data set. Without an end it was interrupted: its scores count all the same."""

    __tablename__ = "evaluation_runs"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),)

    task_type: Mapped[str]
    data_set: Mapped[str]
    digest: Mapped[bytes]
    """HMAC of the cases under the tenant's key: runs with the same one are comparable case by case."""
    cases: Mapped[int]
    members: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """What was tried, as it was then: name, deployment, model, prompt set and its revision, price revision."""
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


class EvaluationScore(TenantOwned, Base):
    """One case on one member. Its id is the `job_id` under which the ledger has its calls."""

    __tablename__ = "evaluation_scores"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "run_id"], ["evaluation_runs.tenant_id", "evaluation_runs.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("tenant_id", "run_id", "member", "case_id"),
    )

    run_id: Mapped[UUID]
    member: Mapped[str]
    """The name of one of the run's members."""
    case_id: Mapped[str]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    """Which check refused the answer, or what went wrong; a code."""
    scores: Mapped[dict[str, Any]]
    currency: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EvaluationAnswer(TenantOwned, Base):
    """What was said in a trial: content, which goes when retention says so; its score stays. The ids are the same."""

    __tablename__ = "evaluation_answers"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "id"], ["evaluation_scores.tenant_id", "evaluation_scores.id"], ondelete="CASCADE"
        ),
    )

    sealed_answer: Mapped[Sealed]
    """The member's answers before the checks, and the result that would have been delivered."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
