"""Ours and other routers against the same vendor, in one run: `pytest -n 0 -s tests/benchmarks/routing/bench_peers.py`.

CPU milliseconds a request are those of whoever routes: of this process for the bare client and ours (client and
all), of the peer's own processes for the others, whose caller is a bare client that is not counted. The vendor,
Redis and Postgres are processes of their own. All ask the same two messages, and contenders take turns, so that
whatever else the machine does falls on all of them.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import pytest

from app.core.clock import new_id
from app.core.redis import connect
from app.llm.clients import Clients
from app.llm.loop import ModelCaller
from app.llm.scope import prepay
from app.llm.types import Message
from app.pools.breakers import Breakers
from app.pools.limits import Limits
from app.vocabulary import Environment
from tests.benchmarks.routing import peers
from tests.benchmarks.routing.bench_loop import WithoutLedger
from tests.benchmarks.routing.samples import Sample, sample
from tests.conftest import TestDatabase
from tests.llm.conftest import Bench, accept, request
from tests.pools.builders import deployment, member, provider, revision
from tests.scripted_vendor import ScriptedVendor

IN_FLIGHT = (1, 16, 64)
REQUESTS = {1: 60, 16: 320, 64: 640}
ROUNDS = 5
IN_TURN = 20

Contender = Callable[[int, int], Awaitable[Sample]]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop that workers run on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def vendor_url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.scripted_vendor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1]
        process.terminate()


@pytest.fixture
async def bench(database: TestDatabase, vendor_url: str, redis_url: str) -> AsyncIterator[Bench]:
    redis = connect(redis_url)
    clients, limits = Clients(database.app, None, Environment.DEVELOPMENT), Limits(redis)
    caller = ModelCaller(database.app, Breakers(redis), limits, clients)
    yield Bench(database, ScriptedVendor(), redis, clients, caller, limits)
    await clients.close()
    await redis.aclose()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    # Node and uvicorn close what is idle for five seconds, and a request sent just then would fail.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    async with aiohttp.ClientSession(trust_env=False, connector=connector) as made:
        yield made


class Ours:
    """Selection, limits, breakers and bookkeeping around the client, as a worker's step does it."""

    def __init__(self, bench: Bench, vendor_url: str) -> None:
        self._bench = bench
        account = provider(base_url=vendor_url)
        bounds = {"requests_per_minute": 10**6, "tokens_per_minute": 10**9, "concurrency": 128}
        alive = member(deployment("alpha", provider=account, **bounds), tier=1)
        self.pool = revision(member(deployment("beta", provider=account, **bounds)), alive)
        dead = provider(base_url=vendor_url)
        self.failing = revision(member(deployment("dead", provider=dead, **bounds)), alive)
        self._routing = WithoutLedger(bench.database.app, Breakers(bench.redis), bench.limits, bench.clients)

    async def run(self, in_flight: int, requests: int) -> Sample:
        async def call() -> None:
            await self._routing.call(request(), scope=self._bench.scope(self.pool), verify=accept)

        return await sample(call, in_flight=in_flight, requests=requests)

    async def with_ledger(self, in_flight: int, requests: int) -> Sample:
        """The intent is written when a step is loaded, in a transaction that is there anyway."""
        first = str(self.pool.members[0].id)

        async def call() -> None:
            scope = self._bench.scope(self.pool)
            scope.reservation = {
                "member_id": first,
                "deployment_id": str(self.pool.members[0].deployment.id),
                "holder": str(new_id()),
                "tokens": 150,
                "second": 0,
                "probe": False,
            }
            async with self._bench.database.app.tenant(scope.tenant_id) as opened:
                await prepay(
                    opened, scope, self.pool.members[0].id, task_type="summarize", estimated_tokens=100
                )
            await self._bench.caller.call(request(), scope=scope, verify=accept)

        return await sample(call, in_flight=in_flight, requests=requests)

    async def dead_primary(self) -> Sample:
        async def call() -> None:
            await self._bench.caller.call(request(), scope=self._bench.scope(self.failing), verify=accept)

        return await sample(call, in_flight=1, requests=IN_TURN)


