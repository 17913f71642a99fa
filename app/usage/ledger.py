"""The ledger: a row of intent before a request leaves, settled once with what really happened.

pending ──settle──► succeeded | failed | rejected | cancelled
   └── nobody came back ──► unknown (at the reserved amount) ──a late settle──► as above

It is not fenced: a call was paid for even if its step was lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id
from app.usage.tables import ModelCall
from app.vocabulary import CallOutcome


@dataclass(frozen=True)
class CallIntent:
    """A request that is about to leave. `reserved_micros` is the most it can cost."""

    tenant_id: UUID
    member_id: UUID
    job_id: UUID
    step_id: UUID
    fencing: int
    hop: int
    pool_revision_id: UUID
    pool_member_id: UUID
    deployment_id: UUID
    price_revision_id: UUID | None
    provider_name: str
    request_model: str
    reserved_micros: int = 0
    currency: str = "EUR"
    id: UUID = field(default_factory=new_id)


@dataclass
class CallRecord:
    """How a request ended. Until then it stands at what was reserved, so a loss is never free."""

    intent: CallIntent
    outcome: CallOutcome = CallOutcome.PENDING
    error_code: str | None = None
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_micros: int = 0


@dataclass(frozen=True)
class JobUsage:
    """What a job has used so far; calls that are under way count at what is reserved for them."""

    input_tokens: int
    output_tokens: int
    cost_micros: int
    currency: str
    calls: int


@dataclass(frozen=True)
class CallView:
    """One call, for the decision record."""

    id: UUID
    step_id: UUID
    hop: int
    deployment_id: UUID
    provider_name: str
    request_model: str
    outcome: CallOutcome
    error_code: str | None
    input_tokens: int
    output_tokens: int
    cost_micros: int
    currency: str
    started_at: datetime
    settled_at: datetime | None


_OPEN = insert(ModelCall.__table__)  # type: ignore[arg-type]


async def open_call(session: AsyncSession, intent: CallIntent) -> None:
    """Append the intent. Commit before the request leaves."""
    connection = await session.connection()
    await connection.execute(
        _OPEN,
        {
            "id": intent.id,
            "tenant_id": intent.tenant_id,
            "member_id": intent.member_id,
            "job_id": intent.job_id,
            "step_id": intent.step_id,
            "fencing": intent.fencing,
            "hop": intent.hop,
            "pool_revision_id": intent.pool_revision_id,
            "pool_member_id": intent.pool_member_id,
            "deployment_id": intent.deployment_id,
            "price_revision_id": intent.price_revision_id,
            "provider_name": intent.provider_name,
            "request_model": intent.request_model,
            "reserved_micros": intent.reserved_micros,
            "currency": intent.currency,
        },
    )


_SETTLE = (
    update(ModelCall)
    .where(
        ModelCall.tenant_id == bindparam("of_tenant"),
        ModelCall.id == bindparam("of_call"),
        # Not IN: an expanding parameter cannot be sent for many rows at once.
        or_(ModelCall.outcome == CallOutcome.PENDING, ModelCall.outcome == CallOutcome.UNKNOWN),
    )
    .values(
        outcome=bindparam("new_outcome"),
        error_code=bindparam("new_error_code"),
        input_tokens=bindparam("new_input"),
        cached_input_tokens=bindparam("new_cached"),
        output_tokens=bindparam("new_output"),
        reasoning_tokens=bindparam("new_reasoning"),
        cost_micros=bindparam("new_cost"),
        settled_at=func.clock_timestamp(),
    )
)


async def settle(session: AsyncSession, records: Sequence[CallRecord]) -> None:
    """Write how calls ended. A row is settled once; settling it again changes nothing."""
    ended = [record for record in records if record.outcome is not CallOutcome.PENDING]
    if ended:
        connection = await session.connection()
        await connection.execute(
            _SETTLE,
            [
                {
                    "of_tenant": record.intent.tenant_id,
                    "of_call": record.intent.id,
                    "new_outcome": record.outcome,
                    "new_error_code": record.error_code,
                    "new_input": record.input_tokens,
                    "new_cached": record.cached_input_tokens,
                    "new_output": record.output_tokens,
                    "new_reasoning": record.reasoning_tokens,
                    "new_cost": record.cost_micros,
                }
                for record in ended
            ],
        )


async def settle_orphans(session: AsyncSession, older_than_seconds: float) -> int:
    """Settle calls nobody came back from, at the reserved amount. System role. Gives how many."""
    rows = await session.execute(
        update(ModelCall)
        .where(
            ModelCall.outcome == CallOutcome.PENDING,
            ModelCall.started_at
            < func.clock_timestamp() - text(f"interval '{older_than_seconds:.3f} seconds'"),
        )
        .values(
            outcome=CallOutcome.UNKNOWN,
            cost_micros=ModelCall.reserved_micros,
            settled_at=func.clock_timestamp(),
        )
        .returning(ModelCall.id)
        .execution_options(synchronize_session=False)
    )
    return len(rows.all())


async def job_usages(session: AsyncSession, tenant_id: UUID, job_ids: Sequence[UUID]) -> dict[UUID, JobUsage]:
    """Sums of the calls of each of these jobs."""
    spent = func.sum(ModelCall.cost_micros).filter(ModelCall.outcome != CallOutcome.PENDING)
    reserved = func.sum(ModelCall.reserved_micros).filter(ModelCall.outcome == CallOutcome.PENDING)
    rows = await session.execute(
        select(
            ModelCall.job_id,
            func.sum(ModelCall.input_tokens),
            func.sum(ModelCall.output_tokens),
            func.coalesce(spent, 0) + func.coalesce(reserved, 0),
            func.max(ModelCall.currency),
            func.count(),
        )
        .where(ModelCall.tenant_id == tenant_id, ModelCall.job_id.in_(job_ids))
        .group_by(ModelCall.job_id)
    )
    found = {row[0]: JobUsage(int(row[1]), int(row[2]), int(row[3]), row[4], row[5]) for row in rows}
    return {job_id: found.get(job_id, JobUsage(0, 0, 0, "EUR", 0)) for job_id in job_ids}


async def job_usage(session: AsyncSession, tenant_id: UUID, job_id: UUID) -> JobUsage:
    """Sum of a job's calls."""
    return (await job_usages(session, tenant_id, [job_id]))[job_id]


async def job_calls(session: AsyncSession, tenant_id: UUID, job_id: UUID) -> list[CallView]:
    """A job's calls in the order they were made."""
    rows = await session.scalars(
        select(ModelCall)
        .where(ModelCall.tenant_id == tenant_id, ModelCall.job_id == job_id)
        .order_by(ModelCall.id)
    )
    return [
        CallView(
            id=call.id,
            step_id=call.step_id,
            hop=call.hop,
            deployment_id=call.deployment_id,
            provider_name=call.provider_name,
            request_model=call.request_model,
            outcome=CallOutcome(call.outcome),
            error_code=call.error_code,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cost_micros=call.cost_micros,
            currency=call.currency,
            started_at=call.started_at,
            settled_at=call.settled_at,
        )
        for call in rows
    ]
