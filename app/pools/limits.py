"""Requests and tokens per minute, and calls at once, per deployment: counted in Redis, on Redis's clock.

One script takes the ordered candidates, asks each one's breaker and limits, and takes the first that
is free: one round trip, before a request leaves or when dispatch plans it. Calls at once are leases that
expire; requests and tokens are counted by second over the last sixty, so no minute, wherever it
begins, holds more than the limit. While Redis is away each process counts alone.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from redis.asyncio import Redis

from app.pools.breakers import breaker_key
from app.pools.local_limits import LocalLimits
from app.pools.shared_memory import SharedMemory
from app.pools.values import DeploymentFacts

LEASE_SECONDS = 15.0
"""How long a reservation that nobody uses is held."""
PROBE_SECONDS = 30.0
"""How long others wait for the probe of a half-open breaker."""

_TAKE = """
local time = redis.call('TIME')
local second = tonumber(time[1])
local now = second * 1000 + math.floor(time[2] / 1000)
local holder, lease, probe, tokens = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local answer = {0, 0, second}

local function breaker_wait(key)
  local state = redis.call('HMGET', key, 'until', 'probe')
  if not state[1] then return 0, false end
  local wait = tonumber(state[1]) - now
  -- Another's probe may end at any moment: ask again soon.
  if wait <= 0 and tonumber(state[2] or 0) > now then wait = 1000 end
  return wait, wait <= 0
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

for i = 1, #KEYS / 3 do
  local breaker, leases, window = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  local at = 4 + (i - 1) * 3
  local rpm, tpm, at_once = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local limited = rpm >= 0 or tpm >= 0 or at_once >= 0
  local wait, probing = breaker_wait(breaker)
  local kind, held = 1, false
  if wait <= 0 and limited then
    kind = 2
    redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
    held = redis.call('ZSCORE', leases, holder)
    if not held and at_once >= 0 and redis.call('ZCARD', leases) >= at_once then wait = 500 end
    if not held and wait <= 0 and (rpm >= 0 or tpm >= 0) then wait = window_wait(window, rpm, tpm) end
  end
  if wait <= 0 then
    if probing then
      redis.call('HSET', breaker, 'probe', now + probe)
    end
    if limited then
      redis.call('ZADD', leases, now + lease, holder)
      redis.call('PEXPIRE', leases, math.max(lease, redis.call('PTTL', leases)) + 1000)
      if not held and (rpm >= 0 or tpm >= 0) then
        redis.call('HINCRBY', window, 'r' .. second, 1)
        redis.call('HINCRBY', window, 't' .. second, tokens)
        redis.call('EXPIRE', window, 62)
      end
    end
    answer[1], answer[2] = i, probing and 1 or 0
    -- A holder's place was counted when it was taken; there is nothing to give back twice.
    if held then answer[3] = 0 end
    return answer
  end
  table.insert(answer, kind)
  table.insert(answer, wait)
end
return answer
"""
_RELEASE = """
redis.call('ZREM', KEYS[1], ARGV[1])
for kind, given_back in pairs({r = tonumber(ARGV[3]), t = tonumber(ARGV[4])}) do
  if given_back > 0 and redis.call('HEXISTS', KEYS[2], kind .. ARGV[2]) == 1 then
    redis.call('HINCRBY', KEYS[2], kind .. ARGV[2], -given_back)
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
        self._alone = LocalLimits()

    async def reserve(
        self,
        candidates: Sequence[DeploymentFacts],
        *,
        tokens: int,
        holder: str,
        seconds: float = LEASE_SECONDS,
    ) -> Grant | Refusal:
        """Take a place at the first candidate whose breaker is closed and whose limits allow it.

        `tokens` is input plus the most output; `holder` names the taker, and one that holds a lease
        already only prolongs it; the lease ends after `seconds`.
        """
        keys: list[str] = []
        arguments: list[str | int] = [holder, round(seconds * 1000), round(PROBE_SECONDS * 1000), tokens]
        for deployment in candidates:
            keys += [breaker_key(deployment), *_keys(deployment.id)]
            arguments += [
                -1 if limit is None else limit
                for limit in (
                    deployment.requests_per_minute,
                    deployment.tokens_per_minute,
                    deployment.concurrency,
                )
            ]
        answer = await self._memory.run(_TAKE, _TAKE_SHA, keys, arguments)
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
            second = 0 if self._alone.holds(deployment.id, holder) else int(now)
            wait = self._alone.take(deployment, tokens=tokens, holder=holder, seconds=seconds, now=now)
            if wait <= 0:
                return Grant(index, deployment, holder, tokens, second, local=True)
            waits.append(wait)
        return Refusal(min(waits), {})

    async def release(self, grant: Grant, *, used_tokens: int | None) -> None:
        """Give the place back. None means that no request left: request and tokens are given back too."""
        if not grant.deployment.limited:
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
            _keys(grant.deployment.id),
            [grant.holder, grant.second, int(used_tokens is None), unused],
        )


def _keys(deployment_id: UUID) -> list[str]:
    return [f"leases:{deployment_id}", f"minute:{deployment_id}"]
