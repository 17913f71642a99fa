"""The call loop: fallback, breakers, budgets, deadlines and the ledger, over real HTTP and Redis."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.copilot.decisions import decision_record
from app.core.redis import connect
from app.llm.errors import AllResting, CallFailed, InvalidOutput
from app.llm.loop import ModelCaller
from app.llm.types import ModelRequest, ModelResult
from app.pools.breakers import Breakers
from app.pools.dispatching import Reservation
from app.pools.errors import NoEligibleMember
from app.pools.limits import Grant, Limits
from app.tenants.policy import Policy
from app.vocabulary import CallOutcome
from tests.llm.conftest import Bench, refuse, request
from tests.pools.builders import provider, revision
from tests.wire_formats import Behaviour


async def test_the_first_member_answers_and_the_record_says_who_and_for_how_much(bench: Bench) -> None:
    accepted = await bench.call(bench.pool("alpha", "beta"))
    assert accepted.value == "A plain answer."
    assert accepted.member == {
        "deployment": "alpha",
        "provider_name": "alpha-account",
        "vendor": "acme",
        "request_model": "alpha",
        "prompt_set": "default",
        "prompt_revision": 1,
        "method": "generative",
    }
    assert accepted.candidates == ("alpha", "beta")
    assert [(hop.deployment, hop.outcome) for hop in accepted.hops] == [("alpha", CallOutcome.SUCCEEDED)]
    (call,) = await bench.ledger()
    assert (call.outcome, call.input_tokens, call.output_tokens) == (CallOutcome.SUCCEEDED, 100, 20)
    assert call.cost_micros == accepted.cost_micros == 180


FAILURES: list[tuple[Behaviour, str]] = [
    (Behaviour(status=500), "unavailable"),
    (Behaviour(status=503, headers={"Retry-After": "3"}), "unavailable"),
    (Behaviour(status=401), "bad_credential"),
    (Behaviour(status=404), "unavailable"),
    (Behaviour(status=429, headers={"Retry-After": "40"}), "rate_limited"),
    (Behaviour(status=400), "bad_request"),
    (
        Behaviour(status=400, body={"error": {"message": "x", "code": "context_length_exceeded"}}),
        "context_too_long",
    ),
    (Behaviour(status=400, body={"error": {"message": "x", "code": "content_filter"}}), "content_filtered"),
    (Behaviour(finish_reason="length"), "truncated"),
    (Behaviour(finish_reason="content_filter"), "content_filtered"),
    (Behaviour(finish_reason=None), "truncated"),
    (Behaviour(usage=None), "truncated"),
    (Behaviour(answer=""), "invalid_output"),
    (Behaviour(body={"error": {"message": "overloaded"}}), "unavailable"),
    (Behaviour(body="<html>a page</html>"), "unavailable"),
    (Behaviour(cut_body_after=40), "truncated"),
]


@pytest.mark.parametrize("asked", [request(), request(user_watches=True)], ids=["whole", "streamed"])
@pytest.mark.parametrize(("behaviour", "code"), FAILURES)
async def test_whatever_goes_wrong_the_next_member_answers(
    bench: Bench, behaviour: Behaviour, code: str, asked: ModelRequest
) -> None:
    bench.vendor.script("alpha", behaviour)
    accepted = await bench.call(bench.pool("alpha", "beta"), asked=asked)
    assert accepted.member["deployment"] == "beta"
    assert [hop.error_code for hop in accepted.hops] == [code, None]
    first, second = await bench.ledger()
    assert (first.outcome, first.error_code) == (CallOutcome.FAILED, code)
    assert (second.outcome, second.hop) == (CallOutcome.SUCCEEDED, 1)


@pytest.mark.parametrize(("chunks", "code"), [(0, "unavailable"), (1, "truncated"), (2, "truncated")])
async def test_a_stream_that_ends_cleanly_too_early_is_a_failed_attempt(
    bench: Bench, chunks: int, code: str
) -> None:
    bench.vendor.script("alpha", Behaviour(end_stream_after=chunks))
    accepted = await bench.call(bench.pool("alpha", "beta"), asked=request(user_watches=True))
    assert accepted.hops[0].error_code == code
    assert accepted.member["deployment"] == "beta"


async def test_a_cut_off_answer_is_paid_for_at_what_the_vendor_counted_or_at_what_was_reserved(
    bench: Bench,
) -> None:
    bench.vendor.script("alpha", Behaviour(finish_reason="length", usage=(100, 50)))
    bench.vendor.script("beta", Behaviour(cut_body_after=40))
    with pytest.raises(CallFailed) as failed:
        await bench.call(bench.pool("alpha", "beta"))
    assert failed.value.code == "truncated"
    assert [hop.deployment for hop in failed.value.hops] == ["alpha", "beta"]
    counted, reserved = await bench.ledger()
    assert counted.cost_micros == 100 + 4 * 50
    assert reserved.cost_micros == 100 + 4 * 50


async def test_an_answer_that_fails_its_checks_is_rejected_and_paid_for(bench: Bench) -> None:
    bench.vendor.script("alpha", Behaviour(answer="A wrong answer."))
    accepted = await bench.call(bench.pool("alpha", "beta"), refuse("wrong"))
    assert accepted.value == "A plain answer."
    first, _ = await bench.ledger()
    assert (first.outcome, first.error_code, first.cost_micros) == (
        CallOutcome.REJECTED,
        "invalid_output",
        180,
    )
    assert accepted.cost_micros == 360
    assert await bench.redis.keys("breaker:*") == []


async def test_a_rejected_answer_names_the_check(bench: Bench) -> None:
    def verify(result: ModelResult) -> str:
        if "wrong" in result.text:
            raise InvalidOutput("unsupported_name: sentence 1 has a name its source does not have")
        return result.text

    bench.vendor.script("alpha", Behaviour(answer="A wrong answer."))
    accepted = await bench.call(bench.pool("alpha", "beta"), verify)
    assert [(hop.error_code, hop.detail) for hop in accepted.hops] == [
        ("invalid_output", "unsupported_name"),
        (None, None),
    ]
    assert accepted.excluded == ()
    pool = bench.pool("alpha", "beta")
    decision = decision_record(pool, "the default", accepted, await bench.ledger())
    (refused,) = decision["failed_calls"]
    assert (refused["error_code"], refused["detail"]) == ("invalid_output", "unsupported_name")


async def test_who_gets_no_answer_is_told_which_check_refused_it_and_the_log_too(bench: Bench) -> None:
    def verify(_: ModelResult) -> str:
        raise InvalidOutput("missing_figure: B1 has lost a number of its source")

    with capture_logs() as logs, pytest.raises(CallFailed) as failed:
        await bench.call(bench.pool("alpha", "beta"), verify)
    assert failed.value.message.startswith(
        "No model gave an answer that may be used (alpha: invalid_output, missing_figure, beta: invalid_output,"
        " missing_figure). The last one was refused because B1 has lost a number of its source (missing_figure)."
    )
    told = [(one["deployment"], one["check"]) for one in logs if one["event"] == "attempt failed"]
    assert told == [("alpha", "missing_figure"), ("beta", "missing_figure")]


async def test_a_dead_primary_is_hit_at_most_twice_in_twenty_requests(bench: Bench) -> None:
    bench.vendor.always("alpha", Behaviour(status=500))
    pool = bench.pool("alpha", "beta")
    for _ in range(20):
        assert (await bench.call(pool)).member["deployment"] == "beta"
    assert bench.vendor.hits("alpha") <= 2


async def test_another_process_learns_of_the_dead_primary_without_hitting_it(bench: Bench) -> None:
    bench.vendor.always("alpha", Behaviour(status=500))
    pool = bench.pool("alpha", "beta")
    await bench.call(pool)
    bench.caller = ModelCaller(bench.database.app, Breakers(bench.redis), Limits(bench.redis), bench.clients)
    accepted = await bench.call(pool)
    assert [hop.deployment for hop in accepted.hops] == ["beta"]
    # Nor does the record hide who would have come first.
    assert accepted.excluded == ({"deployment": "alpha", "reason": "busy_or_resting"},)
    assert bench.vendor.hits("alpha") == 1


async def test_after_its_rest_a_probe_brings_the_primary_back(bench: Bench) -> None:
    pool = bench.pool("alpha", "beta")
    bench.vendor.script("alpha", Behaviour(status=500))
    await bench.call(pool)
    (key,) = await bench.redis.keys("breaker:*")
    await bench.redis.hset(key, "until", 1)
    bench.caller = ModelCaller(bench.database.app, Breakers(bench.redis), Limits(bench.redis), bench.clients)
    assert (await bench.call(pool)).member["deployment"] == "alpha"
    assert await bench.redis.keys("breaker:*") == []


async def test_when_everyone_is_rate_limited_the_step_comes_back_as_the_vendor_asked(bench: Bench) -> None:
    pool = bench.pool("alpha", "beta")
    bench.vendor.script("alpha", Behaviour(status=429, headers={"Retry-After": "90"}))
    bench.vendor.script("beta", Behaviour(status=429, headers={"Retry-After": "40"}))
    with pytest.raises(AllResting) as resting:
        await bench.call(pool)
    assert 39 < resting.value.retry_after_seconds <= 40
    with pytest.raises(AllResting) as resting:
        await bench.call(pool)
    assert 39 < resting.value.retry_after_seconds <= 40
    assert len(bench.vendor.seen) == 2


async def test_a_full_member_makes_the_step_wait_without_a_request(bench: Bench) -> None:
    pool = revision(bench.member("alpha", concurrency=1))
    taken = await bench.limits.reserve([pool.members[0].deployment], tokens=1, holder="other")
    with pytest.raises(AllResting):
        await bench.call(pool)
    assert bench.vendor.seen == []
    assert isinstance(taken, Grant)
    await bench.limits.release(taken, used_tokens=1)
    await bench.call(pool)
    assert await bench.redis.zcard(f"leases:{pool.members[0].deployment.id}") == 0


async def test_second_fallbacks_stop_when_the_retry_budget_is_used_up(bench: Bench) -> None:
    for name in ("alpha", "beta", "gamma"):
        bench.vendor.always(name, Behaviour(status=400))
    pool, asked = bench.pool("alpha", "beta", "gamma"), []
    for _ in range(12):
        before = len(bench.vendor.seen)
        with pytest.raises(CallFailed):
            await bench.call(pool)
        asked.append(len(bench.vendor.seen) - before)
    assert asked == [3] * 10 + [2] * 2


async def test_one_deadline_binds_all_hops(bench: Bench) -> None:
    bench.vendor.always("*", Behaviour(stall=True))
    started = asyncio.get_running_loop().time()
    with pytest.raises(CallFailed) as failed:
        await bench.call(bench.pool("alpha", "beta", "gamma"), deadline=started + 0.3)
    assert failed.value.code == "timed_out"
    assert asyncio.get_running_loop().time() - started < 2


async def test_a_cancelled_call_closes_the_vendors_socket_and_stands_at_what_was_reserved(
    bench: Bench,
) -> None:
    bench.vendor.script("alpha", Behaviour(stall=True))
    pool = revision(bench.member("alpha", concurrency=1))
    task = asyncio.create_task(bench.call(pool))
    await bench.vendor.until(lambda: len(bench.vendor.seen) == 1)
    cancelled_at = asyncio.get_running_loop().time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.vendor.until(lambda: bench.vendor.abandoned == 1)
    assert asyncio.get_running_loop().time() - cancelled_at < 1
    (call,) = await bench.ledger()
    assert (call.outcome, call.cost_micros) == (CallOutcome.CANCELLED, 300)
    assert await bench.redis.zcard(f"leases:{pool.members[0].deployment.id}") == 0


async def test_the_intent_is_in_the_ledger_before_the_request_arrives(bench: Bench) -> None:
    bench.vendor.script("alpha", Behaviour(stall=True))
    task = asyncio.create_task(bench.call(bench.pool("alpha")))
    await bench.vendor.until(lambda: len(bench.vendor.seen) == 1)
    (call,) = await bench.ledger()
    assert call.outcome is CallOutcome.PENDING
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_hard_limits_hold_on_every_hop(bench: Bench) -> None:
    american = bench.member("american")
    american = replace(
        american,
        tier=1,
        deployment=replace(american.deployment, provider=replace(american.deployment.provider, region="us")),
    )
    bench.vendor.always("alpha", Behaviour(status=500))
    with pytest.raises(CallFailed):
        await bench.call(revision(bench.member("alpha"), american), policy=Policy(allowed_regions=("eu",)))
    assert bench.vendor.hits("american") == 0
    with pytest.raises(NoEligibleMember):
        await bench.call(revision(american), policy=Policy(allowed_regions=("eu",)))


def reservation(bench: Bench, of: Any, grant: Grant) -> dict[str, Any]:
    return Reservation(of, grant, reserved_micros=1, until=0.0).as_json()


async def test_the_reserved_member_goes_first_in_its_reserved_place(bench: Bench) -> None:
    first, second = bench.member("alpha", concurrency=1), bench.member("beta", tier=1, concurrency=1)
    grant = await bench.limits.reserve([second.deployment], tokens=150, holder="step:1")
    assert isinstance(grant, Grant)
    pool = revision(first, second)
    accepted = await bench.call(pool, reservation=reservation(bench, second, grant))
    assert accepted.member["deployment"] == "beta"
    assert accepted.excluded == ({"deployment": "alpha", "reason": "busy_or_resting"},)
    assert await bench.redis.zcard(f"leases:{second.deployment.id}") == 0
    assert bench.scopes[-1].reservation is None


async def test_a_reserved_place_that_cannot_be_used_is_given_back(bench: Bench) -> None:
    far = bench.member("far", concurrency=1, provider=provider(region="us"))
    near = bench.member("near", tier=1)
    grant = await bench.limits.reserve([far.deployment], tokens=150, holder="step:1")
    assert isinstance(grant, Grant)
    accepted = await bench.call(
        revision(far, near),
        policy=Policy(allowed_regions=("eu",)),
        reservation=reservation(bench, far, grant),
    )
    assert accepted.member["deployment"] == "near"
    assert accepted.excluded == ({"deployment": "far", "reason": "region"},)
    assert await bench.redis.zcard(f"leases:{far.deployment.id}") == 0


async def test_without_redis_calls_go_on_and_a_dead_primary_is_still_left_alone(bench: Bench) -> None:
    away = connect("redis://127.0.0.1:1/0")
    bench.caller = ModelCaller(bench.database.app, Breakers(away), Limits(away), bench.clients)
    bench.vendor.always("alpha", Behaviour(status=500))
    pool = bench.pool("alpha", "beta")
    for _ in range(5):
        assert (await bench.call(pool)).member["deployment"] == "beta"
    assert bench.vendor.hits("alpha") == 1
    await away.aclose()


async def test_many_calls_at_once_never_exceed_what_a_deployment_takes(bench: Bench) -> None:
    pool = revision(bench.member("alpha", concurrency=3), bench.member("beta", tier=1))
    bench.vendor.always("alpha", Behaviour(stall=True))
    tasks = [asyncio.create_task(bench.call(pool)) for _ in range(12)]
    await bench.vendor.until(lambda: len(bench.vendor.seen) == 12)
    assert (bench.vendor.hits("alpha"), bench.vendor.hits("beta")) == (3, 9)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_member_whose_key_is_not_set_is_left_out(bench: Bench) -> None:
    pool = bench.pool("alpha", "beta")
    account = pool.members[0].deployment.provider
    async with bench.database.owner.system() as session:
        await session.execute(
            text(
                "INSERT INTO providers (tenant_id, id, name, kind, vendor, region, processor, no_training,"
                " zero_retention) VALUES (:tenant, :id, 'a', 'openai_compatible', 'a', 'eu', 'a', true, true)"
            ),
            {"tenant": account.tenant_id, "id": account.id},
        )
        await session.execute(
            text(
                "INSERT INTO provider_credentials (tenant_id, provider_id, reference)"
                " VALUES (:tenant, :id, 'env:SURELY_NOT_SET_KEY')"
            ),
            {"tenant": account.tenant_id, "id": account.id},
        )
    accepted = await bench.call(pool)
    assert accepted.member["deployment"] == "beta"
    assert accepted.excluded == ({"deployment": "alpha", "reason": "credential"},)
