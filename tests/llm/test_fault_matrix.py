"""Every fault of a vendor through real jobs: submitted, claimed, run by the runner, over Redis and Postgres."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from app.copilot.runner import run_step
from app.copilot.runtime import Runtime
from app.core.clock import new_id
from app.core.keyring import LocalKeyring
from app.jobs.events import Event, EventHub
from app.jobs.leases import ClaimedStep, claim
from app.llm import loop
from app.llm.loop import ModelCaller
from app.llm.providers import chat
from app.llm.providers.chat import Patience
from app.pools.breakers import Breakers
from app.pools.limits import Limits
from app.settings import Settings
from app.vocabulary import Lane, ModelClass, OfficeHost, StepState
from tests.conftest import TestDatabase
from tests.llm.fault_matrix import COUNTED, EXPECTED, FAULTS, PAGE, RESERVED, Alone, page, words
from tests.processes import System
from tests.scripted_vendor import ScriptedVendor

SHORT = (
    "The harbour of Rostock was closed for three days in March. A storm had torn two cranes from their rails. "
    "The port authority says that repairs will cost 4.2 million euros."
)
ATTEMPTS = 2
PAIR, ALONE = OfficeHost.WORD, OfficeHost.EXCEL
"""A route leads each host to a pool: of two members, and of the faulty one alone."""
_REFUSED = " The last one was refused because the answer is not the JSON that was asked for (not_the_schema)."
"""What is said beside where a check refused the answer."""


def platform(base_url: str) -> dict[str, Any]:
    """`faulty` and `spare`; only the first is a reasoning model, so that its patience is its own."""
    terms = {"region": "local", "processor": "test", "no_training": True, "zero_retention": True}
    price = dict.fromkeys(("input_micros", "cached_input_micros"), 1_000_000)
    price |= dict.fromkeys(("output_micros", "reasoning_micros"), 2_000_000)
    deployments = [
        {
            "name": name,
            "provider": f"{name}-account",
            "model_name": name,
            "model_class": model_class,
            "capabilities": ["json_schema"],
            "context_window": 8192,
            "max_output_tokens": 1024,
            "price": {"currency": "EUR", **price},
        }
        for name, model_class in (("faulty", "reasoning"), ("spare", "general"))
    ]
    members = [
        {"deployment": name, "prompt_set": "default", "tier": tier}
        for tier, name in enumerate(("faulty", "spare"))
    ]
    return {
        "providers": [
            {
                "name": f"{name}-account",
                "kind": "openai_compatible",
                "vendor": "test",
                "base_url": base_url,
                **terms,
            }
            for name in ("faulty", "spare")
        ],
        "deployments": deployments,
        "pools": [
            {"name": "pair", "task_type": "summarize", "members": members},
            {"name": "alone", "task_type": "summarize", "members": members[:1]},
        ],
        "routes": [
            {"name": host, "task_type": "summarize", "pool": pool, "conditions": {"host": host}}
            for host, pool in ((PAIR, "pair"), (ALONE, "alone"))
        ],
    }


@dataclass
class Stage:
    """A process that runs steps, without the process."""

    system: System
    redis: Redis
    vendor: ScriptedVendor
    runtime: Runtime

    async def attempt(self, job_id: UUID) -> dict[str, Any]:
        """Run the job's step as a process would that knows nothing yet; gives its row afterwards."""
        self.runtime = replace(
            self.runtime,
            caller=ModelCaller(
                self.runtime.database, Breakers(self.redis), Limits(self.redis), self.runtime.clients
            ),
        )
        step = await self._claimed(job_id)
        await run_step(self.runtime, step)
        return (await self.system.rows("SELECT * FROM job_steps WHERE id = :id", id=step.id))[0]

    async def _claimed(self, job_id: UUID) -> ClaimedStep:
        tenant_id = self.system.database.tenant_id
        (row,) = await self.system.rows(
            "UPDATE job_steps SET run_after = now() WHERE job_id = :id RETURNING id", id=job_id
        )
        async with self.runtime.database.tenant(tenant_id) as session:
            step = await claim(
                session, tenant_id=tenant_id, step_id=row["id"], owner=new_id(), lease_seconds=60
            )
        assert step is not None
        return step

    async def clock(self) -> float:
        """Redis's time, in epoch seconds."""
        seconds, micros = await self.redis.time()
        return float(seconds) + float(micros) / 1e6

    async def rest(self, since: float) -> tuple[float, float]:
        """Between which numbers of seconds lies the rest that began after `since`; then it is over."""
        least = most = 0.0
        for key in await self.redis.keys("breaker:*"):
            until = int(await self.redis.hget(key, "until") or 0) / 1000
            least, most = until - await self.clock(), until - since
            await self.redis.delete(key)
        return least, most

    async def events(self, job_id: UUID) -> list[Event]:
        """Everything a task pane saw."""
        hub, seen = EventHub(self.redis), list[Event]()
        hub.start()
        try:
            async for event in hub.follow(await self.system.sealer(), job_id=job_id, idle_seconds=0.1):
                if event is None:
                    return seen
                seen.append(event)
                if event.type in {"result", "error"}:
                    return seen
        finally:
            await hub.close()
        return seen


