"""Which tables of this room hold a tenant's or a member's data."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.erasure import Erasable, delete_some, of_tenant, older_than, table_of
from app.usage.tables import Budget, BudgetPeriod, ModelCall

TABLES: tuple[Erasable, ...] = (
    of_tenant(Budget),
    of_tenant(BudgetPeriod),
    Erasable(
        table_of(ModelCall),
        kept="money is kept for the accounting period, without its people",
        anonymous="member_id",
        kept_of_member="the sums must add up; the member's row that it refers to says nothing of a person",
    ),
)


async def delete_outdated_calls(
    session: AsyncSession, *, tenant_id: UUID, days: float, except_members: Collection[UUID], limit: int
) -> int:
    """Delete entries of the ledger older than `days`; gives how many. Eraser role."""
    table = table_of(ModelCall)
    return await delete_some(
        session,
        table,
        table.c.tenant_id == tenant_id,
        older_than(table, "started_at", days),
        table.c.member_id.not_in(except_members),
        limit=limit,
    )
