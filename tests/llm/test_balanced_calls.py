"""Calls of pools that choose by what goes on: figures come from real answers, and a reservation undoes no choice."""

import pytest

from app.core.clock import new_id
from app.pools.dispatching import Reservation
from app.pools.limits import Grant
from app.vocabulary import Strategy
from tests.llm.conftest import Bench
from tests.pools.builders import revision
from tests.wire_formats import Behaviour


async def test_answers_tell_who_is_faster_and_an_older_reservation_does_not_undo_it(bench: Bench) -> None:
    slow, fast = bench.member("slow", concurrency=4), bench.member("fast", concurrency=4)
    pool = revision(slow, fast, strategy=Strategy.LEAST_LATENCY)
    bench.vendor.always("slow", Behaviour(delay_seconds=0.3))
    both = {(await bench.call(pool)).member["deployment"] for _ in range(2)}
    assert both == {"slow", "fast"}, "a member of which nothing was known was not tried"
    grant = await bench.limits.reserve([slow.deployment], tokens=150, holder="step:1")
    assert isinstance(grant, Grant)
    reservation = Reservation(slow, grant, reserved_micros=1, until=0.0).as_json()
    accepted = await bench.call(pool, reservation=reservation)
    assert accepted.member["deployment"] == "fast"
    assert await bench.redis.zcard(f"leases:{slow.deployment.id}") == 0
    await bench.limits.traffic.settled()
    seconds = bench.limits.traffic.figures([slow.deployment])[slow.deployment.id].seconds
    assert seconds == pytest.approx(0.3, rel=0.5)
    await bench.limits.traffic.settled()


async def test_a_place_that_was_reserved_does_not_make_its_own_member_the_busy_one(bench: Bench) -> None:
    alpha, beta = bench.member("alpha", concurrency=2), bench.member("beta", concurrency=4)
    pool = revision(alpha, beta, strategy=Strategy.LEAST_BUSY)
    assert isinstance(await bench.limits.reserve([beta.deployment], tokens=1, holder="other"), Grant)
    grant = await bench.limits.reserve([alpha.deployment], tokens=150, holder="step:1")
    assert isinstance(grant, Grant)
    await bench.limits.traffic.look([alpha.deployment, beta.deployment])
    reservation = Reservation(alpha, grant, reserved_micros=1, until=0.0).as_json()
    accepted = await bench.call(pool, reservation=reservation, job_id=new_id())
    assert accepted.member["deployment"] == "alpha"
    await bench.limits.traffic.settled()
