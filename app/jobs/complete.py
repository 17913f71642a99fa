"""How a step ends. Each function writes only with the current fencing number and raises `LeaseLost` otherwise.

Every end decrements the successor in the same transaction; at zero the successor becomes queued.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Place, Sealed
from app.jobs.errors import LeaseLost
from app.jobs.leases import ClaimedStep, locked
from app.jobs.notify import notify_cancelled, notify_steps
from app.jobs.recording import record_end
from app.jobs.tables import Job, JobInput, JobStep
from app.jobs.waking import wake_batch
from app.vocabulary import JobState, StepKind, StepState


def input_place(step_id: UUID) -> Place:
    """Where a step's input is sealed."""
    return Place("job_steps", step_id, "sealed_input")


def output_place(step_id: UUID) -> Place:
    """Where a step's output is sealed."""
    return Place("job_steps", step_id, "sealed_output")


def result_place(job_id: UUID) -> Place:
    """Where a job's result is sealed."""
    return Place("jobs", job_id, "sealed_result")


def answer_place(step_id: UUID) -> Place:
    """Where a step's answer is sealed for later steps."""
    return Place("job_steps", step_id, "sealed_answer")


@dataclass(frozen=True)
class PlannedStep:
    """A step to add; `id` is chosen by the caller so that steps can name their successors."""

    id: UUID
    kind: StepKind
    ordinal: int
    sealed_input: Sealed
    estimated_tokens: int
    successor_step_id: UUID | None
    remaining: int


@dataclass(frozen=True)
class Prepared:
    """What a job is once its documents are there: what `NewJob` says of one that comes with them."""

    documents: Sequence[UUID]
    language: str
    estimated_tokens: int
    pool_tenant_id: UUID
    pool_revision_id: UUID
    route_reason: str
    estimate: Mapping[str, Any]


@dataclass(frozen=True)
class StepAnswer:
    """The answer that later steps of the same hash may reuse, and the call that was paid for it."""

    input_hash: bytes
    sealed_answer: Sealed
    call_id: UUID
    tokens: int
    reused: bool


@dataclass(frozen=True)
class Completion:
    """What a finished step leaves behind. A `sealed_result` ends the job."""

    sealed_output: Sealed
    answered_by: UUID | None = None
    answer: StepAnswer | None = None
    new_steps: Sequence[PlannedStep] = ()
    sealed_result: Sealed | None = None
    partial: bool = False
    decision: Mapping[str, Any] | None = None
    phase: str | None = None
    prepared: Prepared | None = None
    """Of a fetch: no step has asked a model yet, so the job may be pinned anew."""


@dataclass(frozen=True)
class Progress:
    """Where the job stands after a step's end."""

    state: JobState
    done: int
    total: int
    error: Mapping[str, Any] | None = field(default=None)


async def complete(session: AsyncSession, step: ClaimedStep, completion: Completion) -> Progress:
    """Write the step's output, its new steps, its successor and, with a result, the job's end.

    Raises: `LeaseLost`.
    """
    await lock_job(session, step.tenant_id, step.job_id)
    answer = completion.answer
    await end_step(
        session,
        step,
        state=StepState.DONE,
        sealed_output=completion.sealed_output,
        answered_by=completion.answered_by,
        **_answer_values(answer),
    )
    if completion.new_steps:
        await _insert_steps(session, step, completion.new_steps)
    await release_successor(session, step.tenant_id, step.successor_step_id)
    if completion.prepared is not None:
        await _prepare(session, step, completion.prepared)
    values: dict[str, Any] = {
        "steps_done": Job.steps_done + 1,
        "steps_total": Job.steps_total + len(completion.new_steps),
        "phase": completion.phase,
    }
    if answer is not None and answer.reused:
        values["reused_tokens"] = Job.reused_tokens + answer.tokens
    if completion.sealed_result is not None:
        values |= {
            "state": JobState.PARTIAL if completion.partial else JobState.SUCCEEDED,
            "sealed_result": completion.sealed_result,
            "decision": completion.decision,
            "finished_at": func.clock_timestamp(),
        }
    return await update_job(session, step.tenant_id, step.job_id, values)


