import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from app.core.clock import new_id
from app.core.crypto import Sealer
from app.core.redis import connect
from app.jobs.events import EPOCH_KEY, Event, EventHub, EventWriter

KEY = b"k" * 32


@pytest.fixture
async def hub(redis: Redis) -> AsyncIterator[EventHub]:
    running = EventHub(redis)
    running.start()
    yield running
    await running.close()


async def collect(
    hub: EventHub, sealer: Sealer, job_id: UUID, count: int, *, after: str = "0"
) -> list[Event]:
    seen: list[Event] = []
    async with asyncio.timeout(10):
        async for event in hub.follow(sealer, job_id=job_id, after=after):
            if event is not None:
                seen.append(event)
            if len(seen) == count:
                break
    return seen


async def write(
    writer: EventWriter, sealer: Sealer, job_id: UUID, step_id: UUID, number: int, *, fencing: int = 1
) -> bool:
    return await writer.emit(
        sealer, job_id=job_id, step_id=step_id, fencing=fencing, event_type="progress", body={"done": number}
    )


async def test_events_arrive_in_order_and_are_sealed(redis: Redis, hub: EventHub) -> None:
    sealer, job_id, step_id = Sealer(new_id(), {1: KEY}), new_id(), new_id()
    writer = EventWriter(redis)
    for number in range(3):
        assert await write(writer, sealer, job_id, step_id, number)
    events = await collect(hub, sealer, job_id, 3)
    assert [event.body["done"] for event in events] == [0, 1, 2]
    stored: Any = await redis.xrange(f"events:{sealer.tenant_id}:{job_id}")
    assert all(b"done" not in fields[b"payload"] for _, fields in stored)


async def test_a_reader_that_comes_while_a_read_is_under_way_misses_nothing(redis: Redis) -> None:
    sealer, job_id, step_id = Sealer(new_id(), {1: KEY}), new_id(), new_id()
    writer = EventWriter(redis)
    hub = EventHub(redis)
    for number in range(3):
        await write(writer, sealer, job_id, step_id, number)
    stream = f"events:{sealer.tenant_id}:{job_id}"
    everything: Any = await redis.xrange(stream)
    ids: list[bytes] = [entry[0] for entry in everything]
    early: asyncio.Queue[tuple[str, dict[bytes, bytes]]] = asyncio.Queue()
    late: asyncio.Queue[tuple[str, dict[bytes, bytes]]] = asyncio.Queue()
    hub._readers[stream] = {early: ids[1].decode(), late: "0"}
    # The read began after the second event, before the late reader was there.
    since_the_last: Any = await redis.xrange(stream, min=ids[2])
    hub._deliver(stream, since_the_last, since=ids[1].decode())
    assert (early.qsize(), late.qsize()) == (1, 0)
    hub._deliver(stream, everything, since="0")
    assert (early.qsize(), late.qsize()) == (1, 3)


async def test_a_reader_resumes_after_any_event_without_gap_or_duplicate(redis: Redis, hub: EventHub) -> None:
    sealer, job_id, step_id = Sealer(new_id(), {1: KEY}), new_id(), new_id()
    writer = EventWriter(redis)
    for number in range(20):
        await write(writer, sealer, job_id, step_id, number)
    everything = await collect(hub, sealer, job_id, 20)
    for event in everything[:-1]:
        after = await hub.position(sealer, job_id=job_id, last_event_id=event.id)
        assert after is not None
        rest = await collect(hub, sealer, job_id, 19 - event.body["done"], after=after)
        assert [one.body["done"] for one in rest] == list(range(event.body["done"] + 1, 20))


async def test_a_holder_with_an_old_fencing_number_is_refused(redis: Redis) -> None:
    sealer, job_id, step_id = Sealer(new_id(), {1: KEY}), new_id(), new_id()
    writer = EventWriter(redis)
    assert await write(writer, sealer, job_id, step_id, 1, fencing=1)
    assert await write(writer, sealer, job_id, step_id, 2, fencing=2)
    assert not await write(writer, sealer, job_id, step_id, 3, fencing=1)
    assert await redis.xlen(f"events:{sealer.tenant_id}:{job_id}") == 2


async def test_an_unknown_epoch_begins_again(redis: Redis, hub: EventHub) -> None:
    sealer, job_id, step_id = Sealer(new_id(), {1: KEY}), new_id(), new_id()
    writer = EventWriter(redis)
    await write(writer, sealer, job_id, step_id, 1)
    (event,) = await collect(hub, sealer, job_id, 1)
    await redis.delete(EPOCH_KEY)
    assert await hub.position(sealer, job_id=job_id, last_event_id=event.id) is None
    assert await hub.position(sealer, job_id=job_id, last_event_id="nonsense") is None
    assert await hub.position(sealer, job_id=job_id, last_event_id=None) == "0"


async def test_a_trimmed_stream_begins_again(redis: Redis, hub: EventHub) -> None:
    sealer, job_id, step_id = Sealer(new_id(), {1: KEY}), new_id(), new_id()
    writer = EventWriter(redis)
    for number in range(5):
        await write(writer, sealer, job_id, step_id, number)
    first = (await collect(hub, sealer, job_id, 1))[0]
    await redis.xtrim(f"events:{sealer.tenant_id}:{job_id}", maxlen=2, approximate=False)
    assert await hub.position(sealer, job_id=job_id, last_event_id=first.id) is None


async def test_many_readers_share_one_blocking_read(redis: Redis, hub: EventHub) -> None:
    sealer, step_id = Sealer(new_id(), {1: KEY}), new_id()
    jobs = [new_id() for _ in range(30)]
    readers = [asyncio.create_task(collect(hub, sealer, job_id, 5)) for job_id in jobs]
    writer = EventWriter(redis)
    for number in range(5):
        for job_id in jobs:
            await write(writer, sealer, job_id, step_id, number)
    for events in await asyncio.gather(*readers):
        assert [event.body["done"] for event in events] == [0, 1, 2, 3, 4]


async def test_losing_redis_loses_the_event_and_nothing_else() -> None:
    away = connect("redis://127.0.0.1:1/0", timeout_seconds=0.2)
    sealer = Sealer(new_id(), {1: KEY})
    assert not await write(EventWriter(away), sealer, new_id(), new_id(), 1)
    await away.aclose()


async def test_taking_over_writes_no_event_and_refuses_the_earlier_holder(redis: Redis) -> None:
    sealer, job_id, step_id = Sealer(new_id(), {1: KEY}), new_id(), new_id()
    writer = EventWriter(redis)
    assert await write(writer, sealer, job_id, step_id, 1, fencing=1)
    assert await writer.take_over(sealer.tenant_id, job_id, step_id, 2)
    assert not await write(writer, sealer, job_id, step_id, 2, fencing=1)
    assert await redis.xlen(f"events:{sealer.tenant_id}:{job_id}") == 1
