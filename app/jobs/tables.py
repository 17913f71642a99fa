"""Tables of the jobs room. The queued step is its own outbox row: Postgres is the queue of record."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION
from sqlalchemy.orm import Mapped, mapped_column

from app.core.clock import new_id
from app.core.crypto import Sealed
from app.core.database import Base, TenantOwned
from app.vocabulary import PLATFORM, JobState, Lane, StepState


class Job(TenantOwned, Base):
    """One accepted request of a task type."""

    __tablename__ = "jobs"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
        # The revision is no reference: retention may outlive it. Whose it is is a rule all the same.
        CheckConstraint(f"pool_tenant_id IN (tenant_id, '{PLATFORM}')", name="pool_tenant"),
        Index(None, "tenant_id", "member_id", "id"),
        Index(None, "tenant_id", "batch_id", postgresql_where="batch_id IS NOT NULL"),
        Index("ix_jobs_waiting", "expires_at", postgresql_where="state = 'waiting'"),
        Index("ix_jobs_open", "tenant_id", postgresql_where="state IN ('queued', 'running', 'waiting')"),
    )

    member_id: Mapped[UUID]
    task_type: Mapped[str]
    host: Mapped[str]
    lane: Mapped[str] = mapped_column(default=Lane.INTERACTIVE)
    state: Mapped[str] = mapped_column(default=JobState.QUEUED)
    waiting_reason: Mapped[str | None]
    waiting_at: Mapped[datetime | None]
    """Since when; kept until a worker takes the job up again."""
    waiting_for: Mapped[dict[str, Any] | None]
    """What somebody has to do, for programs: see waiting.py."""
    expires_at: Mapped[datetime | None]
    """So long it waits; kept while it only looks whether money is mended."""
    graph_session_id: Mapped[UUID | None]
    """The leave by which its documents are fetched; no foreign key, for it may be revoked before."""
    batch_id: Mapped[UUID | None]
    """The batch whose document it reads. A batch is a job, too, and its own one."""
    start_after: Mapped[datetime | None]
    """Its member does not want it before; None for at once."""
    sealed_parameters: Mapped[Sealed]
    pool_tenant_id: Mapped[UUID]
    pool_revision_id: Mapped[UUID]
    route_reason: Mapped[str]
    sticky_key: Mapped[bytes | None]
    """What it draws a member of the pool with, see copilot/cohorts.py; None for a job from before there was one."""
    language: Mapped[str]
    estimated_tokens: Mapped[int]
    on_dead: Mapped[str]
    estimate: Mapped[dict[str, Any] | None]
    """What it was expected to need when its documents were there: see copilot/estimating.py."""
    decision: Mapped[dict[str, Any] | None]
    sealed_result: Mapped[Sealed | None]
    error: Mapped[dict[str, Any] | None]
    phase: Mapped[str | None]
    """What the job is doing, for people: reading, summarizing, merging."""
    steps_total: Mapped[int] = mapped_column(default=1)
    steps_done: Mapped[int] = mapped_column(default=0)
    reused_tokens: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    """What the answers had cost that were taken from earlier steps."""
    cancel_requested_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobInput(Base):
    """A document that a job reads, in order."""

    __tablename__ = "job_inputs"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "job_id"], ["jobs.tenant_id", "jobs.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "document_id"], ["documents.tenant_id", "documents.id"]),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[UUID]


class BatchItem(Base):
    """A document of a batch, in order: here, or somewhere in Microsoft 365. How far it is tells its job."""

    __tablename__ = "batch_items"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "batch_id"], ["jobs.tenant_id", "jobs.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "document_id"], ["documents.tenant_id", "documents.id"]),
        Index(None, "tenant_id", "document_id"),
        Index(None, "tenant_id", "source_digest", postgresql_where="source_digest IS NOT NULL"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[UUID | None]
    sealed_source: Mapped[Sealed | None]
    """Drive, item, version and name of a file to fetch, as JSON."""
    source_digest: Mapped[bytes | None]
    """Of a schedule and the version of a file: what it has done once it need not do again."""
    job_id: Mapped[UUID | None]
    """Set with the making of the job; no foreign key, for the job may be removed before."""
    is_unchanged: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """The job is that of an earlier batch of the same schedule."""
    error: Mapped[dict[str, Any] | None]
    """Why no job could be made."""


class BatchSchedule(TenantOwned, Base):
    """A batch over a folder that comes round again; see batch_schedules.py."""

    __tablename__ = "batch_schedules"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
        Index(None, "next_at"),
        Index(None, "tenant_id", "member_id"),
    )

    member_id: Mapped[UUID]
    task_type: Mapped[str]
    sealed_request: Mapped[Sealed]
    at: Mapped[time]
    """Time of day in `time_zone`."""
    time_zone: Mapped[str]
    weekdays: Mapped[str]
    """Digits from 1 (Monday) to 7."""
    graph_session_id: Mapped[UUID]
    """No foreign key, for it may be over or revoked: then its batches wait for their member."""
    next_at: Mapped[datetime]
    last_batch_id: Mapped[UUID | None]
    last_error: Mapped[str | None]
    """The code of why the last time was skipped."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JobFilePart(Base):
    """At most 4 MiB of the file that a job has made, sealed; its name and type stand in the result."""

    __tablename__ = "job_file_parts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "job_id"], ["jobs.tenant_id", "jobs.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[Sealed]