def _answer_values(answer: StepAnswer | None) -> dict[str, Any]:
    if answer is None:
        return {}
    return {
        "input_hash": answer.input_hash,
        "sealed_answer": answer.sealed_answer,
        "answer_call_id": answer.call_id,
        "answer_tokens": answer.tokens,
        "reused": answer.reused,
    }


async def _prepare(session: AsyncSession, step: ClaimedStep, prepared: Prepared) -> None:
    await session.execute(
        insert(JobInput),
        [
            {
                "tenant_id": step.tenant_id,
                "job_id": step.job_id,
                "ordinal": ordinal,
                "document_id": document_id,
            }
            for ordinal, document_id in enumerate(prepared.documents)
        ],
    )
    await session.execute(
        update(Job)
        .where(Job.tenant_id == step.tenant_id, Job.id == step.job_id)
        .values(
            language=prepared.language,
            estimated_tokens=prepared.estimated_tokens,
            pool_tenant_id=prepared.pool_tenant_id,
            pool_revision_id=prepared.pool_revision_id,
            route_reason=prepared.route_reason,
            estimate=dict(prepared.estimate),
        )
        .execution_options(synchronize_session=False)
    )


async def retry(
    session: AsyncSession, step: ClaimedStep, *, seconds: float, counted: bool, error: str
) -> None:
    """Put the step back to run after `seconds`; `counted=False` takes the attempt back (postponed).

    Raises: `LeaseLost`.
    """
    await lock_job(session, step.tenant_id, step.job_id)
    await end_step(
        session,
        step,
        state=StepState.QUEUED,
        attempt=JobStep.attempt if counted else JobStep.attempt - 1,
        run_after=func.clock_timestamp() + text(f"interval '{seconds:.3f} seconds'"),
        hinted_at=None,
        hint_count=0,
        error_chain=func.coalesce(JobStep.error_chain, text("'[]'::jsonb")).op("||")(
            func.to_jsonb(text("CAST(:error AS text)").bindparams(error=error))
        ),
    )
    await notify_steps(session)


async def bury(
    session: AsyncSession,
    step: ClaimedStep,
    *,
    error: Mapping[str, Any],
    on_dead: str,
    decision: Mapping[str, Any] | None,
) -> Progress:
    """The step has failed for good. The job goes on without it, or fails with it.

    Raises: `LeaseLost`.
    """
    await lock_job(session, step.tenant_id, step.job_id)
    await end_step(session, step, state=StepState.DEAD, error=dict(error))
    return await after_death(
        session,
        tenant_id=step.tenant_id,
        job_id=step.job_id,
        successor_step_id=step.successor_step_id,
        kind=step.kind,
        error=error,
        on_dead=on_dead,
        decision=decision,
    )


async def after_death(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    job_id: UUID,
    successor_step_id: UUID | None,
    kind: StepKind,
    error: Mapping[str, Any],
    on_dead: str,
    decision: Mapping[str, Any] | None = None,
) -> Progress:
    """What a dead step means for its job. The job's row is locked by the caller.

    In a job that may be partial a dead map or merge step only releases its successor, which names what is
    missing; the death of a plan or of a last step fails the job, and its other steps end with it.
    """
    if kind is not StepKind.PLAN and on_dead == "partial" and successor_step_id is not None:
        await release_successor(session, tenant_id, successor_step_id)
        return await update_job(session, tenant_id, job_id, {"steps_done": Job.steps_done + 1})
    await end_steps(session, tenant_id, job_id)
    await notify_cancelled(session, job_id)
    values: dict[str, Any] = {
        "state": JobState.FAILED,
        "error": dict(error),
        "finished_at": func.clock_timestamp(),
    }
    if decision is not None:
        values["decision"] = dict(decision)
    return await update_job(session, tenant_id, job_id, values)


