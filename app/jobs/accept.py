"""Accepting work: the job, its inputs and its first step in the caller's transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record
from app.core.clock import new_id
from app.core.crypto import Place, Sealer
from app.jobs.complete import input_place
from app.jobs.errors import IdempotencyKeyReused, TooManyJobs
from app.jobs.leases import schema_version_of
from app.jobs.notify import notify_steps
from app.jobs.tables import IdempotencyKey, Job, JobInput, JobStep
from app.vocabulary import JobState, Lane, OfficeHost, StepKind, StepState


@dataclass(frozen=True)
class NewJob:
    """A validated request, with the pool revision it is pinned to."""

    task_type: str
    host: OfficeHost
    lane: Lane
    parameters: Mapping[str, Any]
    documents: Sequence[UUID]
    pool_tenant_id: UUID
    pool_revision_id: UUID
    route_reason: str
    language: str
    estimated_tokens: int
    first_step: StepKind
    on_dead: str
    deadline_seconds: float
    sticky_key: bytes
    """What it draws a member of the pool with."""
    first_step_tokens: int | None = None
    """What the first step reads; None for all of `estimated_tokens`."""
    first_input: Mapping[str, Any] | None = None
    """What the first step works on, as JSON; sealed at rest."""
    graph_session_id: UUID | None = None
    start_after: datetime | None = None
    estimate: Mapping[str, Any] | None = None
    """What it will probably need, for people."""
    batch_id: UUID | None = None
    """The batch whose document it reads."""
    is_batch: bool = False
    """It is a batch itself."""


def parameters_place(job_id: UUID) -> Place:
    """Where a job's parameters are sealed."""
    return Place("jobs", job_id, "sealed_parameters")


def request_hash(sealer: Sealer, body: Mapping[str, Any]) -> bytes:
    """A keyed digest of a request's meaning, whatever the order of its keys."""
    return sealer.digest("request", json.dumps(body, sort_keys=True, default=str).encode())


async def find_replay(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID, key: str, digest: bytes
) -> UUID | None:
    """The job that this key was used for. Raises: `IdempotencyKeyReused` for another request."""
    used = (
        await session.execute(
            select(IdempotencyKey.job_id, IdempotencyKey.request_hash).where(
                IdempotencyKey.tenant_id == tenant_id,
                IdempotencyKey.member_id == member_id,
                IdempotencyKey.key == key,
            )
        )
    ).one_or_none()
    if used is None:
        return None
    if used.request_hash != digest:
        raise IdempotencyKeyReused
    job_id: UUID = used.job_id
    return job_id


async def claim_key(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID, key: str, digest: bytes
) -> UUID | None:
    """The job that this key was used for; if there is none, the key is the caller's until its transaction ends.

    Other transactions with the same key wait here, so what the caller writes for its job is written once.
    Raises: `IdempotencyKeyReused` for another request.
    """
    earlier = await find_replay(session, tenant_id=tenant_id, member_id=member_id, key=key, digest=digest)
    if earlier is not None:
        return earlier
    name = f"idempotency_keys|{tenant_id}|{member_id}|{key}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    return await find_replay(session, tenant_id=tenant_id, member_id=member_id, key=key, digest=digest)


