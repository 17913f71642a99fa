"""LISTEN on one connection of its own, past any pooler, with reconnection."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import psycopg
from psycopg import sql

from app.core.database import libpq_url
from app.core.logging import get_logger

_log = get_logger(__name__)


class Listener:
    """Calls a handler with each notification's payload, and with "" after every (re)connection.

    The empty call lets a handler catch up on what was said while nobody listened.
    """

    def __init__(self, url: str, handlers: Mapping[str, Callable[[str], None]]) -> None:
        self._url = libpq_url(url)
        self._handlers = dict(handlers)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin listening on the running loop."""
        self._task = asyncio.create_task(self._listen_forever(), name="listener")

    async def close(self) -> None:
        """Stop listening and close the connection."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen_forever(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=5, application_name="switchboard-listener"
                ) as connection:
                    for channel in self._handlers:
                        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    for handler in self._handlers.values():
                        handler("")
                    async for notification in connection.notifies():
                        self._handlers[notification.channel](notification.payload)
            except psycopg.Error as error:
                _log.info("listener reconnects", reason=type(error).__name__)
            await asyncio.sleep(0.5)
