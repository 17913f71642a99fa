"""What happens to accepted work when processes die, freeze, and Redis goes away. Real processes throughout.

After each scenario: no job lost, one terminal state, one checkpoint a step, every call in the ledger once.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis as synchronous
from redis.asyncio import Redis

from app.core.crypto import Sealed
from app.core.keyring import LocalKeyring
from app.jobs import dispatch
from app.jobs.cancel import cancel
from app.jobs.complete import result_place
from app.jobs.events import EventHub
from app.local.valkey import EmbeddedValkey
from app.tenants.seed import import_tenants
from app.vocabulary import Lane
from tests.conftest import TestDatabase
from tests.entra import RunningEntra, seed_tenants
from tests.house import House, serve
from tests.processes import System, system, until
from tests.scripted_vendor import ScriptedVendor
from tests.wire_formats import Behaviour

pytestmark = pytest.mark.processes
MARKED = pytest.mark.skipif(
    os.environ.get("SWITCHBOARD_TEST_MARKED") != "1", reason="takes minutes: set SWITCHBOARD_TEST_MARKED=1"
)

SHORT = (
    "The harbour of Rostock was closed for three days in March. A storm had torn two cranes from their rails. "
    "The port authority says that repairs will cost 4.2 million euros."
)

# Words of the documents: no process may write them into its log.
CANARIES = ("Rostock", "cranes", "long list of repairs", "the clerk noted")


def long_text(chapters: int) -> str:
    """A text that is read in about so many chunks: each paragraph ends one by its size."""
    paragraphs = []
    for number in range(chapters):
        facts = " ".join(
            f"In district {number} the clerk noted item {number * 100 + item} on the long list of repairs."
            for item in range(32)
        )
        paragraphs.append(facts)
    return "\n\n".join(paragraphs)


def platform(base_url: str) -> dict[str, Any]:
    """One pool: the scripted vendor alone, so that every step is a call over loopback."""
    terms = {"region": "local", "processor": "test", "no_training": True, "zero_retention": True}
    return {
        "providers": [
            {"name": "vendor", "kind": "openai_compatible", "vendor": "test", "base_url": base_url, **terms}
        ],
        "deployments": [
            {
                "name": "scripted",
                "provider": "vendor",
                "model_name": "scripted",
                "capabilities": ["json_schema"],
                "context_window": 8192,
                "max_output_tokens": 1024,
                "price": {
                    "currency": "EUR",
                    "input_micros": 1_000_000,
                    "cached_input_micros": 500_000,
                    "output_micros": 2_000_000,
                    "reasoning_micros": 2_000_000,
                },
            }
        ],
        "pools": [
            {
                "name": "scripted",
                "task_type": "summarize",
                "members": [{"deployment": "scripted", "prompt_set": "default"}],
            }
        ],
        "routes": [{"name": "scripted", "task_type": "summarize", "pool": "scripted"}],
    }


@pytest.fixture
async def running(
    database: TestDatabase, redis_url: str, tmp_path: Path, keyring: LocalKeyring, vendor: ScriptedVendor
) -> AsyncIterator[System]:
    with system(database, redis_url, tmp_path, keyring) as made:
        await made.configure(platform=platform(vendor.base_url))
        yield made


async def check_invariants(running: System, job_id: UUID, *, state: str = "succeeded") -> dict[str, Any]:
    """What must hold whatever happened; gives the result."""
    job = await running.job(job_id)
    assert job["state"] == state, job["error"] or running.autopsy()
    steps = await running.rows("SELECT * FROM job_steps WHERE job_id = :id", id=job_id)
    assert {step["state"] for step in steps} == {"done"}
    assert all(step["sealed_output"] is not None for step in steps)
    assert job["steps_done"] == job["steps_total"] == len(steps)
    sealer = await running.sealer()
    result: dict[str, Any] = json.loads(sealer.open(result_place(job_id), Sealed(job["sealed_result"])))
    assert result["coverage"]["ratio"] == 1.0
    return result


async def check_transcript(running: System, job_id: UUID, text: str) -> None:
    """The job's events, replayed as a pane does, show the stored result."""
    redis = Redis.from_url(running.redis_url)
    hub = EventHub(redis)
    hub.start()
    shown, finals = "", set[str]()
    try:
        async for event in hub.follow(await running.sealer(), job_id=job_id):
            if event is None or event.type == "result":
                break
            if event.type == "snapshot":
                shown = str(event.body["text"])
            elif event.type == "restarted":
                shown = ""
            elif event.type == "text":
                shown += str(event.body["sentence"])
                finals.add(str(event.body["step_id"]))
    finally:
        await hub.close()
        await redis.aclose()
    assert len(finals) <= 1, "only the last step shows text"
    assert shown == text