async def accept(
    session: AsyncSession,
    sealer: Sealer,
    new: NewJob,
    *,
    tenant_id: UUID,
    member_id: UUID,
    max_jobs_queued: int,
    idempotency: tuple[str, bytes] | None = None,
    actor_kind: ActorKind = ActorKind.MEMBER,
) -> UUID:
    """Write the job and its first step, and wake the dispatcher when the transaction commits.

    The member is a person or, as `actor_kind` says, a program.

    `idempotency` is the caller's key and the digest of its request. Of any number of concurrent calls
    with the same key one makes a job, and all return its id.

    Raises: `TooManyJobs`, `IdempotencyKeyReused`.
    """
    full = await full_queue(session, tenant_id, max_jobs_queued)
    if full is not None:
        raise full
    job_id = new_id()
    savepoint = await session.begin_nested()
    await _insert(session, sealer, new, tenant_id=tenant_id, member_id=member_id, job_id=job_id)
    if idempotency is not None:
        key, digest = idempotency
        won = await session.execute(
            insert(IdempotencyKey)
            .values(tenant_id=tenant_id, member_id=member_id, key=key, request_hash=digest, job_id=job_id)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.job_id)
        )
        if won.scalar_one_or_none() is None:
            await savepoint.rollback()
            earlier = await find_replay(
                session, tenant_id=tenant_id, member_id=member_id, key=key, digest=digest
            )
            if earlier is None:
                raise IdempotencyKeyReused
            return earlier
    await record(
        session,
        tenant_id=tenant_id,
        actor=Actor(actor_kind, member_id),
        action=AuditAction.JOB_ACCEPT,
        target_type="job",
        target_id=str(job_id),
        detail={
            "task_type": new.task_type,
            "host": new.host,
            "lane": new.lane,
            "documents": len(new.documents),
            **({"batch": True} if new.is_batch else {}),
        },
    )
    await savepoint.commit()
    await notify_steps(session)
    return job_id


async def full_queue(session: AsyncSession, tenant_id: UUID, limit: int) -> TooManyJobs | None:
    """The refusal of a further job while as many of the tenant's wait as may; None while there is room."""
    waiting = (
        select(Job.id).where(Job.tenant_id == tenant_id, Job.state == JobState.QUEUED).limit(limit).subquery()
    )
    count = await session.scalar(select(func.count()).select_from(waiting))
    return TooManyJobs(limit) if count == limit else None


async def _insert(
    session: AsyncSession, sealer: Sealer, new: NewJob, *, tenant_id: UUID, member_id: UUID, job_id: UUID
) -> None:
    parameters = json.dumps(dict(new.parameters), ensure_ascii=False).encode()
    await session.execute(
        insert(Job).values(
            tenant_id=tenant_id,
            id=job_id,
            member_id=member_id,
            task_type=new.task_type,
            host=new.host,
            lane=new.lane,
            state=JobState.QUEUED,
            sealed_parameters=sealer.seal(parameters_place(job_id), parameters),
            pool_tenant_id=new.pool_tenant_id,
            pool_revision_id=new.pool_revision_id,
            route_reason=new.route_reason,
            sticky_key=new.sticky_key,
            language=new.language,
            estimate=None if new.estimate is None else dict(new.estimate),
            estimated_tokens=new.estimated_tokens,
            on_dead=new.on_dead,
            steps_total=1,
            steps_done=0,
            deadline_at=text(f"now() + interval '{new.deadline_seconds:.3f} seconds'"),
            graph_session_id=new.graph_session_id,
            start_after=new.start_after,
            batch_id=job_id if new.is_batch else new.batch_id,
        )
    )
    if new.documents:
        await session.execute(
            insert(JobInput),
            [
                {"tenant_id": tenant_id, "job_id": job_id, "ordinal": ordinal, "document_id": document_id}
                for ordinal, document_id in enumerate(new.documents)
            ],
        )
    step_id = new_id()
    work = None if new.first_input is None else json.dumps(dict(new.first_input)).encode()
    await session.execute(
        insert(JobStep).values(
            tenant_id=tenant_id,
            id=step_id,
            job_id=job_id,
            member_id=member_id,
            task_type=new.task_type,
            kind=new.first_step,
            lane=new.lane,
            state=StepState.QUEUED,
            estimated_tokens=new.estimated_tokens if new.first_step_tokens is None else new.first_step_tokens,
            sealed_input=None if work is None else sealer.seal(input_place(step_id), work),
            run_after=new.start_after or func.now(),
            schema_version=schema_version_of(new.first_step),
        )
    )
