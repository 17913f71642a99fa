"""Requests and tokens per minute, and calls at once, per deployment: counted in Redis, on Redis's clock.

One script takes the ordered candidates, asks each one's breaker and limits, and takes the first that
is free: one round trip, before a request leaves or when dispatch plans it. Calls at once are leases that
expire; requests and tokens are counted by second over the last sixty, so no minute, wherever it
begins, holds more than the limit. A place that dispatch reserved is counted anew, with what the request
really asks for, when the request leaves. While Redis is away each process counts alone.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

from app.pools.local_limits import LocalLimits
from app.pools.shared_memory import SharedMemory
from app.pools.traffic import Traffic
from app.pools.values import DeploymentFacts

LEASE_SECONDS = 15.0
"""How long a reservation that nobody uses is held."""
PROBE_SECONDS = 30.0
"""How long others wait for the probe of a half-open breaker."""

_NO_LIMITS = " -1 -1 -1"

_TAKE = """
local time = redis.call('TIME')
local second = tonumber(time[1])
local now = second * 1000 + math.floor(time[2] / 1000)
local holder, numbers = ARGV[1], {}
for number in string.gmatch(ARGV[2], '[^ ]+') do table.insert(numbers, tonumber(number)) end
local lease, probe, tokens = numbers[1], numbers[2], numbers[3]
local reserved, reserved_second, reserved_tokens = numbers[4], numbers[5], numbers[6]
local answer = {0, 0, second}

local function breaker_wait(key)
  local state = redis.call('HMGET', key, 'until', 'probe', 'prober')
  if not state[1] then return 0, false end
  local wait = tonumber(state[1]) - now
  -- Another's probe may end at any moment: ask again soon. Whoever planned to probe goes on to do it.
  if wait <= 0 and tonumber(state[2] or 0) > now and state[3] ~= holder then wait = 1000 end
  return wait, wait <= 0
end

-- What the holder reserved is taken out of the count: it is counted again with what is asked for now.
local function uncount(key)
  if redis.call('HEXISTS', key, 'r' .. reserved_second) == 1 then
    redis.call('HINCRBY', key, 'r' .. reserved_second, -1)
    redis.call('HINCRBY', key, 't' .. reserved_second, -reserved_tokens)
    return true
  end
  return false
end

local function count(key, second, tokens)
  redis.call('HINCRBY', key, 'r' .. second, 1)
  redis.call('HINCRBY', key, 't' .. second, tokens)
  redis.call('EXPIRE', key, 62)
end

local function window_wait(key, rpm, tpm)
  local requests, spent, seconds, fields = {}, {}, {}, redis.call('HGETALL', key)
  local all_requests, all_tokens = 0, 0
  for f = 1, #fields, 2 do
    local at, count = tonumber(string.sub(fields[f], 2)), tonumber(fields[f + 1])
    if at < second - 60 then
      redis.call('HDEL', key, fields[f])
    elseif string.sub(fields[f], 1, 1) == 'r' then
      requests[at] = count; all_requests = all_requests + count; table.insert(seconds, at)
    else
      spent[at] = count; all_tokens = all_tokens + count
    end
  end
  local too_many = rpm >= 0 and all_requests + 1 - rpm or 0
  local too_much = tpm >= 0 and all_tokens > 0 and all_tokens + tokens - tpm or 0
  if too_many <= 0 and too_much <= 0 then return 0 end
  table.sort(seconds)
  for _, at in ipairs(seconds) do
    too_many = too_many - requests[at]; too_much = too_much - (spent[at] or 0)
    all_tokens = all_tokens - (spent[at] or 0)
    if too_many <= 0 and (too_much <= 0 or all_tokens <= 0) then return (at + 61) * 1000 - now end
  end
  return 61000
end

local function limits_of(place)
  local rpm, tpm, at_once = numbers[3 * place + 4], numbers[3 * place + 5], numbers[3 * place + 6]
  return rpm, tpm, at_once, rpm >= 0 or tpm >= 0 or at_once >= 0
end

-- Whoever goes elsewhere leaves the place that was reserved at once, and not in a round trip of its own.
local function leave(place)
  local at, _, limited = 1, nil, nil
  for before = 1, place - 1 do
    _, _, _, limited = limits_of(before)
    at = at + (limited and 3 or 1)
  end
  if redis.call('HGET', KEYS[at], 'prober') == holder then redis.call('HDEL', KEYS[at], 'probe', 'prober') end
  _, _, _, limited = limits_of(place)
  if limited then
    redis.call('ZREM', KEYS[at + 1], holder)
    uncount(KEYS[at + 2])
  end
end

