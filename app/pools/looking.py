"""How busy deployments are and which rest, as all processes know it: one look, nothing is taken or changed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis

from app.pools.limits import keys_of
from app.pools.shared_memory import SharedMemory
from app.pools.values import DeploymentFacts

_LOOK = """
local time = redis.call('TIME')
local second = tonumber(time[1])
local now = second * 1000 + math.floor(time[2] / 1000)
local answer, key = {}, 1
for i = 1, #ARGV do
  table.insert(answer, math.max(0, tonumber(redis.call('HGET', KEYS[key], 'until') or 0) - now))
  local leases, requests, tokens = 0, 0, 0
  if ARGV[i] == '1' then
    leases = redis.call('ZCOUNT', KEYS[key + 1], now, '+inf')
    local fields = redis.call('HGETALL', KEYS[key + 2])
    for f = 1, #fields, 2 do
      if tonumber(string.sub(fields[f], 2)) >= second - 60 then
        if string.sub(fields[f], 1, 1) == 'r' then requests = requests + fields[f + 1]
        else tokens = tokens + fields[f + 1] end
      end
    end
  end
  table.insert(answer, leases)
  table.insert(answer, requests)
  table.insert(answer, tokens)
  key = key + (ARGV[i] == '1' and 3 or 1)
end
return answer
"""
_SHA = hashlib.sha1(_LOOK.encode(), usedforsecurity=False).hexdigest()
_FIGURES = 4


@dataclass(frozen=True)
class Load:
    """What is known of a deployment now. Only deployments with limits are counted; the others show zeros."""

    rests_for_seconds: float
    calls_at_once: int
    requests_last_minute: int
    tokens_last_minute: int


async def loads(redis: Redis, deployments: Sequence[DeploymentFacts]) -> dict[UUID, Load] | None:
    """By deployment id; None while Redis is away, because then each process knows only itself."""
    if not deployments:
        return {}
    keys = [key for one in deployments for key in keys_of(one)]
    limited = ["1" if one.limited else "0" for one in deployments]
    answer = await SharedMemory(redis).run(_LOOK, _SHA, keys, limited)
    if answer is None:
        return None
    figures = [int(value) for value in answer]
    return {
        one.id: Load(figures[at] / 1000, *figures[at + 1 : at + _FIGURES])
        for one, at in zip(deployments, range(0, len(figures), _FIGURES), strict=True)
    }
