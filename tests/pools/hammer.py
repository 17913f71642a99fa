"""A process that takes and gives back places at one deployment, and says what it was granted.

`python -m tests.pools.hammer REDIS_URL '{"id": ..., "asks": ..., "tokens": ..., "die": ..., <limits>}'`
"""

import asyncio
import json
import os
import sys
from typing import Any
from uuid import UUID

from app.core.clock import new_id
from app.core.redis import connect
from app.pools.limits import Grant, Limits
from app.pools.values import DeploymentFacts
from tests.pools.builders import deployment

INSIDE = "test:inside"
"""How many hold a place now, counted by the holders themselves."""


def place(told: dict[str, Any]) -> DeploymentFacts:
    """The deployment that all processes ask for."""
    limits = {name: told.get(name) for name in ("requests_per_minute", "tokens_per_minute", "concurrency")}
    return deployment("hammered", id=UUID(told["id"]), **limits)


async def hammer(url: str, told: dict[str, Any]) -> None:
    """Ask eight at a time; print the most that were inside at once and how many were granted."""
    redis, asked, tokens = connect(url), place(told), int(told["tokens"])
    limits, most, granted = Limits(redis), 0, 0

    async def ask() -> None:
        nonlocal most, granted
        answer = await limits.reserve([asked], tokens=tokens, holder=str(new_id()), seconds=told["seconds"])
        if not isinstance(answer, Grant):
            return
        assert not answer.local
        granted += 1
        if told.get("die"):
            return
        most = max(most, await redis.incr(INSIDE))
        await redis.decr(INSIDE)
        await limits.release(answer, used_tokens=tokens)

    await redis.ping()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for _ in range(told["asks"] // 8):
        await asyncio.gather(*(ask() for _ in range(8)))
    print(json.dumps({"most": most, "granted": granted}), flush=True)
    if told.get("die"):
        os.kill(os.getpid(), 9)
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(hammer(sys.argv[1], json.loads(sys.argv[2])))
