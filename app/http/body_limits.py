"""Bodies are counted as they arrive, before anything parses them or knows the caller."""

import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import TooLarge
from app.http.problems import problem

JSON_BYTES = 8 * 2**20
"""More than a pane's text of a million characters in any encoding of JSON needs."""
_STREAMED = frozenset({"/addin/v1/documents", "/automation/v1/documents"})
"""These read their own body, piece by piece, with a limit of their own."""


class _Overrun(Exception):
    """The body has more bytes than it may."""


class BodyLimits:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse its body."""
        if scope["type"] != "http" or scope["path"] in _STREAMED:
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > JSON_BYTES:
            await _refuse(scope, receive, send)
            return
        seen, started = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > JSON_BYTES:
                raise _Overrun
            return message

        async def unless_overrun(message: Message) -> None:
            nonlocal started
            # Whoever reads the body may answer its exception in words of their own.
            if seen <= JSON_BYTES:
                started = True
                await send(message)

        with contextlib.suppress(_Overrun):
            await self._app(scope, counted, unless_overrun)
        if seen > JSON_BYTES and not started:
            await _refuse(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    message = (
        f"The body has more than {JSON_BYTES // 2**20} MB; upload documents to POST /addin/v1/documents."
    )
    await problem(TooLarge(message))(scope, receive, send)
