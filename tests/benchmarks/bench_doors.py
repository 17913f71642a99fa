"""What the doors cost: CPU time a request of the middleware alone, and of counting in a real Valkey.

python -m tests.benchmarks.bench_doors
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from app.core.clock import new_id
from app.core.redis import connect
from app.http.body_limits import BodyLimits
from app.http.cross_origin import CrossOrigin
from app.http.problems import Bugs
from app.http.rate_limits import STANDINGS, RateLimits
from app.http.request_ids import RequestIds
from app.http.response_headers import ResponseHeaders
from app.http.sign_in_limits import Door, SignInLimits
from app.identity.principal import Principal
from app.local.valkey import EmbeddedValkey
from app.settings import Settings

_REQUESTS = 20_000
_TOKEN = "t" * 1800
_HEADERS = [
    (b"host", b"doors"),
    (b"authorization", f"Bearer {_TOKEN}".encode()),
    (b"origin", b"https://pane.example"),
    (b"client-request-id", b"8f14e45f"),
]


async def _endpoint(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def _receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_message: Any) -> None:
    return


async def _requests(app: ASGIApp) -> None:
    for _ in range(_REQUESTS):
        scope = {"type": "http", "method": "GET", "path": "/addin/v1/me", "headers": list(_HEADERS)}
        await app(scope, _receive, _send)


async def _cpu(what: str, work: Callable[[], Awaitable[None]], times: int) -> float:
    await work()
    begun = time.process_time()
    await work()
    each = (time.process_time() - begun) / times * 1e6
    print(f"{what:44} {each:8.1f} us of CPU")
    return each


async def _main(valkey: EmbeddedValkey) -> None:
    bare = await _cpu("an application that does nothing", lambda: _requests(_endpoint), _REQUESTS)
    chain: ASGIApp = _endpoint
    whole = bare
    for name, wrap in (
        ("and body limits", lambda app: BodyLimits(app, drained_bytes=100)),
        ("and bugs", Bugs),
        ("and cross-origin", lambda app: CrossOrigin(app, origins=("https://pane.example",))),
        ("and response fields", lambda app: ResponseHeaders(app, over_tls=True)),
        ("and request ids", RequestIds),
    ):
        chain = wrap(chain)
        whole = await _cpu(name, lambda app=chain: _requests(app), _REQUESTS)  # type: ignore[misc]
    print(f"{'all middleware together':44} {whole - bare:8.1f} us of CPU")
    await _limits()
    await _counted(valkey)


async def _limits() -> None:
    known = SignInLimits(60)

    async def sign_ins() -> None:
        for _ in range(_REQUESTS):
            known.check(Door.TOKEN, "192.0.2.1", _TOKEN)
            known.believed(_TOKEN)

    await _cpu("address and token of a caller", sign_ins, _REQUESTS)


async def _counted(valkey: EmbeddedValkey) -> None:
    client = connect(valkey.url)
    limits = RateLimits(
        client,
        Settings.model_validate(
            {
                "env": "development",
                "redis_url": valkey.url,
                "rate_limit_member": 10**9,
                "rate_limit_tenant": 10**9,
            }
        ),
    )
    ids = [new_id() for _ in range(4)]
    caller = Principal(ids[0], ids[1], ids[2], ids[3], frozenset(), "", frozenset())

    async def count() -> None:
        for _ in range(2000):
            scope: dict[str, Any] = {}
            await limits.admit(scope, caller)
            assert STANDINGS in scope

    begun = time.perf_counter()
    await _cpu("counting member and tenant in Valkey", count, 2000)
    print(f"{'and waiting for it':44} {(time.perf_counter() - begun) / 4000 * 1e6:8.1f} us")
    valkey.kill()
    await _cpu("counting while Valkey is away", count, 2000)
    await client.aclose()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="switchboard-bench-") as folder:
        # Services run as another user, who has to get through.
        Path(folder).chmod(0o711)
        with EmbeddedValkey(Path(folder) / "valkey") as server:
            asyncio.run(_main(server))
