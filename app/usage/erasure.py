"""Which tables of this room hold a tenant's or a member's data."""

from app.core.erasure import Erasable, of_tenant, table_of
from app.usage.tables import Budget, ModelCall

TABLES: tuple[Erasable, ...] = (
    of_tenant(Budget),
    Erasable(
        table_of(ModelCall),
        kept="money is kept for the accounting period, without its people",
        anonymous="member_id",
        kept_of_member="the sums must add up; the member's row that it refers to says nothing of a person",
    ),
)