class JobStep(TenantOwned, Base):
    """The unit of scheduling. See states.py for the machine, leases.py for claim, lease and fencing."""

    __tablename__ = "job_steps"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "job_id"], ["jobs.tenant_id", "jobs.id"], ondelete="CASCADE"),
        Index(
            "ix_job_steps_queued",
            *("lane", "tenant_id", "member_id", "job_id", "id"),
            postgresql_where="state = 'queued'",
        ),
        Index("ix_job_steps_due", "run_after", postgresql_where="state = 'queued'"),
        Index(
            "ix_job_steps_hinted", "hinted_at", postgresql_where="state = 'queued' AND hinted_at IS NOT NULL"
        ),
        Index("ix_job_steps_leases", "lease_expires_at", postgresql_where="state = 'running'"),
        Index(None, "tenant_id", "job_id"),
        Index(None, "tenant_id", "input_hash", postgresql_where="state = 'done'"),
    )

    job_id: Mapped[UUID]
    member_id: Mapped[UUID]
    """Whose step it is: a finished step is reused only for the same member unless the tenant opts in."""
    task_type: Mapped[str]
    kind: Mapped[str]
    ordinal: Mapped[int] = mapped_column(default=0)
    lane: Mapped[str]
    schema_version: Mapped[int] = mapped_column(SmallInteger, default=1)
    state: Mapped[str] = mapped_column(default=StepState.QUEUED)
    sealed_input: Mapped[Sealed | None]
    input_hash: Mapped[bytes | None]
    sealed_output: Mapped[Sealed | None]
    """The checkpoint: committed with `done`."""
    sealed_answer: Mapped[Sealed | None]
    """The accepted answer as the model wrote it, for later steps of the same `input_hash`."""
    answered_by: Mapped[UUID | None]
    """Pool member that answered."""
    answer_call_id: Mapped[UUID | None]
    """The call in the ledger that was paid for the answer, for this step or for an earlier one."""
    answer_tokens: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    reused: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Whether the answer is an earlier step's."""
    estimated_tokens: Mapped[int]
    successor_step_id: Mapped[UUID | None]
    remaining: Mapped[int] = mapped_column(default=0)
    """Predecessors that have not ended; at zero a blocked step becomes queued."""
    attempt: Mapped[int] = mapped_column(default=0)
    run_after: Mapped[datetime] = mapped_column(server_default=func.now())
    fencing: Mapped[int] = mapped_column(BigInteger, default=0)
    lease_owner: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    """Renewal may not pass it."""
    hinted_at: Mapped[datetime | None]
    hint_count: Mapped[int] = mapped_column(default=0)
    reservation: Mapped[dict[str, Any] | None]
    """What dispatch reserved: the pool member, tokens, money."""
    error: Mapped[dict[str, Any] | None]
    error_chain: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """A member's key for one accepted request; the same key gives the same answer."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
        ForeignKeyConstraint(["tenant_id", "job_id"], ["jobs.tenant_id", "jobs.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    job_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class JobFeedback(TenantOwned, Base):
    """What a member thought of the job's result, and what they did with it; goes with the job."""

    __tablename__ = "job_feedback"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["members.tenant_id", "members.id"]),
        ForeignKeyConstraint(["tenant_id", "job_id"], ["jobs.tenant_id", "jobs.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "job_id", "member_id"),
    )

    job_id: Mapped[UUID]
    member_id: Mapped[UUID]
    thumb: Mapped[str | None]
    is_inserted: Mapped[bool] = mapped_column(default=False)
    is_undone: Mapped[bool] = mapped_column(default=False)
    sealed_comment: Mapped[Sealed | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DispatchTurn(Base):
    """Whose turn it is: virtual time of a tenant in a lane, and who of its members had the last one; see turns.py."""

    __tablename__ = "dispatch_turns"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    virtual_time: Mapped[float] = mapped_column(DOUBLE_PRECISION, default=0.0)
    last_member_id: Mapped[UUID | None]


class DispatchMemberTurn(Base):
    """Which of a member's jobs had the last turn in a lane. No reference: the job may be gone."""

    __tablename__ = "dispatch_member_turns"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_job_id: Mapped[UUID]


class WorkerHeartbeat(Base):
    """A living process that runs steps. Belongs to no tenant."""

    __tablename__ = "worker_heartbeats"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    capacity: Mapped[int]
    schema_version: Mapped[int] = mapped_column(SmallInteger, default=1)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ScheduleRun(Base):
    """The last run of a schedule of the reaper. Belongs to no tenant."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(primary_key=True)
    every_seconds: Mapped[float] = mapped_column(DOUBLE_PRECISION)
    last_started_at: Mapped[datetime | None]
    last_finished_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    """The kind of error, never its words."""
    last_note: Mapped[str | None]
    """What was done, in figures."""
    runner: Mapped[UUID | None]
    """The process that runs it now, and when it was last heard of."""
    seen_at: Mapped[datetime | None]
