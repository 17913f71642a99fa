"""Events of a job: a Redis stream per job, sealed, and the one schema of what a task pane sees.

    state {state}                          progress {phase, done, total, message}
    text {sentence, citations}             restarted {from}        snapshot {text}
    waiting {reason, expires_at}           result {link}           error {error}
    warning {code, message, resets_at}

`snapshot` and `restarted` replace the text shown; `result` is authoritative. A stream may be lost with
Redis: an event's id is `{epoch}.{redis id}`, and an unknown epoch means "begin with a snapshot".
"""

import asyncio
import contextlib
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.core.crypto import Place, SealBroken, Sealer
from app.core.logging import get_logger

_log = get_logger(__name__)

EPOCH_KEY = "switchboard:epoch"
_LIFETIME_SECONDS = 900
_EPOCH_SECONDS = 0.9
_MAX_EVENTS = 2000
_REDIS_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")

# A holder that lost its lease has a smaller fencing number than the one stored: its event is refused.
_APPEND = """
local stored = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
local given = tonumber(ARGV[2])
if given < stored then return false end
if given > stored then
  redis.call('HSET', KEYS[2], ARGV[1], given)
  redis.call('EXPIRE', KEYS[2], ARGV[6])
end
if ARGV[3] == '' then return '' end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], '*', 'type', ARGV[3], 'payload', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return id
"""


@dataclass(frozen=True)
class Event:
    """One event; `id` is empty for one that is not in a stream (a snapshot made from the database)."""

    type: str
    body: Mapping[str, Any]
    id: str = ""


def _stream(tenant_id: UUID, job_id: UUID) -> str:
    return f"events:{tenant_id}:{job_id}"


def _place(job_id: UUID) -> Place:
    return Place("events", job_id, "payload")


async def current_epoch(redis: Redis) -> str:
    """The name of this life of Redis: made anew when Redis comes back empty."""
    await redis.set(EPOCH_KEY, secrets.token_hex(4), nx=True)
    value = await redis.get(EPOCH_KEY)
    return value.decode() if isinstance(value, bytes) else str(value)


async def erase_streams(redis: Redis, tenant_id: UUID, job_ids: Sequence[UUID]) -> None:
    """Delete the events of these jobs."""
    names = [_stream(tenant_id, job_id) for job_id in job_ids]
    if names:
        await redis.unlink(*names, *(f"{name}:fences" for name in names))


class EventWriter:
    """Appends a step's events. Events may be lost; losing one never fails the work."""

    def __init__(self, redis: Redis) -> None:
        self._append = redis.register_script(_APPEND)

    async def emit(
        self,
        sealer: Sealer,
        *,
        job_id: UUID,
        step_id: UUID,
        fencing: int,
        event_type: str,
        body: Mapping[str, Any],
    ) -> bool:
        """Append unless a newer holder of the step has written; True if it was taken."""
        payload = json.dumps({**body, "step_id": str(step_id), "fencing": fencing}, ensure_ascii=False)
        sealed = bytes(sealer.seal(_place(job_id), payload.encode()))
        return await self._run(sealer.tenant_id, job_id, step_id, fencing, event_type, sealed)

    async def take_over(self, tenant_id: UUID, job_id: UUID, step_id: UUID, fencing: int) -> bool:
        """Refuse the events of earlier holders of the step from now on."""
        return await self._run(tenant_id, job_id, step_id, fencing, "", b"")

    async def _run(
        self, tenant_id: UUID, job_id: UUID, step_id: UUID, fencing: int, event_type: str, sealed: bytes
    ) -> bool:
        stream = _stream(tenant_id, job_id)
        try:
            taken = await self._append(
                keys=[stream, f"{stream}:fences"],
                args=[str(step_id), fencing, event_type, sealed, _MAX_EVENTS, _LIFETIME_SECONDS],
            )
        except (RedisError, OSError) as error:
            _log.info("event not written", job_id=str(job_id), reason=type(error).__name__)
            return False
        return taken is not None


