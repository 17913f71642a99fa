"""How often somebody may ask: each member and each tenant in any minute, counted in Redis.

A request counts for its member and its tenant in one round trip, or, refused, for neither. Windows move with the
clock (sliding.py): what was used comes back bit by bit, and no stretch of a minute holds more than the quota. While
Redis is away each process counts for itself: requests pass, and a flood is still bounded.

Fields: draft-ietf-httpapi-ratelimit-headers-11, and the three of its revisions up to 06 for older clients.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.types import Scope

from app.core.errors import Throttled
from app.core.logging import get_logger
from app.http.sliding import Counted, SharedCounts, SlidingCounts, Subject
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
_MOST_COUNTED = 100_000
"""Members and tenants that a process counts by itself."""


@dataclass(frozen=True)
class Policy:
    """So many requests in any so many seconds, by the name that clients see."""

    name: str
    quota: int
    window_seconds: int = 60


PROBES = Policy("probes", 10)
"""Calls of models that administrators make to see whether they answer: each costs money."""


@dataclass(frozen=True)
class Standing:
    """Where a caller stands under a policy after a request; in `reset_seconds` there are more left than now."""

    policy: Policy
    used: int
    reset_seconds: int

    @classmethod
    def of(cls, policy: Policy, counted: Counted) -> "Standing":
        """As counted; seconds are rounded up, so that nobody comes back too early."""
        return cls(policy, counted.used, max(1, math.ceil(counted.frees_in)))

    @property
    def remaining(self) -> int:
        """Requests left for now."""
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

    def __init__(self, redis: Redis, settings: Settings, *, clock: Callable[[], float] | None = None) -> None:
        """With a `clock` of one's own Redis's is not asked."""
        self._member = Policy("member", settings.rate_limit_member)
        self._tenant = Policy("tenant", settings.rate_limit_tenant)
        self._given_clock = clock
        self._clock = clock or time.monotonic
        self._shared = SharedCounts(redis)
        self._local = SlidingCounts(most=_MOST_COUNTED)
        self._away_until = -math.inf
        self._refused: dict[str, float] = {}

    async def admit(self, scope: Scope, principal: Principal) -> None:
        """Count a request once, however often it is asked about. Raises: `TooManyRequests`."""
        if STANDINGS in scope:
            return
        standings = await self._count(
            (
                (self._member, _key(principal.tenant_id, f"m/{principal.member_id.hex}")),
                (self._tenant, _key(principal.tenant_id, "t")),
            )
        )
        scope[STANDINGS] = standings
        for standing in standings:
            if standing.is_exceeded:
                raise TooManyRequests(standing)

    async def admit_probe(self, tenant_id: UUID) -> None:
        """Count a probe of a tenant's. Raises: `TooManyRequests`."""
        (standing,) = await self._count(((PROBES, _key(tenant_id, "p")),))
        if standing.is_exceeded:
            raise TooManyRequests(standing)

    async def _count(self, subjects: Sequence[tuple[Policy, str]]) -> list[Standing]:
        now = self._clock()
        for policy, key in subjects:
            # Whoever was refused stays so until there is something left: a flood does not reach Redis.
            if (left := self._refused.get(key, -math.inf) - now) > 0:
                return [Standing.of(policy, Counted(policy.quota + 1, left))]
        counted = await self._admit(
            [Subject(key, one.quota, one.window_seconds) for one, key in subjects], now
        )
        for (policy, key), found in zip(subjects, counted, strict=True):
            if found.used > policy.quota:
                self._refuse_until(key, now + found.frees_in, now)
        return [Standing.of(one, found) for (one, _), found in zip(subjects, counted, strict=True)]

    async def _admit(self, subjects: Sequence[Subject], now: float) -> list[Counted]:
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(_SHARED_SECONDS):
                    return await self._shared.admit(subjects, now=None if self._given_clock is None else now)
            except (RedisError, TimeoutError, OSError) as error:
                self._away_until = time.monotonic() + _AWAY_SECONDS
                _log.info("rate limits are counted in this process", reason=type(error).__name__)
        return self._local.admit(subjects, now)

    def _refuse_until(self, key: str, until: float, now: float) -> None:
        if len(self._refused) >= _MOST_REFUSED:
            self._refused = {one: end for one, end in self._refused.items() if end > now}
        if len(self._refused) < _MOST_REFUSED:
            self._refused[key] = until


def _key(tenant_id: UUID, whose: str) -> str:
    """What is counted of a tenant lies in one slot of a Redis cluster: the braces say so."""
    return f"rate/{{{tenant_id.hex}}}/{whose}"
