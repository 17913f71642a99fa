"""Limits and breakers in a real Redis: never exceeded, one probe, and calls go on without Redis."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from app.core.clock import new_id
from app.core.redis import connect
from app.pools.breakers import LONGEST_REST_SECONDS, Breakers
from app.pools.limits import Grant, Limits, Refusal
from app.pools.local_limits import LocalLimits
from app.pools.retry_budget import RetryBudget
from tests.pools.builders import deployment, provider


async def test_fifty_takers_at_once_never_exceed_what_may_run_at_once(redis: Redis) -> None:
    place = deployment(concurrency=7)
    two_processes = [Limits(redis), Limits(redis)]
    answers = await asyncio.gather(
        *(
            two_processes[number % 2].reserve([place], tokens=10, holder=f"taker-{number}")
            for number in range(50)
        )
    )
    assert sum(isinstance(answer, Grant) for answer in answers) == 7
    assert all(0 < answer.retry_after_seconds <= 1 for answer in answers if isinstance(answer, Refusal))


async def test_a_place_given_back_can_be_taken_again(redis: Redis) -> None:
    limits, place = Limits(redis), deployment(concurrency=1)
    first = await limits.reserve([place], tokens=10, holder="one")
    assert isinstance(first, Grant)
    assert isinstance(await limits.reserve([place], tokens=10, holder="two"), Refusal)
    await limits.release(first, used_tokens=10)
    assert isinstance(await limits.reserve([place], tokens=10, holder="two"), Grant)


async def test_a_holder_that_reserved_before_prolongs_its_place_and_is_counted_once(redis: Redis) -> None:
    limits, place = Limits(redis), deployment(concurrency=1, requests_per_minute=1)
    reserved = await limits.reserve([place], tokens=10, holder="step:1")
    assert isinstance(reserved, Grant)
    again = await limits.reserve([place], tokens=10, holder="step:1", seconds=120, reserved=reserved)
    assert isinstance(again, Grant)
    assert await redis.zcard(f"leases:{place.id}") == 1


async def test_a_reserved_place_is_counted_with_what_the_request_asks_for(redis: Redis) -> None:
    limits, place = Limits(redis), deployment(tokens_per_minute=2000)
    planned = [await limits.reserve([place], tokens=600, holder=f"step:{number}") for number in range(3)]
    asked = [
        await limits.reserve([place], tokens=900, holder=f"step:{number}", reserved=grant)
        for number, grant in enumerate(planned)
        if isinstance(grant, Grant)
    ]
    assert [isinstance(answer, Grant) for answer in asked] == [False, False, False]
    # Refused, a reservation counts until it is given back; then the others have room.
    for grant in planned[1:]:
        assert isinstance(grant, Grant)
        await limits.release(grant, used_tokens=None)
    assert isinstance(planned[0], Grant)
    first = await limits.reserve([place], tokens=900, holder="step:0", reserved=planned[0])
    assert isinstance(first, Grant)
    assert isinstance(await limits.reserve([place], tokens=1100, holder="other"), Grant)
    assert isinstance(await limits.reserve([place], tokens=1, holder="late"), Refusal)
    await limits.release(first, used_tokens=100)
    assert isinstance(await limits.reserve([place], tokens=800, holder="late"), Grant)


async def test_a_reservation_whose_place_was_given_back_is_not_taken_out_of_the_count_again(
    redis: Redis,
) -> None:
    limits, place = Limits(redis), deployment(tokens_per_minute=1000)
    planned = await limits.reserve([place], tokens=400, holder="step:1")
    assert isinstance(planned, Grant)
    await limits.release(planned, used_tokens=None)
    assert isinstance(await limits.reserve([place], tokens=600, holder="other"), Grant)
    late = await limits.reserve([place], tokens=400, holder="step:1", reserved=planned)
    assert isinstance(late, Grant)
    assert isinstance(await limits.reserve([place], tokens=1, holder="more"), Refusal)


async def test_a_lease_that_nobody_uses_ends_by_itself(redis: Redis) -> None:
    limits, place = Limits(redis), deployment(concurrency=1)
    await limits.reserve([place], tokens=10, holder="lost", seconds=0.001)
    seconds, micros = await redis.time()
    while (await redis.time()) == (seconds, micros) or (await redis.time())[1] - micros < 2000:
        pass
    assert isinstance(await limits.reserve([place], tokens=10, holder="next"), Grant)


async def test_fifty_takers_at_once_never_exceed_requests_and_tokens_per_minute(redis: Redis) -> None:
    limits = Limits(redis)
    by_requests = deployment(requests_per_minute=12)
    by_tokens = deployment(tokens_per_minute=1000)
    for place, fit in ((by_requests, 12), (by_tokens, 10)):
        answers = await asyncio.gather(
            *(limits.reserve([place], tokens=100, holder=f"{number}") for number in range(50))
        )
        refused = [answer for answer in answers if isinstance(answer, Refusal)]
        assert len(answers) - len(refused) == fit
        assert all(55 < answer.retry_after_seconds <= 61 for answer in refused)


async def test_tokens_that_were_not_used_are_given_back(redis: Redis) -> None:
    limits, place = Limits(redis), deployment(tokens_per_minute=1000)
    first = await limits.reserve([place], tokens=900, holder="one")
    assert isinstance(first, Grant)
    assert isinstance(await limits.reserve([place], tokens=900, holder="two"), Refusal)
    await limits.release(first, used_tokens=50)
    assert isinstance(await limits.reserve([place], tokens=900, holder="two"), Grant)


async def test_a_request_larger_than_the_whole_limit_goes_alone_instead_of_never(redis: Redis) -> None:
    limits, place = Limits(redis), deployment(tokens_per_minute=100)
    assert isinstance(await limits.reserve([place], tokens=500, holder="large"), Grant)
    assert isinstance(await limits.reserve([place], tokens=1, holder="small"), Refusal)


async def test_the_first_free_candidate_is_taken_in_one_round_trip(redis: Redis) -> None:
    limits = Limits(redis)
    full, free = deployment("full", concurrency=1), deployment("free", concurrency=1)
    await limits.reserve([full], tokens=1, holder="other")
    before = (await redis.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0)
    answer = await limits.reserve([full, free], tokens=1, holder="me")
    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert isinstance(answer, Grant)
    assert answer.deployment is free
    assert after - before == 1


async def test_what_is_asked_at_once_goes_in_one_round_trip_even_when_redis_has_forgotten_the_script(
    redis: Redis,
) -> None:
    limits, places = Limits(redis), [deployment(f"place-{number}", concurrency=1) for number in range(16)]
    await redis.script_flush()

    async def reads() -> int:
        return int((await redis.info("stats"))["total_reads_processed"])

    before = await reads()
    answers = await asyncio.gather(
        *(limits.reserve([place], tokens=1, holder=place.name) for place in places)
    )
    assert [answer.deployment for answer in answers if isinstance(answer, Grant)] == places
    # Sixteen by digest, the script and sixteen again, and the question itself.
    assert await reads() - before <= 3
    refused = await limits.reserve([places[3]], tokens=1, holder="another")
    assert isinstance(refused, Refusal)


async def test_a_taker_that_is_cancelled_leaves_the_others_their_answers(redis: Redis) -> None:
    limits, place = Limits(redis), deployment(concurrency=3)
    takers = [
        asyncio.create_task(limits.reserve([place], tokens=1, holder=f"{number}")) for number in range(3)
    ]
    await asyncio.sleep(0)
    takers[1].cancel()
    answers = await asyncio.gather(*takers, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Grant, asyncio.CancelledError, Grant]


async def test_a_rest_is_the_larger_of_the_vendors_wish_and_the_errors_own(redis: Redis) -> None:
    breakers = Breakers(redis)
    wished, own, endless, healthy = (deployment(name) for name in "abcd")
    assert await breakers.failed(wished, rest_seconds=30, retry_after_seconds=90) == 90
    assert await breakers.failed(own, rest_seconds=30, retry_after_seconds=2) == 30
    assert await breakers.failed(endless, rest_seconds=1, retry_after_seconds=1e9) == LONGEST_REST_SECONDS
    assert await breakers.failed(healthy, rest_seconds=0, retry_after_seconds=None) == 0
    assert set(breakers.resting([wished, own, endless, healthy])) == {wished.id, own.id, endless.id}


async def test_a_breaker_opened_by_one_process_holds_for_all(redis: Redis) -> None:
    here, there, limits = Breakers(redis), Breakers(redis), Limits(redis)
    tired, fresh = deployment("tired"), deployment("fresh")
    await here.failed(tired, rest_seconds=15, retry_after_seconds=None)
    answer = await limits.reserve([tired, fresh], tokens=1, holder="x")
    assert isinstance(answer, Grant)
    assert answer.deployment is fresh
    assert 14 < answer.resting[0] <= 15
    there.learn(tired, answer.resting[0])
    assert tired.id in there.resting([tired])


async def test_after_the_rest_one_probe_goes_and_its_success_closes_the_breaker(redis: Redis) -> None:
    breakers, limits, place = Breakers(redis), Limits(redis), deployment()
    await breakers.failed(place, rest_seconds=15, retry_after_seconds=None)
    await redis.hset(place.breaker_key, "until", 1)
    answers = await asyncio.gather(
        *(limits.reserve([place], tokens=1, holder=f"{number}") for number in range(20))
    )
    probes = [answer for answer in answers if isinstance(answer, Grant)]
    assert [probe.probe for probe in probes] == [True]
    assert {a.retry_after_seconds for a in answers if isinstance(a, Refusal)} == {1.0}
    await breakers.answered(place, probe=True)
    assert isinstance(await limits.reserve([place], tokens=1, holder="later"), Grant)
    assert not await redis.exists(place.breaker_key)


async def test_whoever_planned_the_probe_goes_on_to_make_it(redis: Redis) -> None:
    breakers, limits, place = Breakers(redis), Limits(redis), deployment()
    await breakers.failed(place, rest_seconds=15, retry_after_seconds=None)
    await redis.hset(place.breaker_key, "until", 1)
    planned = await limits.reserve([place], tokens=1, holder="step:1")
    assert isinstance(await limits.reserve([place], tokens=1, holder="step:2"), Refusal)
    asked = await limits.reserve([place], tokens=1, holder="step:1", seconds=60)
    assert isinstance(planned, Grant)
    assert isinstance(asked, Grant)
    assert asked.probe


async def test_a_probe_that_ended_without_an_answer_leaves_the_next_one_free(redis: Redis) -> None:
    breakers, limits, place = Breakers(redis), Limits(redis), deployment()
    await breakers.failed(place, rest_seconds=15, retry_after_seconds=None)
    await redis.hset(place.breaker_key, "until", 1)
    planned = await limits.reserve([place], tokens=1, holder="step:1")
    assert isinstance(planned, Grant)
    await limits.release(planned, used_tokens=None)
    assert isinstance(await limits.reserve([place], tokens=1, holder="step:2"), Grant)
    # Giving back late what another has taken meanwhile changes nothing.
    await limits.release(planned, used_tokens=None)
    assert isinstance(await limits.reserve([place], tokens=1, holder="step:3"), Refusal)


async def test_deployments_of_one_account_region_and_model_rest_together(redis: Redis) -> None:
    account = provider()
    one, same, other = (
        deployment("one", provider=account, model_name="m"),
        deployment("same", provider=account, model_name="m"),
        deployment("other", provider=account, model_name="n"),
    )
    breakers = Breakers(redis)
    await breakers.failed(one, rest_seconds=15, retry_after_seconds=None)
    assert set(breakers.resting([one, same, other])) == {one.id, same.id}


async def test_without_redis_a_process_counts_alone_and_nothing_fails() -> None:
    away = connect("redis://127.0.0.1:1/0")
    limits, breakers = Limits(away), Breakers(away)
    place, spare = deployment(concurrency=2), deployment("spare")
    answers = [await limits.reserve([place], tokens=1, holder=f"{number}") for number in range(5)]
    granted = [answer for answer in answers if isinstance(answer, Grant)]
    assert len(granted) == 2
    await limits.release(granted[0], used_tokens=1)
    assert isinstance(await limits.reserve([place, spare], tokens=1, holder="next"), Grant)
    await breakers.failed(place, rest_seconds=15, retry_after_seconds=None)
    assert place.id in breakers.resting([place])
    await breakers.answered(place, probe=True)
    assert not breakers.resting([place])
    await away.aclose()


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 400)), max_size=60),
    st.integers(1, 8),
    st.integers(400, 1000),
)
def test_alone_too_no_minute_holds_more_than_the_limits(
    asks: list[tuple[float, int]], rpm: int, tpm: int
) -> None:
    limits, place = LocalLimits(), deployment(requests_per_minute=rpm, tokens_per_minute=tpm)
    now, taken = 1_000_000.0, []
    for number, (pause, tokens) in enumerate(asks):
        now += pause
        wait = limits.take(place, tokens=tokens, holder=str(number), seconds=1, now=now)
        assert wait >= 0
        if wait == 0:
            taken.append((now, tokens))
    for begin, _ in taken:
        minute = [tokens for at, tokens in taken if begin <= at < begin + 60]
        assert len(minute) <= rpm
        assert sum(minute) <= tpm


def test_alone_too_a_held_place_is_counted_with_what_is_asked_for_now() -> None:
    limits, place = LocalLimits(), deployment(tokens_per_minute=1000)

    def take(holder: str, tokens: int) -> float:
        return limits.take(place, tokens=tokens, holder=holder, seconds=10, now=1_000_000.0)

    assert take("one", 400) == 0
    assert take("two", 400) == 0
    assert take("one", 700) > 0
    assert take("one", 600) == 0
    assert take("three", 1) > 0


@pytest.mark.parametrize("calls", [0, 500])
def test_beyond_the_first_fallback_a_tenth_of_the_calls_or_ten_a_minute_are_allowed(calls: int) -> None:
    clock = [time.monotonic()]
    budget, pool = RetryBudget(clock=lambda: clock[0]), new_id()
    for _ in range(calls):
        budget.called(pool)
    allowed = max(10, calls // 10)
    assert [budget.take(pool) for _ in range(allowed + 3)] == [True] * allowed + [False] * 3
    assert budget.take(new_id())
    clock[0] += 61
    assert budget.take(pool)
