"""The ledger: a row of intent before a request leaves, settled once with what really happened.

pending ──settle──► succeeded | failed | rejected | cancelled | unsent
   └── nobody came back ──► unknown (at the reserved amount) ──a late settle──► as above

It is not fenced: a call was paid for even if its step was lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, func, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id, now
from app.usage.budgets import BudgetFacts, reserve
from app.usage.tables import ModelCall
from app.vocabulary import CallOutcome

_NO_CURRENCY = "EUR"
"""What no call was paid in."""


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
    task_type: str = ""
    pool_name: str = ""
    vendor: str = ""
    reserved_micros: int = 0
    currency: str = "EUR"
    id: UUID = field(default_factory=new_id)


@dataclass
class CallRecord:
    """How a request ended. Until then it stands at what was reserved, so a loss is never free."""

    intent: CallIntent
    outcome: CallOutcome = CallOutcome.PENDING
    error_code: str | None = None
    error_detail: str | None = None
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_micros: int = 0
    most_micros: int | None = None
    """The most that the request which was made can cost, where that is less than was reserved."""

    @property
    def reserved_micros(self) -> int:
        """What the ledger keeps as reserved when the call has ended: all of the reservation that its request needed."""
        return self.intent.reserved_micros if self.most_micros is None else self.most_micros

    def cost_most(self) -> None:
        """Charge the most that it can have cost: the vendor may have worked, and nobody knows how much."""
        self.cost_micros = self.reserved_micros


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
    error_detail: str | None
    input_tokens: int
    output_tokens: int
    cost_micros: int
    currency: str
    started_at: datetime
    settled_at: datetime | None


_OPEN = insert(ModelCall.__table__)  # type: ignore[arg-type]


async def open_call(session: AsyncSession, intent: CallIntent, budgets: Sequence[BudgetFacts] = ()) -> None:
    """Append the intent, with its money reserved in these budgets. Commit before the request leaves.

    Raises: `BudgetExhausted`; then nothing was written.
    """
    charges = await reserve(
        session,
        intent.tenant_id,
        budgets,
        micros=intent.reserved_micros,
        currency=intent.currency,
        at=now(),
    )
    # Not `asdict`: it copies every id deeply, for a tenth of what the transaction costs.
    await session.execute(_OPEN, {**vars(intent), "charges": charges or None})


# Budgets' periods are locked in the order of their keys, as `budgets.reserve` does. A call counts once in
# each of its periods: what was reserved for it is freed when it first ends, and what it cost is spent; a late
# settling after `unknown` corrects what was spent. `before` is what stood there: all of it is freed, though the call
# keeps only what its request needed.
_MOVE_MONEY = """
    before AS (
        SELECT c.tenant_id, c.id, c.outcome, c.reserved_micros, c.cost_micros, c.charges
        FROM model_calls c JOIN ended e ON e.tenant_id = c.tenant_id AND e.id = c.id
        WHERE c.outcome IN ('pending', 'unknown')
        ORDER BY c.id FOR UPDATE OF c
    ),
    settled AS (
        UPDATE model_calls c
        SET outcome = e.outcome, error_code = e.error_code, input_tokens = e.input_tokens,
            cached_input_tokens = e.cached_input_tokens, output_tokens = e.output_tokens,
            reasoning_tokens = e.reasoning_tokens, cost_micros = e.cost_micros,
            settled_at = clock_timestamp()
        FROM before b JOIN ended e ON e.tenant_id = b.tenant_id AND e.id = b.id
        WHERE c.tenant_id = b.tenant_id AND c.id = b.id
        RETURNING c.tenant_id, c.id
    ),
    moved AS (
        SELECT b.tenant_id, (charge->>'budget_id')::uuid AS budget_id,
               (charge->>'starts_at')::timestamptz AS starts_at,
               sum(CASE WHEN b.outcome = 'pending' THEN b.reserved_micros ELSE 0 END)::bigint AS freed,
               sum(e.cost_micros - b.cost_micros)::bigint AS spent
        FROM before b JOIN ended e ON e.tenant_id = b.tenant_id AND e.id = b.id
        CROSS JOIN LATERAL jsonb_array_elements(b.charges) charge
        WHERE jsonb_typeof(b.charges) = 'array'
        GROUP BY 1, 2, 3
    ),
    locked AS (
        SELECT m.* FROM budget_periods p
        JOIN moved m ON m.tenant_id = p.tenant_id AND m.budget_id = p.budget_id AND m.starts_at = p.starts_at
        ORDER BY p.budget_id, p.starts_at FOR UPDATE OF p
    ),
    counted AS (
        UPDATE budget_periods p
        SET reserved_micros = p.reserved_micros - l.freed, spent_micros = p.spent_micros + l.spent
        FROM locked l
        WHERE p.tenant_id = l.tenant_id AND p.budget_id = l.budget_id AND p.starts_at = l.starts_at
        RETURNING p.budget_id
    )
    SELECT (SELECT count(*) FROM settled), (SELECT count(*) FROM counted)
