"""Looks into each connection of a pool when it is taken and when it has been given back."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry

from app.core.database import Database

_LOOK = (
    "SELECT coalesce(current_setting('app.tenant_id', true), ''), current_user::text,"
    " (SELECT count(*) FROM jobs), (SELECT count(*) FROM documents)"
)
CLEAN = ("", "switchboard_app", 0, 0)
"""No tenant is set, the role is the app's, and without a tenant nobody's rows are seen."""


@dataclass
class WatchedPool:
    """A context manager over a `Database`. `looks` counts what was seen at each taking and giving back."""

    database: Database
    looks: dict[tuple[str, tuple[Any, ...]], int] = field(default_factory=dict)
    out: int = 0
    most_out: int = 0
    returned_broken: int = 0
    """Connections that came back closed, because whoever had them was cancelled in the middle."""
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at each taking; whoever waits for the next one clears it."""

    def __enter__(self) -> Self:
        engine = self.database.engine.sync_engine
        event.listen(engine, "checkout", self._take)
        event.listen(engine, "checkin", self._give_back)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        engine = self.database.engine.sync_engine
        event.remove(engine, "checkout", self._take)
        event.remove(engine, "checkin", self._give_back)

    @property
    def leaks(self) -> dict[tuple[str, tuple[Any, ...]], int]:
        """What was seen and should not have been."""
        return {look: times for look, times in self.looks.items() if look[1] != CLEAN}

    async def next_taking(self) -> None:
        """Until a request holds a connection that it has taken from now on."""
        self.taken.clear()
        await self.taken.wait()

    def _take(self, connection: Any, _entry: ConnectionPoolEntry, _fairy: object) -> None:
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        self._look("taken", connection)
        self.taken.set()

    def _give_back(self, connection: Any | None, _entry: ConnectionPoolEntry) -> None:
        self.out -= 1
        if connection is None:
            self.returned_broken += 1
        else:
            self._look("given back", connection)

    def _look(self, when: str, connection: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(_LOOK)
        seen = tuple(cursor.fetchone())
        cursor.close()
        connection.rollback()
        self.looks[when, seen] = self.looks.get((when, seen), 0) + 1
