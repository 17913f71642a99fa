"""How many second fallbacks a pool may make, so that an outage does not multiply the load."""

import time
from collections.abc import Callable
from uuid import UUID

_SHARE = 0.10
_LEAST_A_MINUTE = 10
_WINDOW_SECONDS = 60.0


class RetryBudget:
    """Per pool and process: attempts beyond the first fallback, at most 10 % of calls or ten a minute."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pools: dict[UUID, _Minute] = {}

    def called(self, pool_id: UUID) -> None:
        """Count a call (not its further attempts)."""
        self._minute(pool_id).calls += 1

    def take(self, pool_id: UUID) -> bool:
        """Take one attempt beyond the first fallback; False when the budget is used up."""
        minute = self._minute(pool_id)
        allowed = max(_LEAST_A_MINUTE, _SHARE * max(minute.calls, minute.calls_before))
        if minute.retries >= allowed:
            return False
        minute.retries += 1
        return True

    def _minute(self, pool_id: UUID) -> "_Minute":
        now = self._clock()
        minute = self._pools.get(pool_id)
        if minute is None or now - minute.began >= _WINDOW_SECONDS:
            before = 0 if minute is None or now - minute.began >= 2 * _WINDOW_SECONDS else minute.calls
            minute = self._pools[pool_id] = _Minute(now, before)
        return minute


class _Minute:
    """Counts of the minute that began at `began`, and the calls of the one before."""

    __slots__ = ("began", "calls", "calls_before", "retries")

    def __init__(self, began: float, calls_before: int) -> None:
        self.began = began
        self.calls_before = calls_before
        self.calls = 0
        self.retries = 0
