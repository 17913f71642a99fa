"""Every query of the jobs room that a member's request or a step's handler needs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealed
from app.jobs.errors import JobNotFound
from app.jobs.tables import Job, JobInput, JobStep
from app.vocabulary import JobState, StepKind, StepState


@dataclass(frozen=True)
class JobView:
    """A job as its member sees it; the result is still sealed."""

    id: UUID
    task_type: str
    host: str
    lane: str
    state: JobState
    waiting_reason: str | None
    waiting_for: dict[str, Any] | None
    expires_at: datetime | None
    phase: str | None
    steps_total: int
    steps_done: int
    reused_tokens: int
    language: str
    estimated_tokens: int
    estimate: dict[str, Any] | None
    decision: dict[str, Any] | None
    sealed_result: Sealed | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_VIEW = tuple(JobView.__dataclass_fields__)


@dataclass(frozen=True)
class Predecessor:
    """A step whose successor is being worked on."""

    id: UUID
    state: StepState
    kind: StepKind
    sealed_input: Sealed | None
    sealed_output: Sealed | None
    error: Mapping[str, Any] | None
    """What a dead one died of."""


@dataclass(frozen=True)
class EarlierAnswer:
    """The answer of a finished step, still sealed."""

    step_id: UUID
    input_hash: bytes
    sealed_answer: Sealed
    call_id: UUID
    tokens: int


class JobRepository:
    """One tenant's jobs. Every method filters by the tenant, and by the member where people ask."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def view(self, job_id: UUID, *, member_id: UUID) -> JobView:
        """A member's own job. Raises: `JobNotFound`."""
        row = (
            await self._session.execute(
                select(*(getattr(Job, name) for name in _VIEW)).where(
                    Job.tenant_id == self._tenant_id, Job.id == job_id, Job.member_id == member_id
                )
            )
        ).one_or_none()
        if row is None:
            raise JobNotFound(job_id)
        return _view(row)

    async def page(
        self,
        *,
        member_id: UUID,
        before: UUID | None,
        limit: int,
        states: Collection[JobState] = (),
        task_type: str | None = None,
        batches: bool = False,
    ) -> list[JobView]:
        """A member's own jobs, newest first; ids are time-ordered, so the last one is the cursor.

        Without `states` those in any state. Jobs of batches stand in these; `batches` gives the batches instead.
        """
        query = (
            select(*(getattr(Job, name) for name in _VIEW))
            .where(
                Job.tenant_id == self._tenant_id,
                Job.member_id == member_id,
                Job.batch_id == Job.id if batches else Job.batch_id.is_(None),
            )
            .order_by(Job.id.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(Job.id < before)
        if states:
            query = query.where(Job.state.in_(states))
        if task_type is not None:
            query = query.where(Job.task_type == task_type)
        return [_view(row) for row in await self._session.execute(query)]

    async def inputs(self, job_id: UUID) -> Sequence[UUID]:
        """The documents that a job reads, in order."""
        rows = await self._session.scalars(
            select(JobInput.document_id)
            .where(JobInput.tenant_id == self._tenant_id, JobInput.job_id == job_id)
            .order_by(JobInput.ordinal)
        )
        return rows.all()

    async def predecessors(self, job_id: UUID, step_id: UUID) -> list[Predecessor]:
        """The steps that a step waited for, by ordinal."""
        rows = await self._session.execute(
            select(
                JobStep.id,
                JobStep.state,
                JobStep.kind,
                JobStep.sealed_input,
                JobStep.sealed_output,
                JobStep.error,
            )
            .where(
                JobStep.tenant_id == self._tenant_id,
                JobStep.job_id == job_id,
                JobStep.successor_step_id == step_id,
            )
            .order_by(JobStep.ordinal)
        )
        return [
            Predecessor(
                row.id,
                StepState(row.state),
                StepKind(row.kind),
                row.sealed_input,
                row.sealed_output,
                row.error,
            )
            for row in rows
        ]

    async def earlier_answers(
        self, hashes: Collection[bytes], *, member_id: UUID | None
    ) -> dict[bytes, EarlierAnswer]:
        """The newest answer of each hash, of one member's steps or of anybody's."""
        whose = [] if member_id is None else [JobStep.member_id == member_id]
        rows = await self._session.scalars(
            select(JobStep)
            .ext(distinct_on(JobStep.input_hash))
            .where(
                JobStep.tenant_id == self._tenant_id,
                JobStep.input_hash.in_(hashes),
                JobStep.state == StepState.DONE,
                *whose,
            )
            .order_by(JobStep.input_hash, JobStep.id.desc())
        )
        return {
            step.input_hash: EarlierAnswer(
                step.id, step.input_hash, step.sealed_answer, step.answer_call_id, step.answer_tokens
            )
            for step in rows
            if step.input_hash and step.sealed_answer and step.answer_call_id
        }

    async def reused_calls(self, job_id: UUID) -> Sequence[UUID]:
        """The calls of earlier steps whose answers a job reused, by ordinal."""
        rows = await self._session.scalars(
            select(JobStep.answer_call_id)
            .where(JobStep.tenant_id == self._tenant_id, JobStep.job_id == job_id, JobStep.reused)
            .order_by(JobStep.ordinal)
        )
        return [call_id for call_id in rows if call_id is not None]


def _view(row: Any) -> JobView:
    values = {name: getattr(row, name) for name in _VIEW}
    return JobView(**{**values, "state": JobState(row.state)})
