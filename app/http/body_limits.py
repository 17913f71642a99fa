"""Bodies are counted as they arrive; nobody has to read one in order to say that it is not wanted."""

import contextlib
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import TooLarge
from app.http.problems import problem

JSON_BYTES = 8 * 2**20
"""More than a pane's text of a million characters in any encoding of JSON needs."""
_STREAMED = re.compile(r"/(?:addin|automation)/v1/(?:documents|upload_sessions/[^/]+)")
"""These read their own body, piece by piece, with a limit of their own."""


class _Overrun(Exception):
    """The body has more bytes than it may."""


class BodyLimits:
    """ASGI middleware. A body of up to `drained_bytes` that nobody reads is let run out, so that its sender
    gets to see the answer; the connection of a longer one, or of one that does not say, is closed.
    """

    def __init__(self, app: ASGIApp, *, drained_bytes: int) -> None:
        self._app = app
        self._drained_bytes = drained_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, send, drained_bytes=self._drained_bytes)
        if body.is_announced_too_large:
            await _refuse(scope, body.receive, body.send)
            return
        with contextlib.suppress(_Overrun):
            await self._app(scope, body.receive, body.send_unless_overrun)
        if body.has_overrun and not body.is_answered:
            await _refuse(scope, body.receive, body.send)


class _Body:
    """The body of one request, while it is read and answered."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, drained_bytes: int) -> None:
        self._receive = receive
        self._send = send
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        self._announced = int(length) if length.isdigit() else -1
        self._is_chunked = b"transfer-encoding" in headers
        self._limit = None if _STREAMED.fullmatch(scope["path"]) else JSON_BYTES
        self._drained_bytes = drained_bytes
        self._seen = 0
        self._is_whole = not self._announced and not self._is_chunked
        self.is_answered = False

    @property
    def is_announced_too_large(self) -> bool:
        return self._announced < 0 or (self._limit is not None and self._announced > self._limit)

    @property
    def has_overrun(self) -> bool:
        return self._limit is not None and self._seen > self._limit

    async def receive(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        self._is_whole = self._is_whole or not message.get("more_body", False)
        if self.has_overrun:
            raise _Overrun
        return message

    async def send_unless_overrun(self, message: Message) -> None:
        # Whoever reads the body may answer its exception in words of their own.
        if not self.has_overrun:
            await self.send(message)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_answered = True
            if self._ends_connection():
                message.setdefault("headers", []).append((b"connection", b"close"))
        await self._send(message)

    def _ends_connection(self) -> bool:
        if self._is_whole:
            return False
        return self._is_chunked or not 0 <= self._announced <= self._drained_bytes


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    message = (
        f"The body has more than {JSON_BYTES // 2**20} MB; upload documents to POST /addin/v1/documents."
    )
    await problem(TooLarge(message))(scope, receive, send)
