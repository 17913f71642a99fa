"""CPU of the call loop over its bare client: `pytest -n 0 -s tests/benchmarks/routing/bench_loop.py`.

Figures are CPU milliseconds of this process a request, at 16 in flight; the vendor, Redis and Postgres are
processes of their own. The ledger's SQL is reported apart: it is written with the checkpoint's database.
Goal: at most 0.3 ms for selection, limits and bookkeeping.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from statistics import median
from typing import Any

import httpx
import pytest

from app.core.redis import connect
from app.llm.clients import Clients
from app.llm.loop import ModelCaller
from app.llm.scope import CallScope
from app.llm.types import Message
from app.pools.breakers import Breakers
from app.pools.limits import Limits
from app.usage.ledger import CallIntent
from app.vocabulary import Environment
from tests.conftest import TestDatabase
from tests.llm.conftest import Bench, accept, request
from tests.pools.builders import deployment, member, provider, revision
from tests.scripted_vendor import ScriptedVendor

IN_FLIGHT = 16
REQUESTS = 480
ROUNDS = 9


class WithoutLedger(ModelCaller):
    """The loop without its SQL."""

    async def _write(self, intent: CallIntent, scope: CallScope) -> None:
        pass


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop that workers run on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def base_url() -> Iterator[str]:
    """A scripted vendor in a process of its own, so that its CPU is not counted."""
    command = [sys.executable, "-m", "tests.scripted_vendor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        yield url
        process.terminate()


@pytest.fixture
async def bench(database: TestDatabase, base_url: str, redis_url: str) -> AsyncIterator[Bench]:
    redis = connect(redis_url)
    clients, limits = Clients(database.app, None, Environment.DEVELOPMENT), Limits(redis)
    caller = ModelCaller(database.app, Breakers(redis), limits, clients)
    yield Bench(database, ScriptedVendor(), redis, clients, caller, limits)
    await clients.close()
    await redis.aclose()


async def cpu_ms(call: Callable[[], Awaitable[object]]) -> float:
    """CPU milliseconds a call, sixteen at a time."""
    left = iter(range(REQUESTS))

    async def work() -> None:
        for _ in left:
            await call()

    started = time.process_time()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return (time.process_time() - started) * 1000 / REQUESTS


@pytest.mark.timeout(600)
async def test_cpu_of_the_loop_over_its_client(bench: Bench, base_url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as control:
        await control.get(base_url.removesuffix("/v1") + "/seen")
    account = provider(base_url=base_url)
    plain = revision(
        member(deployment("alpha", provider=account)),
        member(deployment("beta", provider=account)),
        member(deployment("gamma", provider=account), tier=1),
    )
    limited = revision(
        member(
            deployment(
                "alpha",
                provider=account,
                requests_per_minute=10**6,
                tokens_per_minute=10**9,
                concurrency=64,
            )
        ),
        member(deployment("gamma", provider=account), tier=1),
    )
    asked, messages = request(), [Message("system", "Answer."), Message("user", "[B1] Revenue rose.")]
    bare_loop = WithoutLedger(bench.database.app, Breakers(bench.redis), Limits(bench.redis), bench.clients)

    async def client() -> None:
        async with bench.clients.lease(plain.members[0]) as provider_:
            await provider_.complete(asked, messages, timeout_seconds=30)

    async def loop() -> None:
        await bare_loop.call(asked, scope=bench.scope(plain), verify=accept)

    async def loop_with_limits() -> None:
        await bare_loop.call(asked, scope=bench.scope(limited), verify=accept)

    async def loop_with_ledger() -> None:
        await bench.caller.call(asked, scope=bench.scope(plain), verify=accept)

    variants = {
        "client": client,
        "loop": loop,
        "loop, rpm tpm and concurrency": loop_with_limits,
        "loop and ledger SQL": loop_with_ledger,
    }
    for call in variants.values():
        await cpu_ms(call)
    # Interleaved, so that whatever else the machine does falls on all of them.
    rounds = [{name: await cpu_ms(call) for name, call in variants.items()} for _ in range(ROUNDS)]
    figures = {name: median(one[name] for one in rounds) for name in variants}
    over = {name: median(one[name] - one["client"] for one in rounds) for name in variants}
    for name, figure in figures.items():
        print(f"{name:32} {figure:6.3f} ms   {over[name]:+.3f} over the client")
    assert over["loop"] < 1.5
