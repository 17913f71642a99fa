"""How fast deployments answer and how many calls they have, for pools that choose by it; shared through Redis.

Nothing waits for it: selection takes the figures that this process has, and asks for newer ones meanwhile, in the
same round trip as the place that it reserves next. While Redis is away each process knows what it saw itself.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.pools.balancing import BALANCED, DECAY_SECONDS, UNKNOWN, Figures, decayed, peak_ewma
from app.pools.shared_memory import SharedMemory
from app.pools.values import DeploymentFacts, PoolMemberFacts, RevisionFacts

FRESH_SECONDS = 0.25
_FORGOTTEN_SECONDS = 60
"""By then a figure has decayed to nothing."""

# The average in microseconds, and when it was written in milliseconds of Redis's clock.
_NOTE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local sample, known = tonumber(ARGV[1]), redis.call('HMGET', KEYS[1], 'average', 'at')
local average = tonumber(known[1])
if not average or sample >= average then average = sample
else
  local kept = math.exp((tonumber(known[2]) - now) / tonumber(ARGV[2]))
  average = average * kept + sample * (1 - kept)
end
redis.call('HSET', KEYS[1], 'average', math.floor(average), 'at', now)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
_LOOK = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {}
for i = 1, #KEYS, 2 do
  local known = redis.call('HMGET', KEYS[i], 'average', 'at')
  table.insert(answer, known[1] and tonumber(known[1]) or -1)
  table.insert(answer, known[2] and now - tonumber(known[2]) or 0)
  table.insert(answer, redis.call('ZCOUNT', KEYS[i + 1], now, '+inf'))
end
return answer
"""
_NOTE_SHA = hashlib.sha1(_NOTE.encode(), usedforsecurity=False).hexdigest()
_LOOK_SHA = hashlib.sha1(_LOOK.encode(), usedforsecurity=False).hexdigest()


@dataclass
class _Seen:
    """Of one deployment; `calls` are those that all processes have, and those that this one has begun since."""

    average: float | None = None
    noted_at: float = 0.0
    calls: int = 0


class Traffic:
    """One per process and Redis."""

    def __init__(self, memory: SharedMemory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = memory
        self._clock = clock
        self._seen: dict[UUID, _Seen] = {}
        self._looked_at: dict[UUID, float] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def figures(self, deployments: Iterable[DeploymentFacts]) -> Mapping[UUID, Figures]:
        """What this process knows now, by deployment id; it looks again if that is old. No I/O is waited for."""
        known, now = list(deployments), self._clock()
        old = [one for one in known if now - self._looked_at.get(one.id, -FRESH_SECONDS) >= FRESH_SECONDS]
        if old:
            self._looked_at.update((one.id, now) for one in old)
            self._start(self.look(old))
        return {one.id: self._figures(one.id, now) for one in known}

    def took(self, deployment: DeploymentFacts) -> None:
        """A call begins here: counted until the next look shows it."""
        self._of(deployment.id).calls += 1

    def ended(self, deployment: DeploymentFacts, *, seconds: float | None) -> None:
        """A call is over; `seconds` if it says how fast the deployment is. Told to the others in the background."""
        seen, now = self._of(deployment.id), self._clock()
        seen.calls = max(0, seen.calls - 1)
        if seconds is None:
            return
        seen.average = peak_ewma(seen.average, seconds, after_seconds=now - seen.noted_at)
        seen.noted_at = now
        self._start(self._note(deployment, seconds))

    async def look(self, deployments: Iterable[DeploymentFacts]) -> None:
        """Read what all processes know."""
        asked = list(deployments)
        keys = [key for one in asked for key in (_key(one), f"leases:{one.id}")]
        answer = await self._memory.run(_LOOK, _LOOK_SHA, keys, [])
        if answer is None:
            return
        now = self._clock()
        self._looked_at.update((one.id, now) for one in asked)
        for one, average, age, calls in zip(asked, answer[::3], answer[1::3], answer[2::3], strict=True):
            seen = self._of(one.id)
            if one.limited:
                seen.calls = int(calls)
            if int(average) >= 0:
                seen.average, seen.noted_at = int(average) / 1e6, now - int(age) / 1000

    async def settled(self) -> None:
        """Until what was started in the background is over."""
        await asyncio.gather(*self._under_way)

    async def _note(self, deployment: DeploymentFacts, seconds: float) -> None:
        await self._memory.run(
            _NOTE,
            _NOTE_SHA,
            [_key(deployment)],
            [round(seconds * 1e6), round(DECAY_SECONDS * 1000), _FORGOTTEN_SECONDS],
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _of(self, deployment_id: UUID) -> _Seen:
        return self._seen.setdefault(deployment_id, _Seen())

    def _figures(self, deployment_id: UUID, now: float) -> Figures:
        seen = self._seen.get(deployment_id)
        if seen is None:
            return UNKNOWN
        average = seen.average
        return Figures(
            None if average is None else decayed(average, age_seconds=max(0.0, now - seen.noted_at)),
            seen.calls,
        )


class Pace:
    """How long a member took, for pools that choose by it: an answer, or the time in which there was none."""

    def __init__(self, traffic: Traffic, revision: RevisionFacts, member: PoolMemberFacts) -> None:
        self._traffic = traffic if revision.strategy in BALANCED else None
        self._deployment = member.deployment
        self._began: float | None = None
        self._seconds: float | None = None

    def begin(self) -> None:
        """A request leaves."""
        self._began = time.monotonic()
        if self._traffic is not None:
            self._traffic.took(self._deployment)

    def answered(self) -> None:
        """What happened says how fast the deployment is; that a request was refused does not."""
        if self._began is not None:
            self._seconds = time.monotonic() - self._began

    def end(self) -> None:
        """The request is over, if one left."""
        if self._traffic is not None and self._began is not None:
            self._traffic.ended(self._deployment, seconds=self._seconds)


def _key(deployment: DeploymentFacts) -> str:
    return f"pace:{deployment.id}"
