"""A bounded number of places for costly requests, shared fairly between tenants."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from app.core.errors import Throttled


class TooManyAtOnce(Throttled):
    """As many requests of this kind as we serve at once are under way."""

    code = "too_many_at_once"
    title = "Too many at once"

    def __init__(self, what: str) -> None:
        super().__init__(f"Too many {what} are under way; try again in a moment.", retry_after_seconds=2)


class Places:
    """`most` places in this process, of which one key may hold `most_each`. Refuses instead of queueing."""

    def __init__(self, what: str, *, most: int, most_each: int) -> None:
        self._what = what
        self._most = most
        self._most_each = most_each
        self._held: Counter[UUID] = Counter()

    @asynccontextmanager
    async def place(self, key: UUID) -> AsyncIterator[None]:
        """Hold a place. Raises: `TooManyAtOnce`."""
        if self._held.total() >= self._most or self._held[key] >= self._most_each:
            raise TooManyAtOnce(self._what)
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
