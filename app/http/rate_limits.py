"""How often somebody may ask: each member and each tenant in a window of time, counted in Redis.

A window is a number in the key, so that one `INCR` says how much is left and when it begins anew: one round
trip. Windows of different keys begin at different moments, so nobody's end is everybody's. While Redis is
away each process counts for itself: requests pass, and a flood is still bounded.

Fields: draft-ietf-httpapi-ratelimit-headers-11, and the three of its revisions up to 06 for older clients.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.types import Scope

from app.core.errors import Throttled
from app.core.logging import get_logger
from app.identity.principal import Principal
from app.settings import Settings

_log = get_logger(__name__)
STANDINGS = "switchboard.rate_limits"
"""Where a request's scope holds the caller's standings, for `RateLimitFields`."""
_SHARED_SECONDS = 0.5
"""More than a healthy Redis needs; a request never waits longer for its count."""
_AWAY_SECONDS = 5.0
"""How long a Redis that did not answer is left alone."""
_MOST_REFUSED = 10_000


@dataclass(frozen=True)
class Policy:
    """So many requests in each window of so many seconds, by the name that clients see."""

    name: str
    quota: int
    window_seconds: int = 60


PROBES = Policy("probes", 10)
"""Calls of models that administrators make to see whether they answer: each costs money."""


@dataclass(frozen=True)
class Standing:
    """Where a caller stands under a policy after a request."""

    policy: Policy
    used: int
    reset_seconds: int

    @property
    def remaining(self) -> int:
        """Requests left until the window ends."""
        return max(0, self.policy.quota - self.used)

    @property
    def is_exceeded(self) -> bool:
        """Whether this very request was one too many."""
        return self.used > self.policy.quota


class TooManyRequests(Throttled):
    """The caller, or its whole organisation, asks too often."""

    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, standing: Standing) -> None:
        whose = "You send" if standing.policy.name == "member" else "Your organisation sends"
        what = "probes" if standing.policy is PROBES else "requests"
        super().__init__(
            f"{whose} more than {standing.policy.quota} {what} in {standing.policy.window_seconds} seconds;"
            f" go on in {standing.reset_seconds} seconds. The RateLimit fields say how many are left.",
            target=standing.policy.name,
            retry_after_seconds=standing.reset_seconds,
        )


class RateLimits:
    """Counts requests of known callers. Make it on the loop that serves them."""

    def __init__(self, redis: Redis, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._member = Policy("member", settings.rate_limit_member)
        self._tenant = Policy("tenant", settings.rate_limit_tenant)
        self._clock = clock
        self._shared = RedisStorage(
            f"async+{settings.required('redis_url')}",
            implementation="redispy",
            key_prefix="rate",
            connection_pool=redis.connection_pool,  # type: ignore[arg-type] # narrower than what it hands on
        )
        self._local = MemoryStorage()
        self._away_until = -math.inf
        self._refused: dict[str, float] = {}

    async def admit(self, scope: Scope, principal: Principal) -> None:
        """Count a request once, however often it is asked about. Raises: `TooManyRequests`."""
        if STANDINGS in scope:
            return
        standings = await self._count(
            (
                (self._member, f"m/{principal.tenant_id.hex}/{principal.member_id.hex}"),
                (self._tenant, f"t/{principal.tenant_id.hex}"),
            )
        )
        scope[STANDINGS] = standings
        for standing in standings:
            if standing.is_exceeded:
                raise TooManyRequests(standing)

    async def admit_probe(self, tenant_id: UUID) -> None:
        """Count a probe of a tenant's. Raises: `TooManyRequests`."""
        (standing,) = await self._count(((PROBES, f"p/{tenant_id.hex}"),))
        if standing.is_exceeded:
            raise TooManyRequests(standing)

    async def _count(self, subjects: Sequence[tuple[Policy, str]]) -> list[Standing]:
        now = self._clock()
        windows = [_Window.at(now, policy, subject) for policy, subject in subjects]
        for window in windows:
            # Whoever was refused stays so until the window ends: a flood reaches neither Redis nor the
            # count of its colleagues.
            if self._refused.get(window.key, 0.0) > now:
                return [Standing(window.policy, window.policy.quota + 1, window.reset_seconds)]
        counts = await self._increase([(one.key, one.policy.window_seconds) for one in windows])
        standings = [
            Standing(one.policy, used, one.reset_seconds) for one, used in zip(windows, counts, strict=True)
        ]
        for window, standing in zip(windows, standings, strict=True):
            if standing.is_exceeded:
                self._refuse_until(window.key, now + window.reset_seconds, now)
        return standings

    async def _increase(self, keys: Sequence[tuple[str, int]]) -> list[int]:
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(_SHARED_SECONDS):
                    return await _increase(self._shared, keys)
            except (RedisError, TimeoutError, OSError) as error:
                self._away_until = time.monotonic() + _AWAY_SECONDS
                _log.info("rate limits are counted in this process", reason=type(error).__name__)
        return await _increase(self._local, keys)

    def _refuse_until(self, key: str, until: float, now: float) -> None:
        if len(self._refused) >= _MOST_REFUSED:
            self._refused = {one: end for one, end in self._refused.items() if end > now}
        if len(self._refused) < _MOST_REFUSED:
            self._refused[key] = until


async def _increase(storage: Storage, keys: Sequence[tuple[str, int]]) -> list[int]:
    return await asyncio.gather(*(storage.incr(key, seconds) for key, seconds in keys))


@dataclass(frozen=True)
class _Window:
    """The window that a moment is in."""

    policy: Policy
    key: str
    reset_seconds: int

    @classmethod
    def at(cls, now: float, policy: Policy, subject: str) -> "_Window":
        seconds = policy.window_seconds
        shift = int.from_bytes(hashlib.blake2b(subject.encode(), digest_size=4).digest()) % seconds
        number, passed = divmod(now + shift, seconds)
        return cls(policy, f"{subject}/{int(number)}", max(1, math.ceil(seconds - passed)))