async def release_successor(session: AsyncSession, tenant_id: UUID, successor: UUID | None) -> None:
    """One predecessor less; at zero the blocked successor becomes queued."""
    if successor is None:
        return
    last = JobStep.remaining <= 1
    released = await session.execute(
        update(JobStep)
        .where(JobStep.tenant_id == tenant_id, JobStep.id == successor, JobStep.state == StepState.BLOCKED)
        .values(
            remaining=JobStep.remaining - 1,
            state=case((last, StepState.QUEUED), else_=StepState.BLOCKED),
            run_after=func.clock_timestamp(),
        )
        .returning(JobStep.state)
        .execution_options(synchronize_session=False)
    )
    if released.scalar_one_or_none() == StepState.QUEUED:
        await notify_steps(session)


async def end_steps(session: AsyncSession, tenant_id: UUID, job_id: UUID) -> None:
    """Cancel every step of a job that has not ended; a running one loses the right to write."""
    await session.execute(
        update(JobStep)
        .where(
            JobStep.tenant_id == tenant_id,
            JobStep.id.in_(
                locked(
                    JobStep.tenant_id == tenant_id,
                    JobStep.job_id == job_id,
                    JobStep.state.in_((StepState.BLOCKED, StepState.QUEUED, StepState.RUNNING)),
                )
            ),
        )
        .values(
            state=StepState.CANCELLED,
            lease_owner=None,
            lease_expires_at=None,
            finished_at=func.clock_timestamp(),
        )
        .execution_options(synchronize_session=False)
    )
    await notify_steps(session)


async def lock_job(session: AsyncSession, tenant_id: UUID, job_id: UUID) -> None:
    """Nobody else writes to the job or its steps until this transaction ends."""
    await session.execute(
        select(Job.id).where(Job.tenant_id == tenant_id, Job.id == job_id).with_for_update(key_share=True)
    )


async def end_step(session: AsyncSession, step: ClaimedStep, **values: Any) -> None:
    """Let go of the step with these values. Raises: `LeaseLost`."""
    over = values["state"] != StepState.QUEUED
    ended = await session.execute(
        update(JobStep)
        .where(
            JobStep.tenant_id == step.tenant_id,
            JobStep.id == step.id,
            JobStep.state == StepState.RUNNING,
            JobStep.fencing == step.fencing,
        )
        .values(
            **values,
            lease_owner=None,
            lease_expires_at=None,
            reservation=None,
            **({"finished_at": func.clock_timestamp()} if over else {}),
        )
        .returning(JobStep.id)
        .execution_options(synchronize_session=False)
    )
    if ended.scalar_one_or_none() is None:
        raise LeaseLost(f"step {step.id} is no longer held with fencing number {step.fencing}")
    # A slot is free now: whatever waits for one need not wait for the next poll.
    await notify_steps(session)


async def _insert_steps(session: AsyncSession, step: ClaimedStep, new: Sequence[PlannedStep]) -> None:
    await session.execute(
        insert(JobStep),
        [
            {
                "tenant_id": step.tenant_id,
                "id": planned.id,
                "job_id": step.job_id,
                "member_id": step.member_id,
                "task_type": step.task_type,
                "kind": planned.kind,
                "ordinal": planned.ordinal,
                "lane": step.lane,
                "state": StepState.BLOCKED if planned.remaining else StepState.QUEUED,
                "sealed_input": planned.sealed_input,
                "estimated_tokens": planned.estimated_tokens,
                "successor_step_id": planned.successor_step_id,
                "remaining": planned.remaining,
            }
            for planned in new
        ],
    )


async def update_job(
    session: AsyncSession, tenant_id: UUID, job_id: UUID, values: Mapping[str, Any]
) -> Progress:
    """Write to the job's row, and what follows from its end if this is one."""
    row = (
        await session.execute(
            update(Job)
            .where(Job.tenant_id == tenant_id, Job.id == job_id)
            .values(values)
            .returning(Job.state, Job.steps_done, Job.steps_total, Job.error, Job.batch_id)
            .execution_options(synchronize_session=False)
        )
    ).one()
    if "finished_at" in values:
        await wake_batch(session, tenant_id, row.batch_id)
        await record_end(
            session,
            tenant_id=tenant_id,
            job_id=job_id,
            state=row.state,
            decision=values.get("decision"),
            error=row.error,
        )
    return Progress(JobState(row.state), row.steps_done, row.steps_total, row.error)