async def done_steps(running: System, job_id: UUID) -> int:
    rows = await running.rows("SELECT 1 FROM job_steps WHERE job_id = :id AND state = 'done'", id=job_id)
    return len(rows)


async def held_by_the_dead(running: System, job_id: UUID) -> set[UUID]:
    """The steps under way whose leases are no longer renewed, found by looking for half a lease."""
    held = "SELECT id, lease_owner, lease_expires_at FROM job_steps WHERE job_id = :id AND state = 'running'"
    before = await running.rows(held, id=job_id)
    owners = {row["lease_owner"] for row in before}
    renewed: set[UUID] = set()

    async def the_living_have_renewed() -> bool:
        for row in await running.rows(held, id=job_id):
            known = [old for old in before if old["id"] == row["id"]]
            if not known or known[0]["lease_expires_at"] != row["lease_expires_at"]:
                renewed.add(row["lease_owner"])
        return len(renewed) >= len(owners) - 1

    await until(the_living_have_renewed, running.autopsy)
    assert len(owners - renewed) <= 1
    return {row["id"] for row in before if row["lease_owner"] not in renewed}


async def test_a_worker_killed_in_the_middle_of_sixty_steps_costs_only_what_was_in_flight(
    running: System, vendor: ScriptedVendor
) -> None:
    vendor.always("scripted", Behaviour(delay_seconds=0.1))
    first, _ = running.start_all(workers=2)
    await running.workers_ready(2)
    job_id = await running.submit(long_text(220))

    async def a_third_is_done() -> bool:
        return await done_steps(running, job_id) >= 20

    await until(a_third_is_done, running.autopsy)
    first.kill()
    killed = time.monotonic()
    lost = await held_by_the_dead(running, job_id)

    async def all_resumed() -> bool:
        return not await running.rows(
            "SELECT 1 FROM job_steps WHERE id = ANY(:ids) AND fencing < 2 AND state <> 'done'", ids=[*lost]
        )

    await until(all_resumed, running.autopsy)
    # Two seconds are promised; where other tests' processes share the cores, as much again is theirs.
    shared = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1
    assert time.monotonic() - killed < running.lease_seconds + (4 if shared else 2)
    await running.finished(job_id)
    result = await check_invariants(running, job_id)
    assert result["citations"]
    await check_transcript(running, job_id, str(result["text"]))
    for child in running.children:
        assert not any(word in child.log.read_text() for word in CANARIES), child.log
    steps = await running.rows("SELECT * FROM job_steps WHERE job_id = :id", id=job_id)
    assert len(steps) >= 60
    asking = [step for step in steps if step["kind"] != "plan"]
    assert len(vendor.seen) <= len(asking) + len(lost)
    # Steps that were done before the kill were asked for once.
    calls = await running.rows("SELECT step_id, outcome FROM model_calls WHERE job_id = :id", id=job_id)
    unsure = [call["step_id"] for call in calls if call["outcome"] in {"pending", "unknown"}]
    assert set(unsure) <= lost
    # A call is written down before its request leaves, so a kill may fall between the two.
    assert len(vendor.seen) <= len(calls) <= len(vendor.seen) + len(unsure)


async def test_hints_sent_three_times_do_nothing_more(running: System, vendor: ScriptedVendor) -> None:
    from app.settings import Settings
    from workers.celery_app import TASK, make_celery

    celery = make_celery(Settings(redis_url=running.redis_url))
    vendor.always("scripted", Behaviour(delay_seconds=0.2))
    running.start("worker")
    await running.workers_ready(1)
    jobs = [await running.submit(SHORT) for _ in range(8)]
    steps = await running.rows("SELECT id, tenant_id FROM job_steps")
    for _ in range(3):
        for step in steps:
            await asyncio.to_thread(
                celery.send_task,
                TASK,
                kwargs={"step_id": str(step["id"]), "tenant_id": str(step["tenant_id"])},
                queue=celery.conf.task_default_queue,
            )
    running.start("relay")
    for job_id in jobs:
        await running.finished(job_id)
        await check_invariants(running, job_id)
    assert len(vendor.seen) == len(jobs)
    celery.close()