@pytest.mark.timeout(3000)
async def test_ours_beside_the_others(
    bench: Bench, vendor_url: str, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("SWITCHBOARD_PEERS") or tmp_path)
    python, script = peers.install_litellm(folder), peers.install_portkey(folder)
    ours, one = Ours(bench, vendor_url), peers.portkey_headers(vendor_url, "alpha")
    body = {
        "model": "alpha",
        "max_tokens": 50,
        "messages": [
            {"role": "system", "content": "Answer."},
            {"role": "user", "content": "[B1] Revenue rose."},
        ],
    }
    messages = [Message("system", "Answer."), Message("user", "[B1] Revenue rose.")]

    async def bare() -> None:
        async with session.post(f"{vendor_url}/chat/completions", json=body) as answer:
            await answer.json()

    async def client() -> None:
        async with bench.clients.lease(ours.pool.members[0]) as adapter:
            await adapter.complete(request(), messages, timeout_seconds=30)

    ports = [_free_port() for _ in range(2)]
    with ExitStack() as stack:
        default = stack.enter_context(peers.litellm_router(python, vendor_url, "default"))
        tuned = stack.enter_context(peers.litellm_router(python, vendor_url, "tuned"))
        proxy_process = stack.enter_context(peers.litellm_proxy(python, tmp_path, vendor_url, ports[0]))
        key = {"Authorization": f"Bearer {peers.PROXY_KEY}"}
        proxy = peers.Gateway(session, f"http://127.0.0.1:{ports[0]}", proxy_process, key)
        portkey_process = stack.enter_context(peers.portkey(script, ports[1]))
        portkey = peers.Gateway(session, f"http://127.0.0.1:{ports[1]}", portkey_process, {})
        contenders: dict[str, Contender] = {
            "bare aiohttp": lambda n, of: sample(bare, in_flight=n, requests=of),
            "our client alone": lambda n, of: sample(client, in_flight=n, requests=of),
            "ours: selection, limits, breakers": ours.run,
            "ours, with the ledger's SQL": ours.with_ledger,
            "LiteLLM Router": lambda n, of: default.run(in_flight=n, requests=of),
            "LiteLLM proxy": lambda n, of: proxy.run(in_flight=n, requests=of),
            "Portkey gateway": lambda n, of: portkey.run(in_flight=n, requests=of, headers=one),
        }
        table = await _take_turns(contenders)
        await _always_503(session, vendor_url)
        both = peers.portkey_headers(vendor_url, "dead", "alpha")
        fallen: dict[str, tuple[float, int]] = {}
        runs: dict[str, Callable[[], Awaitable[Sample]]] = {
            "ours": ours.dead_primary,
            "LiteLLM Router, defaults": lambda: default.run(in_flight=1, requests=IN_TURN, model="dead"),
            "LiteLLM Router, tuned": lambda: tuned.run(in_flight=1, requests=IN_TURN, model="dead"),
            "LiteLLM proxy": lambda: proxy.run(in_flight=1, requests=IN_TURN, model="dead"),
            "Portkey gateway": lambda: portkey.run(in_flight=1, requests=IN_TURN, model="dead", headers=both),
        }
        for name, run in runs.items():
            before = await _hits(session, vendor_url)
            got = await run()
            fallen[name] = (got.at(0.5), await _hits(session, vendor_url) - before)
    _show(table, fallen)
    at_16 = {name: table[name, 16][0] for name in contenders}
    over = at_16["ours: selection, limits, breakers"] - at_16["our client alone"]
    print(f"\nselection, limits and breakers over our client, 16 in flight: {over:+.3f} CPU ms a request")
    assert over < at_16["LiteLLM Router"]
    assert fallen["ours"][1] <= 2


async def _take_turns(contenders: dict[str, Contender]) -> dict[tuple[str, int], tuple[float, float, float]]:
    """CPU, p50 and p99 by contender and how many in flight: the medians of the rounds."""
    for run in contenders.values():
        await run(8, 64)
    table = {}
    for in_flight in IN_FLIGHT:
        rounds: dict[str, list[Sample]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, run in contenders.items():
                rounds[name].append(await run(in_flight, REQUESTS[in_flight]))
        for name, samples in rounds.items():
            table[name, in_flight] = (
                median(one.cpu_ms for one in samples),
                median(one.at(0.5) for one in samples),
                median(one.at(0.99) for one in samples),
            )
    return table


def _show(
    table: dict[tuple[str, int], tuple[float, float, float]], fallen: dict[str, tuple[float, int]]
) -> None:
    print("\n| | " + " | ".join(f"{n} in flight: CPU ms, p50, p99" for n in IN_FLIGHT) + " |")
    print("|---|" + "---|" * len(IN_FLIGHT))
    for name in dict.fromkeys(name for name, _ in table):
        cells = ["{:.2f}, {:.1f}, {:.1f}".format(*table[name, n]) for n in IN_FLIGHT]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\n| dead primary, 20 requests in turn | p50 ms | hits on the dead one |\n|---|---|---|")
    for name, (p50, hits) in fallen.items():
        print(f"| {name} | {p50:.1f} | {hits} |")


async def _always_503(session: aiohttp.ClientSession, vendor_url: str) -> None:
    script: dict[str, Any] = {"model": "dead", "behaviours": [{"status": 503}], "always": True}
    async with session.post(vendor_url.removesuffix("/v1") + "/script", data=json.dumps(script)) as answer:
        answer.raise_for_status()


async def _hits(session: aiohttp.ClientSession, vendor_url: str) -> int:
    async with session.get(vendor_url.removesuffix("/v1") + "/hits") as answer:
        return int((await answer.json()).get("dead", 0))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
