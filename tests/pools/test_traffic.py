"""Figures of deployments: what one process saw, the others know; nobody waits for them."""

import pytest
from redis.asyncio import Redis

from app.pools.balancing import UNKNOWN
from app.pools.limits import Grant, Limits
from app.pools.traffic import FRESH_SECONDS
from tests.pools.builders import deployment


async def test_what_one_process_has_seen_another_knows_with_the_calls_of_all(redis: Redis) -> None:
    here, there = Limits(redis), Limits(redis)
    place = deployment(concurrency=4)
    assert isinstance(await here.reserve([place], tokens=1, holder="a"), Grant)
    here.traffic.ended(place, seconds=2.0)
    here.traffic.ended(place, seconds=0.5)
    await here.traffic.settled()
    assert there.traffic.figures([place]) == {place.id: UNKNOWN}
    await there.traffic.settled()
    known = there.traffic.figures([place])[place.id]
    assert known.calls == 1
    # The faster answer came at once after the peak and has hardly moved it.
    assert known.seconds == pytest.approx(2.0, rel=0.05)


async def test_figures_are_looked_at_again_when_they_are_old_and_not_before(redis: Redis) -> None:
    limits, place = Limits(redis), deployment(concurrency=4)
    clock = [0.0]
    limits.traffic._clock = lambda: clock[0]
    limits.traffic.figures([place])
    await limits.traffic.settled()
    await limits.reserve([place], tokens=1, holder="a")
    for moved, calls in ((FRESH_SECONDS / 2, 0), (FRESH_SECONDS, 1)):
        clock[0] = moved
        limits.traffic.figures([place])
        await limits.traffic.settled()
        assert limits.traffic.figures([place])[place.id].calls == calls


async def test_a_call_that_began_here_counts_before_anybody_looks(redis: Redis) -> None:
    limits, place = Limits(redis), deployment()
    limits.traffic.took(place)
    assert limits.traffic.figures([place])[place.id].calls == 1
    limits.traffic.ended(place, seconds=None)
    await limits.traffic.settled()
    assert limits.traffic.figures([place])[place.id] == UNKNOWN
