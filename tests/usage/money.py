"""A desk for tests of money: budgets, calls that reserve and settle, and what the periods say."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from app.core.clock import new_id, now
from app.usage.budgets import BudgetFacts, Standing, load_budgets, standings
from app.usage.errors import MoneyRefused
from app.usage.ledger import CallIntent, CallRecord, open_call, settle
from app.usage.tables import Budget
from app.vocabulary import BudgetScope, CallOutcome, Period
from tests.conftest import TestDatabase

AT = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


def intent(database: TestDatabase, **changes: Any) -> CallIntent:
    """A call of the first tenant's first member that costs at most 900 micros."""
    values: dict[str, Any] = {
        "tenant_id": database.tenant_id,
        "member_id": database.member_id,
        "job_id": new_id(),
        "step_id": new_id(),
        "fencing": 1,
        "hop": 0,
        "pool_revision_id": new_id(),
        "pool_member_id": new_id(),
        "deployment_id": new_id(),
        "price_revision_id": new_id(),
        "provider_name": "acme",
        "request_model": "alpha",
        "reserved_micros": 900,
        "currency": "EUR",
    }
    return CallIntent(**{**values, **changes})


def ended(one: CallIntent, outcome: CallOutcome = CallOutcome.SUCCEEDED, **changes: Any) -> CallRecord:
    """How it ended: 100 tokens in, 20 out, 180 micros."""
    counted = {"input_tokens": 100, "output_tokens": 20, "cost_micros": 180}
    return CallRecord(one, outcome, **{**counted, **changes})


@dataclass
class Purse:
    """The first tenant's money."""

    database: TestDatabase

    async def budget(
        self,
        *,
        hard: int | None = 10_000,
        soft: int | None = None,
        scope: BudgetScope = BudgetScope.TENANT,
        subject: str = "",
        period: Period = Period.MONTH,
        currency: str = "EUR",
    ) -> UUID:
        """A budget; gives its id."""
        budget_id = new_id()
        async with self.database.app.tenant(self.database.tenant_id) as session:
            await session.execute(
                insert(Budget).values(
                    tenant_id=self.database.tenant_id,
                    id=budget_id,
                    scope=scope,
                    subject=subject,
                    period=period,
                    currency=currency,
                    soft_micros=soft,
                    hard_micros=hard,
                )
            )
        return budget_id

    async def budgets(self) -> tuple[BudgetFacts, ...]:
        """All of the tenant's."""
        async with self.database.app.tenant(self.database.tenant_id) as session:
            return await load_budgets(session, self.database.tenant_id)

    async def open(self, one: CallIntent, budgets: tuple[BudgetFacts, ...]) -> bool:
        """Reserve for a call; whether there was enough."""
        async with self.database.app.tenant(one.tenant_id) as session:
            try:
                await open_call(session, one, budgets)
            except MoneyRefused:
                return False
        return True

    async def settle(self, *records: CallRecord) -> None:
        """End calls."""
        async with self.database.app.tenant(self.database.tenant_id) as session:
            await settle(session, records)

    async def stand(self) -> dict[UUID, Standing]:
        """Where each budget stands, by its id."""
        budgets = await self.budgets()
        async with self.database.app.tenant(self.database.tenant_id) as session:
            found = await standings(session, self.database.tenant_id, budgets, now())
        return {one.budget.id: one for one in found}

    async def sums(self) -> tuple[int, int]:
        """Reserved and spent over all periods of all budgets."""
        async with self.database.owner.system() as session:
            row = await session.execute(
                text(
                    "SELECT coalesce(sum(reserved_micros), 0), coalesce(sum(spent_micros), 0) FROM budget_periods"
                )
            )
            reserved, spent = row.one()
        return int(reserved), int(spent)
