"""A bounded number of places for costly requests, shared fairly between tenants."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID

from app.core.errors import Throttled

_Key = TypeVar("_Key")


class TooManyAtOnce(Throttled):
    """As many requests of this kind as we serve at once are under way."""

    code = "too_many_at_once"
    title = "Too many at once"

    def __init__(self, what: str) -> None:
        super().__init__(f"Too many {what} are under way; try again in a moment.", retry_after_seconds=2)


class Places:
    """`most` places in this process, shared by tenants. Refuses instead of queueing.

    A tenant may hold half of what the others leave, and one place at least; a member `most_each` of them.
    So the first tenant has no more than half, and no two, three or four take what the next one needs.
    """

    def __init__(self, what: str, *, most: int, most_each: int) -> None:
        self._what = what
        self._most = most
        self._most_each = most_each
        self._tenants: Counter[UUID] = Counter()
        self._members: Counter[tuple[UUID, UUID]] = Counter()

    @asynccontextmanager
    async def place(self, tenant_id: UUID, member_id: UUID) -> AsyncIterator[None]:
        """Hold a place. Raises: `TooManyAtOnce`."""
        member = (tenant_id, member_id)
        others = self._tenants.total() - self._tenants[tenant_id]
        share = max(1, (self._most - others) // 2)
        if (
            self._tenants.total() >= self._most
            or self._tenants[tenant_id] >= share
            or self._members[member] >= self._most_each
        ):
            raise TooManyAtOnce(self._what)
        self._tenants[tenant_id] += 1
        self._members[member] += 1
        try:
            yield
        finally:
            _release(self._tenants, tenant_id)
            _release(self._members, member)


def _release(held: Counter[_Key], key: _Key) -> None:
    held[key] -= 1
    # A counter keeps a key whose count is nought.
    if not held[key]:
        del held[key]
