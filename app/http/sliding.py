"""Counts over a window that moves with the clock, in parts: never more than a quota in any stretch of its length.

A window is cut into equal parts. Counted are the part that a moment is in and the `PARTS` whole ones before it,
which reach back at least the window: so whatever was admitted within a window before an admission is counted there,
and a boundary that lets twice the quota through does not exist. The price: what was used comes back up to one part
later than the window says. The same in memory and, for all processes together, in Redis.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

PARTS = 60


@dataclass(frozen=True)
class Counted:
    """What was counted, and in how many seconds the oldest of it does not count any more."""

    used: int
    frees_in: float


@dataclass(frozen=True)
class Subject:
    """Who is counted, against how many in how many seconds."""

    key: str
    quota: int
    window_seconds: float


@dataclass
class _Parts:
    """Numbers of parts with their counts, the oldest first."""

    counts: deque[list[int]] = field(default_factory=deque)
    over_at: float = 0.0


class SlidingCounts:
    """Counts in this process, of at most `most` keys; beyond, new keys are not counted."""

    def __init__(self, *, most: int, parts: int = PARTS) -> None:
        self._most = most
        self._parts = parts
        self._known: dict[str, _Parts] = {}
        self._swept_at = float("-inf")

    def __len__(self) -> int:
        """How many keys are kept."""
        return len(self._known)

    def count(self, subject: Subject, now: float) -> Counted:
        """What counts now. `now` never goes back."""
        part = subject.window_seconds / self._parts
        found = self._known.get(subject.key)
        current = int(now // part)
        counts = () if found is None else found.counts
        while counts and counts[0][0] < current - self._parts:
            found.counts.popleft()  # type: ignore[union-attr] # there are counts
        oldest = counts[0][0] if counts else current
        return Counted(sum(one[1] for one in counts), (oldest + self._parts + 1) * part - now)

    def add(self, subject: Subject, now: float) -> None:
        """Count one more."""
        part = subject.window_seconds / self._parts
        found = self._known.get(subject.key)
        if found is None:
            if len(self._known) >= self._most and not self._sweep(now, part):
                return
            found = self._known[subject.key] = _Parts()
        current = int(now // part)
        if not found.counts or found.counts[-1][0] != current:
            found.counts.append([current, 0])
        found.counts[-1][1] += 1
        found.over_at = (current + self._parts + 1) * part

    def admit(self, subjects: Sequence[Subject], now: float) -> list[Counted]:
        """As `admit` below, in this process."""
        counted = [self.count(one, now) for one in subjects]
        if all(found.used < one.quota for one, found in zip(subjects, counted, strict=True)):
            for one in subjects:
                self.add(one, now)
            return [Counted(found.used + 1, found.frees_in) for found in counted]
        return [
            Counted(found.used + (found.used >= one.quota), found.frees_in)
            for one, found in zip(subjects, counted, strict=True)
        ]

    def _sweep(self, now: float, part: float) -> bool:
        """Forget keys of which nothing counts, at most once in a part; whether there is room."""
        if now - self._swept_at >= part:
            self._swept_at = now
            self._known = {key: one for key, one in self._known.items() if one.over_at > now}
        return len(self._known) < self._most


_SCRIPT = """
local parts = tonumber(ARGV[1])
local now = tonumber(ARGV[2])
if now < 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local found, admitted = {}, true
for i, key in ipairs(KEYS) do
  local quota, part = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2]) / parts
  local current, used, gone = math.floor(now / part), 0, {}
  local oldest = current
  local counts = redis.call('HGETALL', key)
  for j = 1, #counts, 2 do
    local number = tonumber(counts[j])
    if number < current - parts then
      gone[#gone + 1] = counts[j]
    else
      used = used + tonumber(counts[j + 1])
      oldest = math.min(oldest, number)
    end
  end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  if used >= quota then admitted = false end
  found[i] = {used = used, full = used >= quota, part = part, current = current, oldest = oldest}
end
local answer = {}
for i, key in ipairs(KEYS) do
  local one = found[i]
  if admitted then
    redis.call('HINCRBY', key, string.format('%.0f', one.current), 1)
    redis.call('PEXPIRE', key, math.ceil(one.part * (parts + 1) * 1000))
  end
  if admitted or one.full then one.used = one.used + 1 end
  answer[i] = {one.used, math.ceil(((one.oldest + parts + 1) * one.part - now) * 1000)}
end
return answer
"""


class SharedCounts:
    """Counts of all processes in Redis, by Redis's own clock: the keys of one call must hash to one slot."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(_SCRIPT)

    async def admit(self, subjects: Sequence[Subject], *, now: float | None = None) -> list[Counted]:
        """Count one more of each, or of none if one of them is full, in one round trip.

        Of a subject that is full the answer is more than its quota. `now` stands in for Redis's clock.
        """
        given: list[str | float] = [PARTS, -1 if now is None else repr(now)]
        for one in subjects:
            given += [one.quota, one.window_seconds]
        answer = await self._script(keys=[one.key for one in subjects], args=given)
        return [Counted(used, milliseconds / 1000) for used, milliseconds in answer]
