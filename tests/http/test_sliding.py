"""Counts over a moving window: the law that no window holds more than the quota, in memory and in Redis."""

import itertools
import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from app.http.sliding import SharedCounts, SlidingCounts, Subject

_WINDOW = 60.0
_BEGUN = 1_800_000_000.0
_gaps = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 2), st.floats(0, 130), st.floats(49, 61)),
    max_size=120,
)


def _times(gaps: Sequence[float]) -> list[float]:
    return [_BEGUN + passed for passed in itertools.accumulate(gaps)]


@given(_gaps, st.integers(1, 12), st.sampled_from([6, 60]))
def test_no_window_wherever_it_begins_holds_more_than_the_quota(
    gaps: list[float], quota: int, parts: int
) -> None:
    counts, subject = SlidingCounts(most=1, parts=parts), Subject("a", quota, _WINDOW)
    admitted = [now for now in _times(gaps) if counts.admit([subject], now)[0].used <= quota]
    assert all(later - former > _WINDOW for former, later in zip(admitted, admitted[quota:], strict=False))


@given(_gaps, st.integers(1, 12), st.sampled_from([6, 60]))
def test_what_is_said_to_be_left_is_left_and_more_comes_when_it_was_said_to(
    gaps: list[float], quota: int, parts: int
) -> None:
    counts, subject = SlidingCounts(most=1, parts=parts), Subject("a", quota, _WINDOW)
    now, (found,) = _BEGUN, counts.admit([subject], _BEGUN)
    for now in _times(gaps):
        (found,) = counts.admit([subject], now)
    for left in range(max(0, quota - found.used), 0, -1):
        (found,) = counts.admit([subject], now)
        assert found.used == quota - left + 1
    (full,) = counts.admit([subject], now)
    assert full.used == quota + 1
    assert 0 < full.frees_in <= _WINDOW * (parts + 1) / parts + 1e-3
    assert counts.admit([subject], now + full.frees_in + 1e-3)[0].used <= quota


def test_a_steady_caller_at_its_quota_is_never_refused() -> None:
    counts, subject = SlidingCounts(most=1), Subject("a", 59, _WINDOW)
    assert all(counts.admit([subject], _BEGUN + step * 60 / 58)[0].used <= 59 for step in range(1000))


def test_who_is_full_takes_nothing_from_whoever_is_counted_beside() -> None:
    counts = SlidingCounts(most=2)
    member, tenant = Subject("m", 2, _WINDOW), Subject("t", 10, _WINDOW)
    for _ in range(9):
        counts.admit([member, tenant], _BEGUN)
    assert [one.used for one in counts.admit([member, tenant], _BEGUN)] == [3, 2]


def test_memory_is_bounded_and_comes_back() -> None:
    counts = SlidingCounts(most=2)
    one, two, three = (Subject(name, 1, _WINDOW) for name in "abc")
    for subject in (one, two, three):
        counts.add(subject, _BEGUN)
    assert [counts.count(subject, _BEGUN).used for subject in (one, two, three)] == [1, 1, 0]
    later = _BEGUN + 2 * _WINDOW
    counts.add(three, later)
    assert counts.count(three, later).used == 1


async def test_redis_counts_as_memory_does(redis: Redis) -> None:
    """So the laws hold there, too: 600 requests at moments of any kind."""
    chance = random.Random(7)
    shared, alone = SharedCounts(redis), SlidingCounts(most=10)
    subjects = [Subject("rate/{a}/m", 4, _WINDOW), Subject("rate/{a}/t", 7, _WINDOW)]
    other = [Subject("rate/{a}/n", 4, _WINDOW), subjects[1]]
    now, refused = _BEGUN, 0
    for _ in range(600):
        now += chance.choice([0, 0, 0, 0.25, 3.5, 1.0, 1.0, 7.0, 60.0, 61.0])
        asked = chance.choice([subjects, other])
        found, wanted = await shared.admit(asked, now=now), alone.admit(asked, now)
        assert [one.used for one in found] == [one.used for one in wanted]
        for one, other_one in zip(found, wanted, strict=True):
            assert abs(one.frees_in - other_one.frees_in) < 0.002
        refused += any(one.used > subject.quota for one, subject in zip(found, asked, strict=True))
    assert 100 < refused < 500
    # Of each key no more is kept than a window holds.
    assert await redis.hlen(subjects[1].key) <= 61


async def test_by_itself_redis_has_the_time(redis: Redis) -> None:
    shared, subject = SharedCounts(redis), Subject("rate/{a}/m", 1, _WINDOW)
    (first,), (second,) = await shared.admit([subject]), await shared.admit([subject])
    assert (first.used, second.used) == (1, 2)
    assert 58 < second.frees_in <= 61
