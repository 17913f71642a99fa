"""Claim, lease and fencing number: who may work on a step, until when, and whose writes count.

A claim raises the step's fencing number; output, state and result are written only with the current
one (complete.py). The lease is on the database's clock, so skewed machines change nothing.
Every writer locks the job's row before its steps', so no two can wait for each other in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealed
from app.jobs.notify import notify_steps
from app.jobs.tables import Job, JobStep, WorkerHeartbeat
from app.vocabulary import JobState, StepKind, StepState

SCHEMA_VERSION = 3
"""Version of what steps hold. A worker leaves steps of a newer version to newer workers."""


def schema_version_of(kind: StepKind) -> int:
    """The version a worker must know to run such a step."""
    return {StepKind.FETCH: 2, StepKind.BATCH: 3}.get(kind, 1)


_LET_IN = text(
    "EXISTS (SELECT 1 FROM tenants o JOIN members m ON m.tenant_id = o.id WHERE o.id = jobs.tenant_id"
    " AND m.id = jobs.member_id AND o.state = 'active' AND m.state = 'active')"
)
"""A hint may be older than the suspension of its tenant or the blocking of its member."""


@dataclass(frozen=True)
class ClaimedStep:
    """A step that this process may work on, with what it needs to know of its job."""

    tenant_id: UUID
    id: UUID
    job_id: UUID
    member_id: UUID
    task_type: str
    kind: StepKind
    ordinal: int
    attempt: int
    fencing: int
    estimated_tokens: int
    sealed_input: Sealed | None
    successor_step_id: UUID | None
    reservation: dict[str, Any] | None
    seconds_left: float
    """Until the absolute deadline of the job."""
    pool_revision_id: UUID
    pool_tenant_id: UUID
    route_reason: str
    language: str
    lane: str
    host: str
    sealed_parameters: Sealed
    steps_total: int
    steps_done: int
    graph_session_id: UUID | None
    sticky_key: bytes
    """What the job draws a member of its pool with."""
    starts_job: bool
    """Whether this claim made the job run, for the first time or again after it had waited."""


async def claim(
    session: AsyncSession, *, tenant_id: UUID, step_id: UUID, owner: UUID, lease_seconds: float
) -> ClaimedStep | None:
    """Take a queued step; None when there is nothing to take (a second hint, cancelled, not let in, not yet due)."""
    job = (
        await session.execute(
            select(Job)
            .join(JobStep, (JobStep.tenant_id == Job.tenant_id) & (JobStep.job_id == Job.id))
            .where(
                JobStep.tenant_id == tenant_id,
                JobStep.id == step_id,
                JobStep.state == StepState.QUEUED,
                Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
                _LET_IN,
            )
            .with_for_update(of=Job, key_share=True)
        )
    ).scalar_one_or_none()
    if job is None:
        return None
    # The deadline is for the work, not for the queue before it.
    waited = job.started_at is None
    deadline = func.now() + (job.deadline_at - job.created_at) if waited else job.deadline_at
    taken = (
        await session.execute(
            update(JobStep)
            .where(
                JobStep.tenant_id == tenant_id,
                JobStep.id == step_id,
                JobStep.state == StepState.QUEUED,
                JobStep.run_after <= func.now(),
                JobStep.schema_version <= SCHEMA_VERSION,
            )
            .values(
                state=StepState.RUNNING,
                fencing=JobStep.fencing + 1,
                attempt=JobStep.attempt + 1,
                lease_owner=owner,
                lease_expires_at=func.least(_in_seconds(lease_seconds), deadline),
                deadline_at=deadline,
                started_at=func.coalesce(JobStep.started_at, func.now()),
            )
            .returning(
                JobStep,
                func.extract("epoch", JobStep.deadline_at - func.clock_timestamp()).label("seconds_left"),
            )
        )
    ).one_or_none()
    if taken is None:
        return None
    starts_job = job.state == JobState.QUEUED or job.waiting_at is not None
    if starts_job:
        await session.execute(
            update(Job)
            .where(Job.tenant_id == tenant_id, Job.id == job.id)
            .values(
                state=JobState.RUNNING,
                started_at=func.coalesce(Job.started_at, func.now()),
                waiting_at=None,
                deadline_at=deadline,
            )
            .execution_options(synchronize_session=False)
        )
    return _claimed(job, taken[0], float(taken.seconds_left), starts_job=starts_job)


def _in_seconds(seconds: float) -> Any:
    """That many seconds from now, on the database's clock."""
    return func.clock_timestamp() + text(f"interval '{seconds:.3f} seconds'")


