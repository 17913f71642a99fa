"""`request-id` is issued for each request, `client-request-id` is echoed; logs carry the first.

The audit record gets the caller's address here. Behind a proxy it is what uvicorn makes of `X-Forwarded-For`
for the proxies that FORWARDED_ALLOW_IPS names.
"""

import re
from contextvars import ContextVar

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.audit.record import caller_address
from app.core.clock import new_id

_current: ContextVar[str] = ContextVar("request_id", default="")
_PRINTABLE = re.compile(rb"[\x21-\x7e]{1,128}")


def current_request_id() -> str:
    """The id of the request that is being served."""
    return _current.get()


class RequestIds:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request with its ids."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(new_id())
        _current.set(request_id)
        caller_address.set((scope.get("client") or ("",))[0])
        structlog.contextvars.bind_contextvars(request_id=request_id)
        echoed = dict(scope["headers"]).get(b"client-request-id", b"")

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["request-id"] = request_id
                if _PRINTABLE.fullmatch(echoed):
                    headers["client-request-id"] = echoed.decode()
            await send(message)

        await self._app(scope, receive, send_with_ids)
