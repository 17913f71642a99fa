"""Budgets as a tenant's administrators set them: list, create, change, delete.

A change is effective in every process within a second (the configuration's counter), a limit of a budget that was
there before at the next reservation. Jobs that wait for money are the door's to resume: see `loosened`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import now
from app.core.errors import ChangedMeanwhile
from app.usage.budgets import BudgetFacts, Standing, standings
from app.usage.errors import BudgetExists, BudgetNotFound, CurrencyDiffers, LimitsCross
from app.usage.repository import BudgetRepository, BudgetRow


@dataclass(frozen=True)
class BudgetView:
    """A budget, its version, and where it stands in its current period."""

    standing: Standing
    version: int
    created_at: datetime


async def page(
    session: AsyncSession, *, tenant_id: UUID, after: UUID | None = None, limit: int = 50
) -> list[BudgetView]:
    """The tenant's budgets in the order in which they were made, after the one with that id."""
    rows = await BudgetRepository(session, tenant_id).page(after=after, limit=limit)
    return await _views(session, tenant_id, rows)


async def find(session: AsyncSession, *, tenant_id: UUID, budget_id: UUID) -> BudgetView:
    """One of the tenant's budgets. Raises: `BudgetNotFound`."""
    found = await BudgetRepository(session, tenant_id).find(budget_id)
    if found is None:
        raise BudgetNotFound(budget_id)
    return (await _views(session, tenant_id, [found]))[0]


async def create(session: AsyncSession, *, tenant_id: UUID, wanted: BudgetFacts, actor: Actor) -> BudgetView:
    """Set a budget; what its payers have spent before counts for nothing in it.

    Raises: `BudgetExists`, `CurrencyDiffers`, `LimitsCross`.
    """
    _check_limits(wanted)
    budgets = BudgetRepository(session, tenant_id)
    await budgets.lock()
    currency = await budgets.currency()
    if currency is not None and currency != wanted.currency:
        raise CurrencyDiffers(currency)
    if await budgets.known(wanted.scope, wanted.subject, wanted.period):
        raise BudgetExists
    await budgets.add(wanted)
    await _record(session, tenant_id, actor, AuditAction.BUDGET_CREATE, wanted)
    return await find(session, tenant_id=tenant_id, budget_id=wanted.id)


async def change(
    session: AsyncSession, *, tenant_id: UUID, wanted: BudgetFacts, version: int, actor: Actor
) -> BudgetView:
    """Give a budget other limits over those of `version`; the same again changes and records nothing.

    A limit below what is spent refuses what comes next. Raises: `BudgetNotFound`, `ChangedMeanwhile`, `LimitsCross`.
    """
    _check_limits(wanted)
    budgets = BudgetRepository(session, tenant_id)
    before = await budgets.find(wanted.id, lock=True)
    if before is None:
        raise BudgetNotFound(wanted.id)
    if before.version != version:
        raise ChangedMeanwhile("budget")
    if before.facts != wanted:
        await budgets.change(wanted.id, soft_micros=wanted.soft_micros, hard_micros=wanted.hard_micros)
        await _record(session, tenant_id, actor, AuditAction.BUDGET_CHANGE, wanted, before.facts)
    return await find(session, tenant_id=tenant_id, budget_id=wanted.id)


async def delete(
    session: AsyncSession, *, tenant_id: UUID, budget_id: UUID, version: int, actor: Actor
) -> BudgetFacts:
    """Delete a budget with its sums; the ledger keeps the calls. Raises: `BudgetNotFound`, `ChangedMeanwhile`."""
    budgets = BudgetRepository(session, tenant_id)
    before = await budgets.find(budget_id, lock=True)
    if before is None:
        raise BudgetNotFound(budget_id)
    if before.version != version:
        raise ChangedMeanwhile("budget")
    await budgets.delete(budget_id)
    await _record(session, tenant_id, actor, AuditAction.BUDGET_DELETE, before.facts)
    return before.facts


def loosened(before: BudgetFacts, after: BudgetFacts | None) -> bool:
    """Whether a change leaves more to spend, so that jobs which wait for money should look again."""
    if before.hard_micros is None:
        return False
    return after is None or after.hard_micros is None or after.hard_micros > before.hard_micros


def with_limits(budget: BudgetFacts, limits: Mapping[str, int | None]) -> BudgetFacts:
    """The budget with those of `soft_micros` and `hard_micros` that are named; None takes one away."""
    return replace(
        budget,
        soft_micros=limits.get("soft_micros", budget.soft_micros),
        hard_micros=limits.get("hard_micros", budget.hard_micros),
    )


def _check_limits(wanted: BudgetFacts) -> None:
    soft, hard = wanted.soft_micros, wanted.hard_micros
    if (soft is None and hard is None) or (soft is not None and hard is not None and soft > hard):
        raise LimitsCross


async def _views(session: AsyncSession, tenant_id: UUID, rows: Sequence[BudgetRow]) -> list[BudgetView]:
    stand = await standings(session, tenant_id, [row.facts for row in rows], now())
    by_id = {one.budget.id: one for one in stand}
    return [
        BudgetView(by_id[row.facts.id], row.version, row.created_at) for row in rows if row.facts.id in by_id
    ]


async def _record(
    session: AsyncSession,
    tenant_id: UUID,
    actor: Actor,
    action: AuditAction,
    budget: BudgetFacts,
    before: BudgetFacts | None = None,
) -> None:
    """Whose budget it is stands in the record by scope only: a member is named by a pseudonym there."""
    detail: dict[str, str | int | None] = {
        "scope": budget.scope.value,
        "period": budget.period.value,
        "currency": budget.currency,
        "soft_micros": budget.soft_micros,
        "hard_micros": budget.hard_micros,
    }
    if before is not None:
        detail |= {"soft_micros_before": before.soft_micros, "hard_micros_before": before.hard_micros}
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=action,
        target_type="budget",
        target_id=str(budget.id),
        detail=detail,
    )