def _claimed(job: Job, step: JobStep, seconds_left: float, *, starts_job: bool) -> ClaimedStep:
    return ClaimedStep(
        tenant_id=step.tenant_id,
        id=step.id,
        job_id=step.job_id,
        member_id=step.member_id,
        task_type=step.task_type,
        kind=StepKind(step.kind),
        ordinal=step.ordinal,
        attempt=step.attempt,
        fencing=step.fencing,
        estimated_tokens=step.estimated_tokens,
        sealed_input=step.sealed_input,
        successor_step_id=step.successor_step_id,
        reservation=step.reservation,
        seconds_left=seconds_left,
        pool_revision_id=job.pool_revision_id,
        pool_tenant_id=job.pool_tenant_id,
        route_reason=job.route_reason,
        language=job.language,
        lane=job.lane,
        host=job.host,
        sealed_parameters=job.sealed_parameters,
        steps_total=job.steps_total,
        steps_done=job.steps_done,
        graph_session_id=job.graph_session_id,
        sticky_key=job.sticky_key or job.id.bytes,
        starts_job=starts_job,
    )


async def renew(
    session: AsyncSession, *, owner: UUID, steps: Sequence[UUID], lease_seconds: float
) -> dict[UUID, int]:
    """Extend the leases of these steps; gives the fencing number of each that the process still holds.

    System role. Only what somebody works on is named: a step whose end could not be written runs out and
    comes back. A lease that has already expired is not revived, and none passes its deadline.
    """
    if not steps:
        return {}
    rows = await session.execute(
        update(JobStep)
        .where(
            JobStep.id.in_(
                locked(
                    JobStep.id.in_(steps),
                    JobStep.lease_owner == owner,
                    JobStep.state == StepState.RUNNING,
                    JobStep.lease_expires_at > func.clock_timestamp(),
                )
            ),
        )
        .values(lease_expires_at=func.least(_in_seconds(lease_seconds), JobStep.deadline_at))
        .returning(JobStep.id, JobStep.fencing)
        .execution_options(synchronize_session=False)
    )
    return {row.id: row.fencing for row in rows}


def locked(*conditions: ColumnElement[bool]) -> Select[UUID]:
    """Ids of the steps that meet the conditions, locked in the order of their ids.

    Whoever writes several steps without holding their jobs' rows takes them through this, so that no two
    wait for each other in a circle.
    """
    return select(JobStep.id).where(*conditions).order_by(JobStep.id).with_for_update(key_share=True)


async def hand_back(session: AsyncSession, *, owner: UUID, steps: Sequence[UUID]) -> int:
    """Give steps back to the queue at once, as a process does that shuts down. Not counted as an attempt."""
    rows = await session.execute(
        update(JobStep)
        .where(
            JobStep.id.in_(
                locked(
                    JobStep.id.in_(steps), JobStep.lease_owner == owner, JobStep.state == StepState.RUNNING
                )
            )
        )
        .values(
            state=StepState.QUEUED,
            attempt=JobStep.attempt - 1,
            lease_owner=None,
            lease_expires_at=None,
            hinted_at=None,
            hint_count=0,
            reservation=None,
        )
        .returning(JobStep.id)
        .execution_options(synchronize_session=False)
    )
    await notify_steps(session)
    return len(rows.all())


async def beat(session: AsyncSession, *, owner: UUID, capacity: int) -> None:
    """Say that this process lives and how many steps it can run at once. System role."""
    statement = insert(WorkerHeartbeat).values(id=owner, capacity=capacity, schema_version=SCHEMA_VERSION)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"], set_={"capacity": capacity, "seen_at": func.clock_timestamp()}
        )
    )