local key = 1
for i = 1, (#numbers - 6) / 3 do
  local rpm, tpm, at_once, limited = limits_of(i)
  local by_minute = rpm >= 0 or tpm >= 0
  local breaker, leases, window = KEYS[key], KEYS[key + 1], KEYS[key + 2]
  key = key + (limited and 3 or 1)
  local wait, probing = breaker_wait(breaker)
  local kind, held = 1, false
  if wait <= 0 and limited then
    kind = 2
    redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
    held = redis.call('ZSCORE', leases, holder)
    if not held and at_once >= 0 and redis.call('ZCARD', leases) >= at_once then wait = 500 end
    if wait <= 0 and by_minute then
      local uncounted = held and reserved == i and uncount(window)
      wait = window_wait(window, rpm, tpm)
      -- Refused: the reservation stays counted as it was, until it is given back.
      if wait > 0 and uncounted then count(window, reserved_second, reserved_tokens) end
    end
  end
  if wait <= 0 then
    if reserved > 0 and reserved ~= i then leave(reserved) end
    if probing then
      redis.call('HSET', breaker, 'probe', now + probe, 'prober', holder)
    end
    if limited then
      redis.call('ZADD', leases, now + lease, holder)
      redis.call('PEXPIRE', leases, math.max(lease + 1000, redis.call('PTTL', leases)))
      if by_minute then count(window, second, tokens) end
    end
    answer[1], answer[2] = i, probing and 1 or 0
    return answer
  end
  table.insert(answer, kind)
  table.insert(answer, wait)
end
return answer
"""
_RELEASE = """
-- A probe that ended without an answer leaves the next one free.
if redis.call('HGET', KEYS[1], 'prober') == ARGV[1] then redis.call('HDEL', KEYS[1], 'probe', 'prober') end
if #KEYS == 1 then return 1 end
redis.call('ZREM', KEYS[2], ARGV[1])
for kind, given_back in pairs({r = tonumber(ARGV[3]), t = tonumber(ARGV[4])}) do
  if given_back > 0 and redis.call('HEXISTS', KEYS[3], kind .. ARGV[2]) == 1 then
    redis.call('HINCRBY', KEYS[3], kind .. ARGV[2], -given_back)
  end
end
return 1
"""
_TAKE_SHA = hashlib.sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()
_RELEASE_SHA = hashlib.sha1(_RELEASE.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Grant:
    """The chosen candidate. `second` is the one its tokens were counted in; give the grant back.

    `resting` tells, by position, how many seconds the breakers of the passed-over stay open.
    """

    index: int
    deployment: DeploymentFacts
    holder: str
    tokens: int
    second: int
    probe: bool = False
    local: bool = False
    resting: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Nobody is free. `resting` tells which are so for a breaker: seconds by candidate's position."""

    retry_after_seconds: float
    resting: Mapping[int, float]


class Limits:
    """Takes and gives back places at deployments."""

    def __init__(self, redis: Redis) -> None:
        self._memory = SharedMemory(redis)
        self.traffic = Traffic(self._memory)
        """How fast and busy deployments are; what it asks goes out with what is asked here."""
        self._alone = LocalLimits()

    async def reserve(
        self,
        candidates: Sequence[DeploymentFacts],
        *,
        tokens: int,
        holder: str,
        seconds: float = LEASE_SECONDS,
        reserved: Grant | None = None,
    ) -> Grant | Refusal:
        """Take a place at the first candidate whose breaker is closed and whose limits allow it.

        `tokens` is input plus the most output; `holder` names the taker; the lease ends after `seconds`.
        A taker that holds a lease keeps that place, and `reserved`, what it was granted before, is replaced
        in the count by what it asks for now. If it is granted another of the candidates, it has left that place.
        """
        keys: list[str] = []
        # One argument of many numbers: the client encodes each argument by itself, at 3 microseconds each.
        numbers = (
            f"{round(seconds * 1000)} {round(PROBE_SECONDS * 1000)} {tokens}{_reserved(candidates, reserved)}"
        )
        for deployment in candidates:
            keys += keys_of(deployment)
            numbers += _NO_LIMITS if not deployment.limited else _limits(deployment)
        answer = await self._memory.run(_TAKE, _TAKE_SHA, keys, [holder, numbers])
        if answer is None:
            return self._reserve_alone(candidates, tokens, holder, seconds)
        chosen, probe, second, *waits = (int(value) for value in answer)
        pairs = list(zip(waits[::2], waits[1::2], strict=True))
        resting = {position: wait / 1000 for position, (kind, wait) in enumerate(pairs) if kind == 1}
        if not chosen:
            return Refusal(min(wait for _, wait in pairs) / 1000, resting)
        return Grant(
            chosen - 1, candidates[chosen - 1], holder, tokens, second, probe=bool(probe), resting=resting
        )

    def _reserve_alone(
        self, candidates: Sequence[DeploymentFacts], tokens: int, holder: str, seconds: float
    ) -> Grant | Refusal:
        now = time.time()
        waits = []
        for index, deployment in enumerate(candidates):
            wait = self._alone.take(deployment, tokens=tokens, holder=holder, seconds=seconds, now=now)
            if wait <= 0:
                return Grant(index, deployment, holder, tokens, int(now), local=True)
            waits.append(wait)
        return Refusal(min(waits), {})

    async def release(self, grant: Grant, *, used_tokens: int | None) -> None:
        """Give the place back. None means that no request left: request and tokens are given back too."""
        if not grant.deployment.limited and not grant.probe:
            return
        if grant.local:
            self._alone.release(
                grant.deployment.id,
                holder=grant.holder,
                second=grant.second,
                tokens=grant.tokens,
                used_tokens=used_tokens,
            )
            return
        unused = grant.tokens if used_tokens is None else max(0, grant.tokens - used_tokens)
        await self._memory.run(
            _RELEASE,
            _RELEASE_SHA,
            keys_of(grant.deployment),
            [grant.holder, grant.second, int(used_tokens is None), unused],
        )


def keys_of(deployment: DeploymentFacts) -> list[str]:
    """The breaker, and for a deployment with limits its leases and its minute."""
    if not deployment.limited:
        return [deployment.breaker_key]
    return [deployment.breaker_key, f"leases:{deployment.id}", f"minute:{deployment.id}"]


def _reserved(candidates: Sequence[DeploymentFacts], grant: Grant | None) -> str:
    """Which candidate a reservation stands at (from 1; 0 for none), when it was counted, and how much."""
    if grant is None:
        return " 0 0 0"
    places = [place for place, deployment in enumerate(candidates, 1) if deployment.id == grant.deployment.id]
    return f" {places[0] if places else 0} {grant.second} {grant.tokens}"


def _limits(deployment: DeploymentFacts) -> str:
    limits = (deployment.requests_per_minute, deployment.tokens_per_minute, deployment.concurrency)
    return "".join(f" {-1 if limit is None else limit}" for limit in limits)
