"""Which web pages may call the add-in's door: the add-in's own origins, named one by one.

No credentials, because that door takes no cookies; no other door has pages that call it from elsewhere.
"""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_DOOR = "/addin/"
_PREFLIGHT_SECONDS = 7200
"""The longest that browsers keep a preflight (Chromium)."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ASKED = (
    "Authorization",
    "Content-Range",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "client-request-id",
)
_EXPOSED = (
    "Location",
    "Operation-Location",
    "Retry-After",
    "request-id",
    "client-request-id",
    "ETag",
    "RateLimit",
    "RateLimit-Policy",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "WWW-Authenticate",
)


class CrossOrigin:
    """ASGI middleware: answers preflights of the add-in's door and opens its answers to the origins."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        self._app = app
        self._door = CORSMiddleware(
            app,
            allow_origins=list(origins),
            allow_methods=list(_METHODS),
            allow_headers=list(_ASKED),
            expose_headers=list(_EXPOSED),
            max_age=_PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        at_door = scope["type"] == "http" and scope["path"].startswith(_DOOR)
        await (self._door if at_door else self._app)(scope, receive, send)
