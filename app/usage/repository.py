"""Queries over a tenant's budgets as its administrators see and change them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.usage.budgets import BudgetFacts
from app.usage.tables import Budget
from app.vocabulary import BudgetScope, Period


@dataclass(frozen=True)
class BudgetRow:
    """A budget with what only its administration needs."""

    facts: BudgetFacts
    version: int
    created_at: datetime


class BudgetRepository:
    """The budgets of one tenant."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def lock(self) -> None:
        """Let nobody else add or remove a budget of the tenant until this transaction ends."""
        key = f"budgets:{self._tenant_id}"
        await self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))

    async def currency(self) -> str | None:
        """That of the tenant's budgets; None where there are none."""
        return await self._session.scalar(
            select(Budget.currency).where(Budget.tenant_id == self._tenant_id).limit(1)
        )

    async def page(self, *, after: UUID | None, limit: int) -> list[BudgetRow]:
        """Budgets in the order in which they were made, after the one with that id."""
        query = select(Budget).where(Budget.tenant_id == self._tenant_id).order_by(Budget.id).limit(limit)
        if after is not None:
            query = query.where(Budget.id > after)
        return _rows(list(await self._session.scalars(query)))

    async def find(self, budget_id: UUID, *, lock: bool = False) -> BudgetRow | None:
        """One of them, whose row nobody else changes until this transaction ends if it is to be locked."""
        query = (
            select(Budget)
            .where(Budget.tenant_id == self._tenant_id, Budget.id == budget_id)
            .execution_options(populate_existing=True)
        )
        found = await self._session.scalars(query.with_for_update() if lock else query)
        return next(iter(_rows(list(found))), None)

    async def add(self, facts: BudgetFacts) -> None:
        """Insert it; `known` says whether there is room, under `lock`."""
        await self._session.execute(
            insert(Budget).values(
                tenant_id=self._tenant_id,
                id=facts.id,
                scope=facts.scope,
                subject=facts.subject,
                period=facts.period,
                currency=facts.currency,
                soft_micros=facts.soft_micros,
                hard_micros=facts.hard_micros,
            )
        )

    async def known(self, scope: BudgetScope, subject: str, period: Period) -> bool:
        """Whether there is one of that scope, subject and period."""
        found = await self._session.scalar(
            select(Budget.id).where(
                Budget.tenant_id == self._tenant_id,
                Budget.scope == scope,
                Budget.subject == subject,
                Budget.period == period,
            )
        )
        return found is not None

    async def change(self, budget_id: UUID, *, soft_micros: int | None, hard_micros: int | None) -> None:
        """Give it these limits, and its next version."""
        await self._session.execute(
            update(Budget)
            .where(Budget.tenant_id == self._tenant_id, Budget.id == budget_id)
            .values(soft_micros=soft_micros, hard_micros=hard_micros, version=Budget.version + 1)
            .execution_options(synchronize_session=False)
        )

    async def delete(self, budget_id: UUID) -> None:
        """Delete it, and its periods with it."""
        await self._session.execute(
            delete(Budget)
            .where(Budget.tenant_id == self._tenant_id, Budget.id == budget_id)
            .execution_options(synchronize_session=False)
        )


def _rows(found: Sequence[Budget]) -> list[BudgetRow]:
    return [
        BudgetRow(
            BudgetFacts(
                id=row.id,
                scope=BudgetScope(row.scope),
                subject=row.subject,
                period=Period(row.period),
                currency=row.currency,
                soft_micros=row.soft_micros,
                hard_micros=row.hard_micros,
            ),
            row.version,
            row.created_at,
        )
        for row in found
    ]
