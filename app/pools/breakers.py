"""How long a deployment rests after a failure. The only place where a rest is computed.

closed ──failure with a rest──► open until now + rest ──time passes──► half-open: one probe
   ▲                              ▲                                        │
   └────────── success ───────────┼────────────────────────────────────────┤
                                  └──────────────── failure ───────────────┘

A breaker belongs to (provider with its credential, region, model), so deployments that share those rest
together. Its state is in Redis on Redis's clock; each process remembers what it was told, and goes on
with that memory while Redis is away.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from uuid import UUID

from redis.asyncio import Redis

from app.pools.shared_memory import SharedMemory
from app.pools.values import DeploymentFacts

LONGEST_REST_SECONDS = 3600.0
"""A vendor's Retry-After is believed up to here."""

_FAIL = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rest = tonumber(ARGV[1])
local known = tonumber(redis.call('HGET', KEYS[1], 'until') or 0)
local rests_until = math.max(known, now + rest)
redis.call('HSET', KEYS[1], 'until', rests_until)
redis.call('HDEL', KEYS[1], 'probe', 'prober')
redis.call('PEXPIRE', KEYS[1], rests_until - now + 600000)
return rests_until - now
"""
_CLOSE = "return redis.call('DEL', KEYS[1])"
_FAIL_SHA = hashlib.sha1(_FAIL.encode(), usedforsecurity=False).hexdigest()
_CLOSE_SHA = hashlib.sha1(_CLOSE.encode(), usedforsecurity=False).hexdigest()


class Breakers:
    """Which deployments rest, shared by all processes."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._memory = SharedMemory(redis)
        self._clock = clock
        self._until: dict[str, float] = {}

    def resting(self, deployments: Iterable[DeploymentFacts]) -> dict[UUID, float]:
        """What this process knows to be resting: deployment id → epoch second until which. No I/O."""
        if not self._until:
            return {}
        now = self._clock()
        resting = {}
        for deployment in deployments:
            until = self._until.get(deployment.breaker_key, 0.0)
            if until > now:
                resting[deployment.id] = until
        return resting

    def learn(self, deployment: DeploymentFacts, rest_seconds: float) -> None:
        """Remember that a deployment rests, as Redis said when it was asked for something else."""
        self._until[deployment.breaker_key] = self._clock() + rest_seconds

    async def failed(
        self, deployment: DeploymentFacts, *, rest_seconds: float, retry_after_seconds: float | None
    ) -> float:
        """Open the breaker for max(the vendor's Retry-After, the error class's rest); gives the seconds.

        An error without a rest says nothing about the deployment's health and changes nothing.
        """
        rest = min(max(retry_after_seconds or 0.0, rest_seconds), LONGEST_REST_SECONDS)
        if rest <= 0:
            return 0.0
        self.learn(deployment, rest)
        answer = await self._memory.run(
            _FAIL, _FAIL_SHA, [deployment.breaker_key], [max(1, round(rest * 1000))]
        )
        if answer is not None:
            rest = int(answer) / 1000
            self.learn(deployment, rest)
        return rest

    async def answered(self, deployment: DeploymentFacts, *, probe: bool) -> None:
        """The deployment answered: a probe closes the breaker."""
        known = self._until.pop(deployment.breaker_key, None)
        if probe or known is not None:
            await self._memory.run(_CLOSE, _CLOSE_SHA, [deployment.breaker_key], [])
