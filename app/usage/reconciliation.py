"""Proving that the ledger adds up, from its calls alone; in the system role, while the system runs.

Each check is one statement, so it sees one moment: reserving and settling move a call and its budgets in one
transaction. What differs is named with its ids; `repair` sets a period's sums to those of its calls.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record

MOST_DIFFERENCES = 1000
"""Of one kind in one run; mend these, then look again."""


class Flaw(StrEnum):
    """What can be wrong."""

    PERIOD = "period_differs"
    COST = "cost_differs"
    PRICE = "price_unknown"
    CURRENCY = "currency_differs"
    UNSETTLED = "unsettled"


@dataclass(frozen=True)
class Difference:
    """Something that does not add up: what it is about (a period's budget, or a call), and how."""

    flaw: Flaw
    tenant_id: UUID
    id: UUID
    message: str
    starts_at: datetime | None = None
    """Of a budget's period."""


# A call counts in each period it is charged to: what is reserved while it is under way, then what it cost.
_CHARGED = """
    SELECT c.tenant_id, (charge->>'budget_id')::uuid AS budget_id, (charge->>'starts_at')::timestamptz AS starts_at,
           sum(CASE WHEN c.outcome = 'pending' THEN c.reserved_micros ELSE 0 END)::bigint AS reserved,
           sum(CASE WHEN c.outcome = 'pending' THEN 0 ELSE c.cost_micros END)::bigint AS spent
    FROM model_calls c CROSS JOIN LATERAL jsonb_array_elements(c.charges) charge
    WHERE jsonb_typeof(c.charges) = 'array' AND (:everybody OR c.tenant_id = ANY(:tenants))
    GROUP BY 1, 2, 3
"""
# Of older periods retention may have deleted calls.
_PERIODS = f"""
    SELECT p.tenant_id, p.budget_id AS id, p.starts_at, p.reserved_micros, p.spent_micros,
           coalesce(c.reserved, 0) AS reserved, coalesce(c.spent, 0) AS spent
    FROM budget_periods p
    LEFT JOIN ({_CHARGED}) c
      ON c.tenant_id = p.tenant_id AND c.budget_id = p.budget_id AND c.starts_at = p.starts_at
    WHERE (:everybody OR p.tenant_id = ANY(:tenants))
      AND p.starts_at > clock_timestamp() - make_interval(days => :kept_days)
      AND (p.reserved_micros, p.spent_micros) IS DISTINCT FROM (coalesce(c.reserved, 0), coalesce(c.spent, 0))
    ORDER BY p.tenant_id, p.budget_id, p.starts_at LIMIT :most
"""  # noqa: S608 - constants only
# What nobody counted costs nothing, or what was reserved where the vendor may have worked.
_COSTS = """
    SELECT c.tenant_id, c.id, c.cost_micros, priced.micros, c.outcome
    FROM model_calls c
    LEFT JOIN price_revisions p ON p.id = c.price_revision_id
    CROSS JOIN LATERAL (
        SELECT least(c.cached_input_tokens, c.input_tokens)::numeric AS cached,
               least(c.reasoning_tokens, c.output_tokens)::numeric AS reasoning
    ) counted
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.price_revision_id IS NULL THEN 0 ELSE ceil((
            (c.input_tokens - counted.cached) * p.input_micros + counted.cached * p.cached_input_micros
            + (c.output_tokens - counted.reasoning) * p.output_micros + counted.reasoning * p.reasoning_micros
        ) / 1000000) END AS micros
    ) priced
    WHERE (:everybody OR c.tenant_id = ANY(:tenants)) AND c.outcome <> 'pending'
      AND c.cost_micros <> priced.micros
      AND NOT (c.outcome IN ('cancelled', 'failed', 'unknown') AND c.input_tokens + c.output_tokens = 0
               AND c.cost_micros = c.reserved_micros)
    ORDER BY c.tenant_id, c.id LIMIT :most
"""
_PRICES = """
    SELECT c.tenant_id, c.id, c.price_revision_id AS price
    FROM model_calls c
    WHERE (:everybody OR c.tenant_id = ANY(:tenants)) AND c.price_revision_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM price_revisions p WHERE p.id = c.price_revision_id)
    ORDER BY c.tenant_id, c.id LIMIT :most
"""
_CURRENCIES = """
    SELECT DISTINCT c.tenant_id, c.id, c.currency, coalesce(b.currency, p.currency) AS other
    FROM model_calls c
    LEFT JOIN price_revisions p ON p.id = c.price_revision_id AND p.currency <> c.currency
    LEFT JOIN LATERAL jsonb_array_elements(
        CASE WHEN jsonb_typeof(c.charges) = 'array' THEN c.charges END) charge ON true
    LEFT JOIN budgets b ON b.tenant_id = c.tenant_id AND b.id = (charge->>'budget_id')::uuid
      AND b.currency <> c.currency
    WHERE (:everybody OR c.tenant_id = ANY(:tenants)) AND (p.id IS NOT NULL OR b.id IS NOT NULL)
    ORDER BY c.tenant_id, c.id LIMIT :most
"""
_UNSETTLED = """
    SELECT c.tenant_id, c.id, c.started_at, c.reserved_micros
    FROM model_calls c
    WHERE (:everybody OR c.tenant_id = ANY(:tenants)) AND c.outcome = 'pending'
      AND c.started_at < clock_timestamp() - make_interval(secs => :deadline)
    ORDER BY c.tenant_id, c.id LIMIT :most
"""


async def differences(
    session: AsyncSession, *, tenants: Sequence[UUID], kept_days: int, deadline_seconds: float
) -> AsyncIterator[Difference]:
    """What does not add up at these tenants (none: all of them).

    Calls older than `kept_days` may be gone; one under way longer than `deadline_seconds` should have been settled.
    """
    given = {"kept_days": kept_days, "deadline": deadline_seconds}
    for row in await _rows(session, _PERIODS, tenants, **given):
        told = (
            f"the period from {row.starts_at:%Y-%m-%d} says {row.reserved_micros} reserved and {row.spent_micros}"
            f" spent, its calls {row.reserved} and {row.spent}"
        )
        yield Difference(Flaw.PERIOD, row.tenant_id, row.id, told, row.starts_at)
    for row in await _rows(session, _COSTS, tenants):
        told = f"the {row.outcome} call cost {row.cost_micros}, its tokens at its price {row.micros}"
        yield Difference(Flaw.COST, row.tenant_id, row.id, told)
    for row in await _rows(session, _PRICES, tenants):
        yield Difference(Flaw.PRICE, row.tenant_id, row.id, f"there is no price revision {row.price}")
    for row in await _rows(session, _CURRENCIES, tenants):
        told = f"the call is in {row.currency}, its price or a budget it is charged to in {row.other}"
        yield Difference(Flaw.CURRENCY, row.tenant_id, row.id, told)
    for row in await _rows(session, _UNSETTLED, tenants, **given):
        told = f"under way since {row.started_at:%Y-%m-%d %H:%M} UTC with {row.reserved_micros} reserved; the reaper settles it"
        yield Difference(Flaw.UNSETTLED, row.tenant_id, row.id, told)


async def repair(session: AsyncSession, period: Difference) -> bool:
    """Set a period's sums to those of its calls and record it; False if they agree by now.

    Nothing is reserved or settled in it meanwhile: its row is locked before its calls are read.
    """
    key = {"tenant": period.tenant_id, "budget": period.id, "starts_at": period.starts_at}
    found = (await session.execute(_LOCK, key)).one_or_none()
    if found is None:
        return False
    row = (await session.execute(_SUMS, key)).one()
    if tuple(found) == tuple(row):
        return False
    await session.execute(_SET, {**key, "reserved": row.reserved, "spent": row.spent})
    await record(
        session,
        tenant_id=period.tenant_id,
        actor=Actor(ActorKind.OPERATOR),
        action=AuditAction.LEDGER_REPAIR,
        target_type="budget",
        target_id=str(period.id),
        detail={
            "period": f"{period.starts_at:%Y-%m-%d}",
            "reserved_micros": row.reserved,
            "spent_micros": row.spent,
            "reserved_micros_before": found.reserved_micros,
            "spent_micros_before": found.spent_micros,
        },
    )
    return True


_THIS = "tenant_id = :tenant AND budget_id = :budget AND starts_at = :starts_at"
_LOCK = text(f"SELECT reserved_micros, spent_micros FROM budget_periods WHERE {_THIS} FOR UPDATE")  # noqa: S608 - constants only
_SUMS = text(
    """
    SELECT coalesce(sum(CASE WHEN outcome = 'pending' THEN reserved_micros ELSE 0 END), 0)::bigint AS reserved,
           coalesce(sum(CASE WHEN outcome = 'pending' THEN 0 ELSE cost_micros END), 0)::bigint AS spent
    FROM model_calls c CROSS JOIN LATERAL jsonb_array_elements(c.charges) charge
    WHERE c.tenant_id = :tenant AND jsonb_typeof(c.charges) = 'array'
      AND (charge->>'budget_id')::uuid = :budget AND (charge->>'starts_at')::timestamptz = :starts_at
    """
)
_SET = text(
    f"UPDATE budget_periods SET reserved_micros = :reserved, spent_micros = :spent WHERE {_THIS}"  # noqa: S608 - constants only
)


async def _rows(session: AsyncSession, query: str, tenants: Sequence[UUID], **given: Any) -> Sequence[Any]:
    asked = text(query).bindparams(bindparam("tenants", type_=ARRAY(Uuid())))
    known = {name: value for name, value in given.items() if f":{name}" in query}
    values = {"everybody": not tenants, "tenants": list(tenants), "most": MOST_DIFFERENCES, **known}
    return (await session.execute(asked, values)).all()