@pytest.fixture
async def stage(
    database: TestDatabase,
    redis: Redis,
    redis_url: str,
    tmp_path: Path,
    keyring: LocalKeyring,
    vendor: ScriptedVendor,
) -> AsyncIterator[Stage]:
    system = System(database, redis_url, tmp_path, keyring)
    await system.configure(platform=platform(vendor.base_url))
    runtime = Runtime.open(
        Settings.model_validate(
            {
                "env": "development",
                "database_url": database.app_url,
                "redis_url": redis_url,
                "keyring": tmp_path / "keyring.json",
                "max_attempts": ATTEMPTS,
            }
        )
    )
    yield Stage(system, redis, vendor, runtime)
    await runtime.close()


async def check(stage: Stage, name: str, lane: Lane, host: OfficeHost) -> None:
    """One cell: a job with the fault at its first member, until it has ended or its attempts are used up."""
    fault, expected = FAULTS[name], EXPECTED[name]
    stage.vendor.always("faulty", fault.streamed if lane is Lane.INTERACTIVE else fault.whole)
    asked_before = len(stage.vendor.asked)
    job_id = await stage.system.submit(SHORT, lane=lane, host=host)
    since = await stage.clock()
    step = await stage.attempt(job_id)
    attempts, counted = 1, step["attempt"]
    least, most = await stage.rest(since)
    while step["state"] == StepState.QUEUED and attempts < ATTEMPTS:
        step = await stage.attempt(job_id)
        attempts += 1
        await stage.rest(since)
    job = await stage.system.job(job_id)
    calls = await stage.system.rows(
        "SELECT * FROM model_calls WHERE job_id = :id ORDER BY fencing, hop", id=job_id
    )
    events = await stage.events(job_id)
    kept = stage.runtime.segments.get(stage.system.database.tenant_id, job_id)
    assert job["finished_at"] is None or kept is None, "nothing of a document outlives its job"
    seen = [event.type for event in events]

    assert least <= expected.rests <= most + 0.001
    assert {asked.stream for asked in stage.vendor.asked[asked_before:]} == {lane is Lane.INTERACTIVE}
    hops = [(call["request_model"], call["error_code"], call["cost_micros"]) for call in calls]
    failed = ("faulty", expected.code, expected.charged)
    # The faulty model reasons, so that it has room for thoughts.
    reserved = {"faulty": RESERVED, "spare": 1312}
    assert all(call["reserved_micros"] == reserved[call["request_model"]] for call in calls)
    if host == PAIR:
        assert hops == [failed, ("spare", None, COUNTED)]
        assert (job["state"], step["state"], attempts) == ("succeeded", "done", 1)
        assert seen == ["state", "progress", "text", "state", "result"]
        return
    match expected.alone:
        case Alone.AGAIN:
            assert hops == [failed] * ATTEMPTS
            assert (job["state"], step["state"], attempts) == ("failed", "dead", ATTEMPTS)
        case Alone.AT_ONCE:
            assert hops == [failed]
            assert (job["state"], step["state"], attempts) == ("failed", "dead", 1)
        case Alone.WAITS:
            assert hops == [failed] * ATTEMPTS
            assert (job["state"], step["state"], counted) == ("running", "queued", 0)
            assert seen == ["state", *["progress"] * ATTEMPTS]
            return
    assert seen == ["state", *["progress"] * attempts, "state", "error"]
    assert job["error"] == events[-1].body["error"]
    told = job["error"]["message"].replace(_REFUSED, "").replace(", not_the_schema", "")
    assert (job["error"]["code"], told) == (expected.code, words(expected))


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_comes_to_what_the_table_says(
    stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = FAULTS[name]
    if fault.silent:
        first_token = 0.2 if fault.streamed.stall else 30.0
        patience = {**chat.PATIENCE, ModelClass.REASONING: Patience(first_token, 0.2)}
        monkeypatch.setattr(chat, "PATIENCE", patience)
    for lane in (Lane.INTERACTIVE, Lane.BACKGROUND):
        if fault.silent and lane is Lane.BACKGROUND:
            monkeypatch.setitem(loop.TIMEOUT_SECONDS, ModelClass.REASONING, 0.2)
        for host in (PAIR, ALONE):
            await check(stage, name, lane, host)


def test_the_page_is_written_from_the_table() -> None:
    assert list(EXPECTED) == list(FAULTS)
    assert PAGE.read_text() == page(), "run python -m tests.llm.fault_matrix"
