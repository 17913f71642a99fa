"""What processes share through Redis, and may lose: run a script, or say that Redis is away."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from app.core.logging import get_logger

_log = get_logger(__name__)

_PATIENCE_SECONDS = 0.5
"""A model call does not wait longer than this for bookkeeping."""
_PAUSE_SECONDS = 2.0
"""After a failure nobody asks again for so long, so that a frozen server costs one wait, not one a call."""


class SharedMemory:
    """Runs Lua scripts in Redis. While Redis is away `run` answers None at once."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._away_until = 0.0

    async def run(self, script: str, sha: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """The script's answer; None when Redis is away. `sha` is the script's SHA-1."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                try:
                    return await self._redis.evalsha(sha, len(keys), *keys, *arguments)
                except NoScriptError:
                    return await self._redis.eval(script, len(keys), *keys, *arguments)
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = time.monotonic() + _PAUSE_SECONDS
            _log.info("redis is away, this process counts alone", reason=type(error).__name__)
            return None
