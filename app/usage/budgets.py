"""Budgets: how much a tenant, a group, a member or a task type may spend in a day or a month.

    reserve (before a request leaves) ──► settle (with what it really cost; `ledger.settle`)

`spent + reserved` of a period never passes the hard limit, whatever number of processes reserve at once:
the period's row is locked, compared and raised in one transaction. A call's reservation is the most it can
cost, so settling only lowers the sum. Periods are days and months in UTC. Which budgets bind a payer is remembered
until the configuration changes; their limits are read together with the sums, so that a raised one counts at once.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ErrorDetail
from app.pools.configuration import Configuration
from app.pools.errors import NoEligibleMember
from app.pools.selection import Allowance, Exclusion
from app.tenants.members import groups_of
from app.usage.errors import BudgetExhausted, BudgetInAnotherCurrency, MoneyRefused, in_words
from app.usage.tables import Budget, BudgetPeriod
from app.vocabulary import BudgetScope, Period


@dataclass(frozen=True)
class Payer:
    """Whose money a call costs."""

    tenant_id: UUID
    member_id: UUID
    task_type: str | None
    """None: whatever they have done."""
    groups: frozenset[str] | None = None
    """Those of somebody whom nobody looks up; None to look."""


@dataclass(frozen=True)
class BudgetFacts:
    """One budget; limits in micros of its currency, None for none."""

    id: UUID
    scope: BudgetScope
    subject: str
    period: Period
    currency: str
    soft_micros: int | None
    hard_micros: int | None

    @property
    def whose(self) -> str:
        """For people."""
        return {
            BudgetScope.TENANT: "your organisation",
            BudgetScope.GROUP: f"your group {self.subject}",
            BudgetScope.MEMBER: "your account",
            BudgetScope.TASK_TYPE: f"the task type {self.subject}",
        }[self.scope]

    def bounds(self, at: datetime) -> tuple[datetime, datetime]:
        """Begin and end of the period that holds `at`."""
        start = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.period is Period.DAY:
            return start, start + timedelta(days=1)
        start = start.replace(day=1)
        return start, (start + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True)
class Standing:
    """Where a budget stands in the period that began at `starts_at`."""

    budget: BudgetFacts
    starts_at: datetime
    ends_at: datetime
    spent_micros: int
    reserved_micros: int

    @property
    def left_micros(self) -> int | None:
        """What may still be reserved; None where there is no hard limit."""
        if self.budget.hard_micros is None:
            return None
        return self.budget.hard_micros - self.spent_micros - self.reserved_micros

    @property
    def past_soft(self) -> bool:
        """Whether people are warned."""
        soft = self.budget.soft_micros
        return soft is not None and self.spent_micros + self.reserved_micros >= soft


def soft_warnings(standings: Iterable[Standing]) -> list[dict[str, str]]:
    """What people are told of budgets past their soft limit, for programs and in words."""
    return [
        {
            "code": "budget_soft_limit",
            "message": f"The {in_words(one.budget.period)} budget of {one.budget.whose} runs low: until {one.ends_at:%Y-%m-%d %H:%M} UTC a"
            " cheaper model is asked first where there is one.",
            "resets_at": one.ends_at.isoformat(),
        }
        for one in standings
        if one.past_soft
    ]


def allowance(standings: Iterable[Standing]) -> Allowance:
    """What selection needs to know: the least that is left, and whether to be frugal."""
    stand = list(standings)
    left = [one.left_micros for one in stand if one.left_micros is not None]
    return Allowance(
        currency=stand[0].budget.currency if stand else None,
        left_micros=min(left, default=None),
        frugal=any(one.past_soft for one in stand),
    )


def exhausted(standings: Iterable[Standing]) -> BudgetExhausted:
    """The refusal of the budget that leaves least; of several that leave nothing, of that which does so longest."""
    limited = _limited(standings)
    told = min(limited, key=lambda one: (max(one.left_micros or 0, 0), -one.ends_at.timestamp()))
    budget = told.budget
    return BudgetExhausted(
        budget.whose, told.ends_at, _limits(limited), scope=budget.scope, period=budget.period
    )


def money_refusal(nobody: NoEligibleMember, standings: Iterable[Standing]) -> MoneyRefused | None:
    """What to say where nobody may serve because of money; None where it is not that.

    A budget that begins anew counts before a currency that stays as it is.
    """
    reasons = {detail.code for detail in nobody.details}
    if Exclusion.BUDGET in reasons:
        return exhausted(standings)
    if Exclusion.CURRENCY in reasons:
        return _in_another_currency(_limited(standings), "another currency", nobody.details)
    return None


def _in_another_currency(
    limited: Sequence[Standing], priced_in: str, details: Sequence[ErrorDetail] = ()
) -> BudgetInAnotherCurrency:
    budget = limited[0].budget
    return BudgetInAnotherCurrency(
        budget.whose,
        budget.currency,
        priced_in,
        _limits(limited),
        scope=budget.scope,
        period=budget.period,
        details=details,
    )


def _limited(standings: Iterable[Standing]) -> list[Standing]:
    return [one for one in standings if one.left_micros is not None]


def _limits(limited: Iterable[Standing]) -> dict[UUID, int]:
    return {one.budget.id: one.budget.hard_micros or 0 for one in limited}


async def loosened_since(session: AsyncSession, tenant_id: UUID, limits: Mapping[UUID, int]) -> bool:
    """Whether one of these budgets was raised or deleted since it had that hard limit, in micros.

    None of them changes any more before this transaction ends: whoever raises one sees what is written here.
    Take it before the locks of periods, for a budget is deleted before its periods are.
    """
    found = await session.execute(
        select(Budget.id, Budget.hard_micros)
        .where(Budget.tenant_id == tenant_id, Budget.id.in_(limits))
        .order_by(Budget.id)
        .with_for_update(read=True)
    )
    now_limited = {id_: hard for id_, hard in found if hard is not None}
    return any(now_limited.get(id_, math.inf) > limit for id_, limit in limits.items())


async def budgets_of(
    session: AsyncSession, configuration: Configuration, payer: Payer
) -> tuple[BudgetFacts, ...]:
    """The budgets that bound this payer; no SQL for a tenant without budgets."""
    budgets = await configuration.remembered("budgets", payer.tenant_id, load_budgets)
    groups = payer.groups or frozenset()
    if payer.groups is None and any(budget.scope is BudgetScope.GROUP for budget in budgets):
        groups = await groups_of(session, tenant_id=payer.tenant_id, member_id=payer.member_id)
    own = {
        (BudgetScope.TENANT, ""),
        (BudgetScope.MEMBER, str(payer.member_id)),
        *((BudgetScope.GROUP, group) for group in groups),
    }
    return tuple(
        budget
        for budget in budgets
        if (budget.scope, budget.subject) in own
        or (budget.scope is BudgetScope.TASK_TYPE and payer.task_type in {None, budget.subject})
    )


async def load_budgets(session: AsyncSession, tenant_id: UUID) -> tuple[BudgetFacts, ...]:
    """All budgets of a tenant, in the order in which their periods are locked."""
    rows = await session.scalars(select(Budget).where(Budget.tenant_id == tenant_id).order_by(Budget.id))
    return tuple(
        BudgetFacts(
            id=row.id,
            scope=BudgetScope(row.scope),
            subject=row.subject,
            period=Period(row.period),
            currency=row.currency,
            soft_micros=row.soft_micros,
            hard_micros=row.hard_micros,
        )
        for row in rows
    )


async def standings(
    session: AsyncSession, tenant_id: UUID, budgets: Sequence[BudgetFacts], at: datetime
) -> tuple[Standing, ...]:
    """Where these budgets stand now; nothing is written or locked."""
    return await _standings(session, tenant_id, budgets, at, lock=False)


async def stand_of(
    session: AsyncSession, configuration: Configuration, payer: Payer, at: datetime
) -> tuple[Standing, ...]:
    """Where the budgets of a payer stand now; no SQL for a tenant without budgets."""
    return await standings(session, payer.tenant_id, await budgets_of(session, configuration, payer), at)


async def reserve(
    session: AsyncSession,
    tenant_id: UUID,
    budgets: Sequence[BudgetFacts],
    *,
    micros: int,
    currency: str,
    at: datetime,
) -> list[dict[str, Any]]:
    """Reserve money in the current period of each of these budgets, in all or in none.

    Gives what the ledger keeps as `charges`. Raises: `BudgetExhausted`, `BudgetInAnotherCurrency`; then nothing is
    reserved, and the transaction may go on.
    """
    if not budgets:
        return []
    await _begin_periods(session, tenant_id, budgets, at)
    stand = await _standings(session, tenant_id, budgets, at, lock=True)
    limited = _limited(stand) if micros else []
    foreign = [one for one in limited if one.budget.currency != currency]
    if foreign:
        raise _in_another_currency(foreign, currency)
    if any(micros > (one.left_micros or 0) for one in limited):
        raise exhausted(stand)
    keys = [(one.budget.id, one.starts_at) for one in stand if one.budget.currency == currency]
    await session.execute(
        update(BudgetPeriod)
        .where(
            BudgetPeriod.tenant_id == tenant_id,
            tuple_(BudgetPeriod.budget_id, BudgetPeriod.starts_at).in_(keys),
        )
        .values(reserved_micros=BudgetPeriod.reserved_micros + micros)
        .execution_options(synchronize_session=False)
    )
    return [
        {"budget_id": str(budget_id), "starts_at": starts_at.isoformat()} for budget_id, starts_at in keys
    ]


# A budget may have been deleted since it was remembered.
_BEGIN_PERIODS = text(
    """
    INSERT INTO budget_periods (tenant_id, budget_id, starts_at, ends_at)
    SELECT b.tenant_id, b.id, p.starts_at, p.ends_at
    FROM jsonb_to_recordset(:periods) AS p(budget uuid, starts_at timestamptz, ends_at timestamptz)
    JOIN budgets b ON b.tenant_id = :tenant AND b.id = p.budget
    ORDER BY b.id
    ON CONFLICT DO NOTHING
    """
).bindparams(bindparam("periods", type_=JSONB))


async def _begin_periods(
    session: AsyncSession, tenant_id: UUID, budgets: Sequence[BudgetFacts], at: datetime
) -> None:
    periods = []
    for budget in budgets:
        starts_at, ends_at = budget.bounds(at)
        periods.append(
            {"budget": str(budget.id), "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
        )
    await session.execute(_BEGIN_PERIODS, {"tenant": tenant_id, "periods": periods})


async def _standings(
    session: AsyncSession, tenant_id: UUID, budgets: Sequence[BudgetFacts], at: datetime, *, lock: bool
) -> tuple[Standing, ...]:
    if not budgets:
        return ()
    known = {budget.id: budget for budget in budgets}
    current = [(budget.id, budget.bounds(at)[0]) for budget in budgets]
    # The limits as they stand now: those that were remembered may be a moment old.
    found = (
        select(
            Budget.id,
            Budget.soft_micros,
            Budget.hard_micros,
            func.coalesce(BudgetPeriod.spent_micros, 0),
            func.coalesce(BudgetPeriod.reserved_micros, 0),
        )
        .join(
            BudgetPeriod,
            and_(
                BudgetPeriod.tenant_id == Budget.tenant_id,
                BudgetPeriod.budget_id == Budget.id,
                tuple_(BudgetPeriod.budget_id, BudgetPeriod.starts_at).in_(current),
            ),
            isouter=not lock,
        )
        .where(Budget.tenant_id == tenant_id, Budget.id.in_(known))
        # The one order in which periods are locked (also in the ledger), so that none waits in a circle.
        .order_by(Budget.id, BudgetPeriod.starts_at)
    )
    stand = []
    for id_, soft, hard, spent, reserved in await session.execute(
        found.with_for_update(of=BudgetPeriod) if lock else found
    ):
        budget = replace(known[id_], soft_micros=soft, hard_micros=hard)
        stand.append(Standing(budget, *budget.bounds(at), spent, reserved))
    # One that was deleted since it was remembered bounds nobody any more.
    return tuple(stand)
