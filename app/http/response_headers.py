"""Fields that every response carries, whoever made it: security, and how many requests are left."""

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.rate_limits import STANDINGS, Standing

Field = tuple[bytes, bytes]
_ALWAYS: tuple[Field, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # An answer of ours that a browser shows as a page may load nothing and be framed by nobody.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_TWO_YEARS: Field = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class ResponseHeaders:
    """ASGI middleware. A field that a response has already stays as it is."""

    def __init__(self, app: ASGIApp, *, over_tls: bool) -> None:
        self._app = app
        self._fields = (*_ALWAYS, _TWO_YEARS) if over_tls else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[Field] = message.setdefault("headers", [])
                present = {name.lower() for name, _ in headers}
                headers.extend(field for field in self._fields if field[0] not in present)
                standings = scope.get(STANDINGS)
                if standings:
                    headers.extend(rate_limit_fields(standings))
            await send(message)

        await self._app(scope, receive, send_with_fields)


def rate_limit_fields(standings: Sequence[Standing]) -> list[Field]:
    """The policies and where the caller stands; the older fields tell of the one that ends first."""
    policies = ", ".join(
        f'"{one.policy.name}";q={one.policy.quota};w={one.policy.window_seconds}' for one in standings
    )
    left = ", ".join(f'"{one.policy.name}";r={one.remaining};t={one.reset_seconds}' for one in standings)
    tightest = min(standings, key=lambda one: one.remaining)
    return [
        (b"ratelimit-policy", policies.encode()),
        (b"ratelimit", left.encode()),
        (b"ratelimit-limit", str(tightest.policy.quota).encode()),
        (b"ratelimit-remaining", str(tightest.remaining).encode()),
        (b"ratelimit-reset", str(tightest.reset_seconds).encode()),
    ]