async def test_after_its_rest_a_vendor_that_failed_once_is_asked_again(
    running: System, vendor: ScriptedVendor
) -> None:
    vendor.script("scripted", Behaviour(status=500))
    relay, worker = running.start("relay"), running.start("worker")
    await running.workers_ready(1)
    job_id = await running.submit(SHORT)
    memory = synchronous.Redis.from_url(running.redis_url)

    async def the_breaker_is_open() -> bool:
        return bool(memory.keys("breaker:*"))

    await until(the_breaker_is_open, running.autopsy)
    # Nobody remembers the rest but Redis, and there it is over.
    relay.kill()
    worker.terminate()
    (breaker,) = memory.keys("breaker:*")
    memory.hset(breaker, "until", 1)
    await running.rows("UPDATE job_steps SET run_after = clock_timestamp() RETURNING id")
    running.start("relay")
    running.start("worker")
    await running.finished(job_id, seconds=15)
    await check_invariants(running, job_id)
    assert len(vendor.seen) == 2
    assert not memory.exists(breaker)
    memory.close()


async def test_a_relay_that_dies_after_sending_is_replaced(running: System, vendor: ScriptedVendor) -> None:
    relay = running.start("relay")
    running.start("worker")
    await running.workers_ready(1)
    first = await running.submit(SHORT)
    await running.finished(first)
    relay.kill()
    second = await running.submit(SHORT + " It was cold.")
    # A hint was marked and never sent: the next relay offers the step again when the hint is stale.
    async with running.database.system.system() as session:
        steps = await dispatch.pick(session, lane=Lane.INTERACTIVE, slots=1, stale_hint_seconds=2.0)
        assert len(steps) == 1
        await dispatch.mark_hinted(session, [(step, None) for step in steps])
    running.start("relay")
    await running.finished(second, seconds=10)
    await check_invariants(running, second)
    assert len(vendor.seen) == 2


@pytest.mark.parametrize(
    "outage_seconds", [3, pytest.param(60, marks=[MARKED, pytest.mark.timeout(300)])], ids="{}s".format
)
async def test_redis_killed_with_steps_in_flight_loses_nothing(
    database: TestDatabase,
    tmp_path: Path,
    keyring: LocalKeyring,
    service_folder: Path,
    vendor: ScriptedVendor,
    entra: RunningEntra,
    outage_seconds: int,
) -> None:
    """Nothing is persisted in Redis, the workers stay up, running steps finish once, the API takes work."""
    entra.reset()
    async with database.owner.system() as session:
        await import_tenants(session, seed_tenants())
    with (
        EmbeddedValkey(service_folder / tmp_path.name) as valkey,
        system(database, valkey.url, tmp_path, keyring) as running,
    ):
        await running.configure(platform=platform(vendor.base_url))
        vendor.always("scripted", Behaviour(delay_seconds=0.5))
        (worker,) = running.start_all()
        await running.workers_ready(1)
        async with serve(running, entra) as api:
            house = House(running, entra, api)
            jobs = [await running.submit(f"{SHORT} It is report {number}.") for number in range(12)]

            async def in_flight() -> bool:
                return len(vendor.seen) >= 4

            await until(in_flight, running.autopsy)
            valkey.kill()
            accepted = [await house.submit({"input": {"text": SHORT}})]
            await asyncio.sleep(outage_seconds)  # the outage itself
            accepted.append(await house.submit({"input": {"text": SHORT}}))
            assert [answer.status_code for answer in accepted] == [202, 202]
            valkey.start()
            for job_id in jobs:
                await running.finished(job_id)
                await check_invariants(running, job_id)
            for answer in accepted:
                assert (await house.finished(answer.json()["id"]))["state"] == "succeeded"
            assert worker.alive
            assert len(vendor.seen) == len(jobs) + len(accepted)
            for client in house.clients.values():
                await client.aclose()


