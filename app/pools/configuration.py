"""Configuration as every process sees it: cached, and renewed in under a second after any change.

One counter in Postgres rises with every change. A notification makes a process look at once; a look every
half second is the net. Readers get what was loaded for the current number, so a request costs no SQL.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.core.logging import get_logger
from app.pools.errors import UnknownRevision
from app.pools.repository import PoolRepository, configuration_number
from app.pools.values import RevisionFacts, RouteFacts
from app.tenants.policy import Policy, load_policy

_log = get_logger(__name__)
_POLL_SECONDS = 0.5
_GAP_SECONDS = 0.05
"""Between two looks at least: an import raises the counter hundreds of times, and each time everybody is told."""
CHANNEL = "switchboard_configuration"
"""Postgres notifies here; give `changed` to the listener."""

_T = TypeVar("_T")


class Configuration:
    """Routes, pool revisions and policies of tenants. Works in the app role and in the system role."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look = asyncio.Event()
        self._renewed = asyncio.Condition()
        self._watcher: asyncio.Task[None] | None = None
        self._cache: dict[tuple[str, UUID, UUID | None], asyncio.Task[Any]] = {}
        self.number = -1
        """The configuration's number; -1 until it was read for the first time."""

    def start(self) -> None:
        """Begin watching on the running loop."""
        self._watcher = asyncio.create_task(self._watch(), name="configuration")

    async def close(self) -> None:
        """Stop watching."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        for load in self._cache.values():
            load.cancel()
        self._cache = {}

    def changed(self, _payload: str) -> None:
        """Look at the counter now; a handler for `Listener`."""
        self._look.set()

    async def newer_than(self, number: int) -> int:
        """Wait until a later configuration than `number` is known; gives its number."""
        async with self._renewed:
            await self._renewed.wait_for(lambda: self.number > number)
            return self.number

    async def routes(self, tenant_id: UUID) -> tuple[RouteFacts, ...]:
        """The tenant's routes and the platform's."""

        async def load() -> tuple[RouteFacts, ...]:
            async with self._database.tenant(tenant_id) as session:
                return await PoolRepository(session, tenant_id).routes()

        return await self._cached(("routes", tenant_id, None), load)

    async def revision(self, tenant_id: UUID, revision_id: UUID) -> RevisionFacts:
        """A pool's revision that the tenant may see. Raises: `UnknownRevision`."""

        async def load() -> RevisionFacts | None:
            async with self._database.tenant(tenant_id) as session:
                return await PoolRepository(session, tenant_id).revision(revision_id)

        found = await self._cached(("revision", tenant_id, revision_id), load)
        if found is None:
            raise UnknownRevision(
                "The models chosen for this job are no longer configured: send the request again."
            )
        return found

    async def policy(self, tenant_id: UUID) -> Policy:
        """What the tenant allows."""

        async def load() -> Policy:
            async with self._database.tenant(tenant_id) as session:
                return await load_policy(session, tenant_id)

        return await self._cached(("policy", tenant_id, None), load)

    async def remembered(
        self, name: str, tenant_id: UUID, load: Callable[[AsyncSession, UUID], Awaitable[_T]]
    ) -> _T:
        """What `load` reads of a tenant's configuration, remembered until any configuration changes.

        For rooms above this one; a table that `load` reads must raise the counter.
        """

        async def read() -> _T:
            async with self._database.tenant(tenant_id) as session:
                return await load(session, tenant_id)

        return await self._cached((name, tenant_id, None), read)

    async def _cached(self, key: tuple[str, UUID, UUID | None], load: Callable[[], Awaitable[_T]]) -> _T:
        """One load for all who ask at the same time; a failed one is asked again."""
        cache = self._cache
        task = cache.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = cache[key] = asyncio.ensure_future(load())
        # Shielded: one caller's cancellation must not fail the others.
        value: _T = await asyncio.shield(task)
        return value

    async def _watch(self) -> None:
        while True:
            self._look.clear()
            try:
                async with self._database.system() as session:
                    number = await configuration_number(session)
            except (SQLAlchemyError, OSError) as error:
                _log.info("configuration stays as it was", reason=type(error).__name__)
            else:
                if number != self.number:
                    # Loads under way keep writing into the old dictionary, which nobody reads any more.
                    self.number, self._cache = number, {}
                    _log.info("configuration renewed", number=number)
                    async with self._renewed:
                        self._renewed.notify_all()
            await asyncio.sleep(_GAP_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS - _GAP_SECONDS):
                    await self._look.wait()