"""
_KNOWN_TO_THE_CALLER = "reserved_micros = e.reserved_micros, error_detail = e.error_detail"
_SETTLE = text(
    f"""
    WITH ended AS (
        SELECT * FROM jsonb_to_recordset(:ended) AS e(
            tenant_id uuid, id uuid, outcome text, error_code text, input_tokens int,
            cached_input_tokens int, output_tokens int, reasoning_tokens int, cost_micros bigint,
            reserved_micros bigint, error_detail text)
    ),
    {_MOVE_MONEY.replace("settled_at =", f"{_KNOWN_TO_THE_CALLER}, settled_at =")}
    """  # noqa: S608 - both parts are constants
).bindparams(bindparam("ended", type_=JSONB))
_SETTLE_ORPHANS = text(
    f"""
    WITH ended AS (
        SELECT tenant_id, id, 'unknown' AS outcome, error_code, input_tokens, cached_input_tokens,
               output_tokens, reasoning_tokens, reserved_micros AS cost_micros
        FROM model_calls
        WHERE outcome = 'pending' AND started_at < clock_timestamp() - make_interval(secs => :seconds)
    ),
    {_MOVE_MONEY}
    """  # noqa: S608 - both parts are constants
)


async def settle(session: AsyncSession, records: Sequence[CallRecord]) -> None:
    """Write how calls ended, and move their money from reserved to spent. Settling again changes nothing."""
    ended = [
        {
            "tenant_id": str(record.intent.tenant_id),
            "id": str(record.intent.id),
            "outcome": record.outcome,
            "error_code": record.error_code,
            "error_detail": record.error_detail,
            "input_tokens": record.input_tokens,
            "cached_input_tokens": record.cached_input_tokens,
            "output_tokens": record.output_tokens,
            "reasoning_tokens": record.reasoning_tokens,
            "cost_micros": record.cost_micros,
            "reserved_micros": record.reserved_micros,
        }
        for record in records
        if record.outcome is not CallOutcome.PENDING
    ]
    if ended:
        await session.execute(_SETTLE, {"ended": ended})


async def settle_orphans(session: AsyncSession, older_than_seconds: float) -> int:
    """Settle calls nobody came back from, at the reserved amount. System role. Gives how many."""
    settled, _ = (await session.execute(_SETTLE_ORPHANS, {"seconds": older_than_seconds})).one()
    return int(settled)


async def usage_of(session: AsyncSession, tenant_id: UUID, job_ids: Select[UUID]) -> JobUsage:
    """Sum of the calls of all jobs that a query finds."""
    row = (
        await session.execute(
            select(*_sums()).where(
                ModelCall.tenant_id == tenant_id,
                ModelCall.job_id.in_(job_ids),
                ModelCall.outcome != CallOutcome.UNSENT,
            )
        )
    ).one()
    return JobUsage(int(row[0] or 0), int(row[1] or 0), int(row[2]), row[3] or _NO_CURRENCY, row[4])


def _sums() -> tuple[ColumnElement[Any], ...]:
    """The columns of a `JobUsage`."""
    spent = func.sum(ModelCall.cost_micros).filter(ModelCall.outcome != CallOutcome.PENDING)
    reserved = func.sum(ModelCall.reserved_micros).filter(ModelCall.outcome == CallOutcome.PENDING)
    return (
        func.sum(ModelCall.input_tokens),
        func.sum(ModelCall.output_tokens),
        func.coalesce(spent, 0) + func.coalesce(reserved, 0),
        func.max(ModelCall.currency),
        func.count(),
    )


async def job_usages(session: AsyncSession, tenant_id: UUID, job_ids: Sequence[UUID]) -> dict[UUID, JobUsage]:
    """Sums of the calls of each of these jobs."""
    rows = await session.execute(
        select(ModelCall.job_id, *_sums())
        .where(
            ModelCall.tenant_id == tenant_id,
            ModelCall.job_id.in_(job_ids),
            ModelCall.outcome != CallOutcome.UNSENT,
        )
        .group_by(ModelCall.job_id)
    )
    found = {row[0]: JobUsage(int(row[1]), int(row[2]), int(row[3]), row[4], row[5]) for row in rows}
    return {job_id: found.get(job_id, JobUsage(0, 0, 0, _NO_CURRENCY, 0)) for job_id in job_ids}


async def job_usage(session: AsyncSession, tenant_id: UUID, job_id: UUID) -> JobUsage:
    """Sum of a job's calls."""
    return (await job_usages(session, tenant_id, [job_id]))[job_id]


async def job_calls(session: AsyncSession, tenant_id: UUID, job_id: UUID) -> list[CallView]:
    """A job's calls in the order they were made; not those that never left."""
    rows = await session.scalars(
        select(ModelCall)
        .where(
            ModelCall.tenant_id == tenant_id,
            ModelCall.job_id == job_id,
            ModelCall.outcome != CallOutcome.UNSENT,
        )
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
            error_detail=call.error_detail,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cost_micros=call.cost_micros,
            currency=call.currency,
            started_at=call.started_at,
            settled_at=call.settled_at,
        )
        for call in rows
    ]


async def deployments_of(session: AsyncSession, tenant_id: UUID, call_ids: Sequence[UUID]) -> Sequence[UUID]:
    """The deployment of each of these calls that is kept, of whatever jobs."""
    if not call_ids:
        return []
    found = await session.scalars(
        select(ModelCall.deployment_id).where(ModelCall.tenant_id == tenant_id, ModelCall.id.in_(call_ids))
    )
    return found.all()