async def test_a_worker_frozen_past_its_lease_writes_nothing_when_it_wakes(
    running: System, vendor: ScriptedVendor
) -> None:
    vendor.always("scripted", Behaviour(delay_seconds=1.0))
    running.start("relay")
    running.start("reaper")
    sleeper = running.start("worker")
    await running.workers_ready(1)
    job_id = await running.submit(SHORT)

    async def claimed() -> bool:
        return len(vendor.seen) == 1

    await until(claimed, running.autopsy)
    sleeper.freeze()
    running.start("worker")
    await running.finished(job_id)
    result = await check_invariants(running, job_id)
    client = synchronous.Redis.from_url(running.redis_url)
    stream = f"events:{running.database.tenant_id}:{job_id}"
    events = client.xlen(stream)
    (before,) = await running.rows(
        "SELECT fencing, sealed_output FROM job_steps WHERE job_id = :id", id=job_id
    )
    sleeper.thaw()

    async def noticed() -> bool:
        return "lease lost" in sleeper.log.read_text() or await settled(running)

    await until(noticed, running.autopsy)
    (after,) = await running.rows(
        "SELECT fencing, sealed_output FROM job_steps WHERE job_id = :id", id=job_id
    )
    assert after == before
    assert before["fencing"] == 2
    assert client.xlen(stream) == events
    client.close()
    assert await check_invariants(running, job_id) == result
    calls = await running.rows("SELECT outcome, fencing FROM model_calls ORDER BY fencing")
    assert [call["fencing"] for call in calls] == [1, 2]


async def settled(running: System) -> bool:
    """Every call in the ledger has an outcome."""
    return not await running.rows("SELECT 1 FROM model_calls WHERE outcome = 'pending'")


async def stop_job(running: System, job_id: UUID) -> str:
    database = running.database
    async with database.app.tenant(database.tenant_id) as session:
        return await cancel(
            session, tenant_id=database.tenant_id, member_id=database.member_id, job_id=job_id
        )


async def test_cancelling_a_running_job_closes_the_vendors_socket_within_a_second(
    running: System, vendor: ScriptedVendor
) -> None:
    vendor.always("scripted", Behaviour(stall=True))
    running.start_all()
    job_id = await running.submit(SHORT)

    async def asked() -> bool:
        return len(vendor.seen) == 1

    await until(asked, running.autopsy)
    stopped = time.monotonic()
    assert await stop_job(running, job_id) == "cancelled"

    async def closed() -> bool:
        return vendor.abandoned == 1

    await until(closed, running.autopsy, seconds=5)
    assert time.monotonic() - stopped < 1.0
    await until(lambda: settled(running), running.autopsy)
    assert (await running.job(job_id))["state"] == "cancelled"
    (call,) = await running.rows("SELECT outcome, cost_micros, reserved_micros FROM model_calls")
    assert call["outcome"] == "cancelled"
    assert call["cost_micros"] == call["reserved_micros"] > 0


async def test_a_queued_job_is_cancelled_at_once_and_a_finished_one_stays_finished(
    running: System, vendor: ScriptedVendor
) -> None:
    cancelled = await running.submit(SHORT)
    kept = await running.submit(SHORT)
    assert await stop_job(running, cancelled) == "cancelled"
    # Accepted while nobody was there, it starts as soon as somebody is.
    running.start_all()
    await running.finished(kept)
    assert await stop_job(running, kept) == "succeeded"
    await check_invariants(running, kept)
    assert (await running.job(cancelled))["state"] == "cancelled"
    assert len(vendor.seen) == 1


async def test_a_terminated_worker_hands_its_steps_back(running: System, vendor: ScriptedVendor) -> None:
    vendor.always("scripted", Behaviour(stall=True))
    (worker,) = running.start_all()
    job_id = await running.submit(SHORT)

    async def asked() -> bool:
        return len(vendor.seen) == 1

    await until(asked, running.autopsy)
    vendor.always("scripted", None)
    started = time.monotonic()
    await asyncio.to_thread(worker.terminate)
    assert time.monotonic() - started < 6
    (step,) = await running.rows("SELECT state, attempt FROM job_steps")
    assert (step["state"], step["attempt"]) == ("queued", 0)
    running.start("worker")
    await running.finished(job_id)
    await check_invariants(running, job_id)