class EventHub:
    """Reads the streams of all jobs that this process shows, with one blocking XREAD for all of them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._wake = f"events:wake:{secrets.token_hex(8)}"
        self._readers: dict[str, dict[asyncio.Queue[tuple[str, dict[bytes, bytes]]], str]] = {}
        self._changed = asyncio.Event()
        self._known_epoch, self._epoch_until = "none", 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin reading on the running loop."""
        self._task = asyncio.create_task(self._read_forever(), name="event-hub")

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def follow(
        self,
        sealer: Sealer,
        *,
        job_id: UUID,
        after: str = "0",
        idle_seconds: float = 1.0,
        renew: Callable[[], Awaitable[Sealer]] | None = None,
    ) -> AsyncIterator[Event | None]:
        """A job's events after a Redis id; None whenever `idle_seconds` pass without one, and for one that is unreadable.

        `renew` gives a sealer that knows data keys made since: a stream may outlive a rotation.
        """
        stream = _stream(sealer.tenant_id, job_id)
        queue: asyncio.Queue[tuple[str, dict[bytes, bytes]]] = asyncio.Queue()
        self._readers.setdefault(stream, {})[queue] = after
        try:
            await self._wake_up()
            epoch = await self._epoch()
            while True:
                try:
                    redis_id, fields = await asyncio.wait_for(queue.get(), idle_seconds)
                except TimeoutError:
                    epoch = await self._epoch()
                    yield None
                    continue
                if renew is not None and not sealer.knows(fields[b"payload"]):
                    sealer = await renew()
                try:
                    payload = json.loads(sealer.open(_place(job_id), fields[b"payload"]))
                except SealBroken:
                    # It is in the log. For the reader it is lost like any event may be; the job's row tells the end.
                    yield None
                    continue
                yield Event(fields[b"type"].decode(), payload, f"{epoch}.{redis_id}")
        finally:
            readers = self._readers.get(stream, {})
            readers.pop(queue, None)
            if not readers:
                self._readers.pop(stream, None)

    async def position(self, sealer: Sealer, *, job_id: UUID, last_event_id: str | None) -> str | None:
        """The Redis id to read after; None when the stream no longer holds what came before it."""
        if not last_event_id:
            return "0"
        epoch, _, redis_id = last_event_id.partition(".")
        # It comes from the client and goes into the read that all streams share: exactly Redis's form.
        if not _REDIS_ID.fullmatch(redis_id) or max(_order(redis_id)) >= 2**63:
            return None
        try:
            if epoch != await current_epoch(self._redis):
                return None
            oldest: Any = await self._redis.xrange(_stream(sealer.tenant_id, job_id), count=1)
        except (RedisError, OSError):
            return None
        if not oldest or _order(redis_id) < _order(oldest[0][0].decode()):
            return None
        return redis_id

    async def exists(self, sealer: Sealer, *, job_id: UUID) -> bool:
        """Whether the job still has a stream; False while Redis is away."""
        try:
            return bool(await self._redis.exists(_stream(sealer.tenant_id, job_id)))
        except (RedisError, OSError):
            return False

    async def _epoch(self) -> str:
        """The epoch, asked for at most once a second for all streams of this process."""
        now = time.monotonic()
        if now >= self._epoch_until:
            try:
                self._known_epoch = await current_epoch(self._redis)
            except (RedisError, OSError):
                self._known_epoch = "none"
            self._epoch_until = now + _EPOCH_SECONDS
        return self._known_epoch

    async def _wake_up(self) -> None:
        self._changed.set()
        with contextlib.suppress(RedisError, OSError):
            await self._redis.xadd(self._wake, {"n": 1}, maxlen=1, approximate=False)
            await self._redis.expire(self._wake, 60)

    async def _read_forever(self) -> None:
        wake_after = "0-0"
        while True:
            self._changed.clear()
            positions: dict[Any, Any] = {
                stream: min(readers.values(), key=_order) for stream, readers in self._readers.items()
            }
            if not positions:
                await self._changed.wait()
                continue
            try:
                found: Any = await self._redis.xread(
                    {**positions, self._wake: wake_after}, block=1000, count=500
                )
            except (RedisError, OSError):
                # Redis is away; readers see no events meanwhile and the door falls back to the database.
                await asyncio.sleep(0.25)
                continue
            for name, entries in found or ():
                if name.decode() == self._wake:
                    wake_after = entries[-1][0].decode()
                else:
                    self._deliver(name.decode(), entries, since=positions[name.decode()])

    def _deliver(self, stream: str, entries: list[tuple[bytes, dict[bytes, bytes]]], *, since: str) -> None:
        """Give entries read after `since` to those who have all that came before; the next read serves others."""
        readers = self._readers.get(stream, {})
        complete = [queue for queue, after in readers.items() if _order(after) >= _order(since)]
        for raw_id, fields in entries:
            redis_id = raw_id.decode()
            for queue in complete:
                if _order(redis_id) > _order(readers[queue]):
                    readers[queue] = redis_id
                    queue.put_nowait((redis_id, fields))


def _order(redis_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = redis_id.partition("-")
    return int(milliseconds), int(sequence or 0)
