"""Where vendors counted more than was reserved: the one way past a budget's hard limit.

A reservation is the most that a request can cost by its deployment's facts and price, so an overrun says that these
are wrong, or that the vendor is. The ledger holds both sums of each call; here they are looked for afterwards, by
whoever tells administrators, and cost no call anything.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.usage.errors import in_words
from app.vocabulary import BudgetScope, Period


@dataclass(frozen=True)
class Overrun:
    """Of so many calls each cost more than was reserved: together `cost_micros` where `limit_micros` were reserved.

    Of a budget, `cost_micros` is what it has spent in the period, and `limit_micros` its hard limit, which is less.
    """

    subject_id: UUID
    """The deployment, or the budget."""
    subject_name: str
    """The model as the vendor calls it; of a budget its period and whose kind it is."""
    until: datetime
    """The end of the day in UTC, or of the budget's period."""
    calls: int
    limit_micros: int
    cost_micros: int
    currency: str


_OVER = """
    SELECT c.deployment_id, c.request_model, c.currency, c.reserved_micros, c.cost_micros, c.charges,
           date_trunc('day', c.settled_at, 'UTC') AS day
    FROM model_calls c
    WHERE c.tenant_id = :tenant AND c.cost_micros > c.reserved_micros AND c.settled_at >= :since
"""
_OF_DEPLOYMENTS = text(
    f"""
    SELECT deployment_id, max(request_model), day, count(*), sum(reserved_micros)::bigint,
           sum(cost_micros)::bigint, currency
    FROM ({_OVER}) o
    GROUP BY deployment_id, day, currency ORDER BY day, deployment_id, currency
    """  # noqa: S608 - constants only
)
_OF_BUDGETS = text(
    f"""
    SELECT b.id, b.scope, b.period, p.ends_at, count(*), b.hard_micros, p.spent_micros, b.currency
    FROM ({_OVER}) o CROSS JOIN LATERAL jsonb_array_elements(o.charges) charge
    JOIN budget_periods p ON p.tenant_id = :tenant AND p.budget_id = (charge->>'budget_id')::uuid
         AND p.starts_at = (charge->>'starts_at')::timestamptz
    JOIN budgets b ON b.tenant_id = p.tenant_id AND b.id = p.budget_id
    WHERE jsonb_typeof(o.charges) = 'array' AND p.spent_micros > b.hard_micros
    GROUP BY b.tenant_id, b.id, p.tenant_id, p.budget_id, p.starts_at ORDER BY p.starts_at, b.id
    """  # noqa: S608 - constants only
)


async def of_deployments(session: AsyncSession, *, tenant_id: UUID, since: datetime) -> list[Overrun]:
    """The tenant's overruns since then, summed up for each deployment and day in UTC."""
    found = await session.execute(_OF_DEPLOYMENTS, {"tenant": tenant_id, "since": since})
    return [
        Overrun(id_, model, day.astimezone(UTC) + timedelta(days=1), calls, reserved, cost, currency)
        for id_, model, day, calls, reserved, cost, currency in found
    ]


async def of_budgets(session: AsyncSession, *, tenant_id: UUID, since: datetime) -> list[Overrun]:
    """Periods of the tenant's budgets that stand above their hard limit and were charged with overruns since then."""
    found = await session.execute(_OF_BUDGETS, {"tenant": tenant_id, "since": since})
    return [
        Overrun(id_, _name(scope, period), ends_at, calls, hard, spent, currency)
        for id_, scope, period, ends_at, calls, hard, spent, currency in found
    ]


def _name(scope: str, period: str) -> str:
    """Without its subject: that may be a person."""
    return f"{in_words(Period(period))} budget ({BudgetScope(scope)})"
