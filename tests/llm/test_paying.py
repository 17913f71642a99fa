"""Who pays for a call: its money is reserved when its step is loaded, and no SQL runs before its request leaves."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection
from sqlalchemy import event
from structlog.testing import capture_logs

from app.core.clock import now
from app.llm.errors import CallFailed
from app.llm.scope import CallScope, count, prepay
from app.llm.types import TokenUsage
from app.pools.limits import Grant
from app.pools.values import RevisionFacts
from app.usage.budgets import load_budgets, standings
from app.usage.errors import BudgetExhausted
from app.usage.ledger import CallRecord
from app.vocabulary import CallOutcome, ModelClass, StepKind, Strategy
from tests.llm.conftest import Bench, accept, request
from tests.pools.builders import PRICE, deployment, revision
from tests.pools.builders import member as pool_member
from tests.usage.money import Purse, intent
from tests.wire_formats import Asked, Behaviour


@dataclass
class Traffic:
    """What left this process, in order: `sql`, `redis`, `vendor`."""

    seen: list[str] = field(default_factory=list)


@pytest.fixture
def traffic(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traffic]:
    found = Traffic()
    engine = bench.database.app.engine.sync_engine

    def statement(*_: Any) -> None:
        found.seen.append("sql")

    send = AbstractConnection.send_packed_command

    async def counted(self: AbstractConnection, *arguments: Any, **options: Any) -> None:
        found.seen.append("redis")
        await send(self, *arguments, **options)

    respond = bench.vendor.respond

    def arrived(asked: Asked) -> str:
        found.seen.append("vendor")
        return respond(asked)

    bench.vendor.respond = arrived
    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    event.listen(engine, "before_cursor_execute", statement)
    yield found
    event.remove(engine, "before_cursor_execute", statement)


@pytest.fixture
def purse(bench: Bench) -> Purse:
    return Purse(bench.database)


async def loaded(
    bench: Bench, pool: RevisionFacts, member: int = 0, *, tokens: int = 100, second: int = 0
) -> CallScope:
    """A step's scope as the runner makes it, with what dispatch reserved."""
    scope = bench.scope(
        pool,
        reservation={
            "member_id": str(pool.members[member].id),
            "deployment_id": str(pool.members[member].deployment.id),
            "tokens": 150,
            "reserved_micros": 0,
            "until": 0.0,
            "holder": "step",
            "second": second,
            "probe": False,
        },
    )
    async with bench.database.app.tenant(scope.tenant_id) as session:
        scope.budgets = await load_budgets(session, scope.tenant_id)
        scope.standings = await standings(session, scope.tenant_id, scope.budgets, now())
        planned = bench.caller.planned(scope, step_kind=StepKind.FINAL, task_type="summarize", tokens=tokens)
        await prepay(session, scope, planned, task_type="summarize", estimated_tokens=tokens)
    return scope


@pytest.mark.parametrize("limited", [False, True], ids=["without limits", "with limits"])
@pytest.mark.parametrize("strategy", Strategy)
async def test_before_the_request_leaves_there_is_one_round_trip_to_redis_and_no_sql(
    bench: Bench, purse: Purse, traffic: Traffic, strategy: Strategy, *, limited: bool
) -> None:
    """Also where what goes on has changed since a place was reserved, and figures are so old that they are renewed."""
    await purse.budget(hard=10**9)
    limits = {"concurrency": 4, "requests_per_minute": 100} if limited else {}
    alpha, beta = bench.member("alpha", **limits), bench.member("beta", **limits)
    pool, places = revision(alpha, beta, strategy=strategy), bench.limits.traffic
    await bench.call(pool)
    await bench.call(revision(beta))
    for member in (0, 1):
        # Whichever place was reserved: alpha has become slow and busy.
        grant = await bench.limits.reserve([pool.members[member].deployment], tokens=150, holder="step")
        assert isinstance(grant, Grant)
        await places.settled()
        places.ended(alpha.deployment, seconds=9.0)
        for number in range(2):
            await bench.limits.reserve([alpha.deployment], tokens=150, holder=f"other-{number}")
        await places.look([alpha.deployment, beta.deployment])
        scope = await loaded(bench, pool, member, second=grant.second)
        await places.settled()
        places._looked_at.clear()
        for secret in bench.clients._secrets.values():
            # A key that was read a second ago is read again in the background.
            secret.read_at = time.monotonic()
        traffic.seen.clear()
        accepted = await bench.caller.call(request(), scope=scope, verify=accept)
        assert traffic.seen[: traffic.seen.index("vendor")] == ["redis"]
        assert "sql" not in traffic.seen
        follows = strategy is Strategy.LEAST_LATENCY or (limited and strategy is Strategy.LEAST_BUSY)
        if limited or strategy is not Strategy.LEAST_BUSY:
            # Nobody is busy who takes any number: then the draw decides.
            assert accepted.member["deployment"] == ("beta" if follows or member else "alpha")
        (call,) = await bench.ledger()
        assert (call.outcome, call.cost_micros) == (CallOutcome.SUCCEEDED, 180)
        assert await bench.redis.zcard(f"leases:{alpha.deployment.id}") == (2 if limited else 0)
        assert await bench.redis.zcard(f"leases:{beta.deployment.id}") == 0
        await places.settled()


async def test_a_call_larger_than_expected_pays_for_itself_and_what_was_prepaid_is_free_again(
    bench: Bench, purse: Purse
) -> None:
    await purse.budget(hard=10**9)
    scope = await loaded(bench, revision(bench.member("alpha", context_window=32_000)))
    await bench.caller.call(request(input_tokens_estimate=9_000), scope=scope, verify=accept)
    (call,) = await bench.ledger()
    assert call.cost_micros == 180
    assert await purse.sums() == (0, 180)


async def test_a_fallback_pays_for_itself_and_a_failed_call_costs_what_it_used(
    bench: Bench, purse: Purse
) -> None:
    await purse.budget(hard=10**9)
    bench.vendor.script("alpha", Behaviour(finish_reason="length"))
    pool = bench.pool("alpha", "beta")
    scope = await loaded(bench, pool)
    accepted = await bench.caller.call(request(), scope=scope, verify=accept)
    assert [hop.error_code for hop in accepted.hops] == ["truncated", None]
    assert [call.cost_micros for call in await bench.ledger()] == [180, 180]
    assert await purse.sums() == (0, 360)


async def test_a_failed_call_without_a_count_costs_its_own_maximum_and_not_what_was_prepaid(
    bench: Bench, purse: Purse
) -> None:
    """100 tokens in and 50 out cost at most 300 micros; the stream that breaks off counts none."""
    await purse.budget(hard=10**9)
    bench.vendor.script("alpha", Behaviour(usage=None))
    scope = await loaded(bench, bench.pool("alpha"))
    assert scope.prepaid is not None
    assert scope.prepaid.intent.reserved_micros > 300
    with pytest.raises(CallFailed):
        await bench.caller.call(request(), scope=scope, verify=accept)
    assert [call.cost_micros for call in await bench.ledger()] == [300]
    assert await purse.sums() == (0, 300)


async def test_a_vendor_that_counts_less_than_nothing_gives_no_money_back(bench: Bench, purse: Purse) -> None:
    await purse.budget(hard=10**9)
    told = {"prompt_tokens": 100, "completion_tokens": -20}
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": "Costs fell."}}
    bench.vendor.script("alpha", Behaviour(body={"choices": [choice], "usage": told}))
    scope = await loaded(bench, bench.pool("alpha"))
    with pytest.raises(CallFailed):
        await bench.caller.call(request(), scope=scope, verify=accept)
    assert [call.cost_micros for call in await bench.ledger()] == [300]
    assert await purse.sums() == (0, 300)


async def test_an_overrun_is_logged_and_what_is_within_its_reservation_is_not(bench: Bench) -> None:
    usage = TokenUsage(input_tokens=100, output_tokens=20)
    for reserved, told in ((179, ["a vendor counted more than was reserved"]), (180, [])):
        record = CallRecord(intent(bench.database, reserved_micros=reserved))
        with capture_logs() as logs:
            count(record, usage, pool_member(deployment("alpha")))
        assert [line["event"] for line in logs] == told
        assert record.cost_micros == 180


async def test_what_was_prepaid_and_never_used_is_let_go(bench: Bench, purse: Purse) -> None:
    await purse.budget(hard=10**9)
    scope = await loaded(bench, bench.pool("alpha"))
    assert (await purse.sums())[0] > 0
    scope.let_go()
    assert await bench.ledger() == []
    assert await purse.sums() == (0, 0)


async def test_what_cannot_be_prepaid_with_a_reserve_is_paid_exactly(bench: Bench, purse: Purse) -> None:
    """100 tokens in and 50 out cost at most 300 micros: that is left, and no more."""
    await purse.budget(hard=300)
    scope = await loaded(bench, bench.pool("alpha"))
    assert scope.prepaid is None
    await bench.caller.call(request(), scope=scope, verify=accept)
    await bench.ledger()
    assert await purse.sums() == (0, 180)


async def test_where_money_is_short_the_cheaper_member_answers(bench: Bench, purse: Purse) -> None:
    await purse.budget(hard=100)
    cheap = replace(PRICE, input_micros=100_000, output_micros=400_000, reasoning_micros=400_000)
    pool = revision(bench.member("dear"), bench.member("cheap", tier=1, price=cheap))
    scope = await loaded(bench, pool)
    accepted = await bench.caller.call(request(), scope=scope, verify=accept)
    assert accepted.member["deployment"] == "cheap"
    assert accepted.excluded == ({"deployment": "dear", "reason": "budget"},)


async def test_without_money_the_call_is_refused_before_anything_is_asked(bench: Bench, purse: Purse) -> None:
    await purse.budget(hard=299)
    scope = await loaded(bench, bench.pool("alpha"))
    with pytest.raises(BudgetExhausted, match="your organisation is used up until"):
        await bench.caller.call(request(), scope=scope, verify=accept)
    assert bench.vendor.seen == []
    assert await purse.sums() == (0, 0)


async def test_money_that_went_since_the_step_was_loaded_is_missed_before_the_request(
    bench: Bench, purse: Purse
) -> None:
    """The budget allowed it when the step was loaded; another process has spent it meanwhile."""
    await purse.budget(hard=2_000)
    pool = bench.pool("alpha")
    scope = bench.scope(pool)
    async with bench.database.app.tenant(scope.tenant_id) as session:
        scope.budgets = await load_budgets(session, scope.tenant_id)
        scope.standings = await standings(session, scope.tenant_id, scope.budgets, now())
    assert await purse.open(intent(bench.database, reserved_micros=1_900), scope.budgets)
    with pytest.raises(BudgetExhausted):
        await bench.caller.call(request(), scope=scope, verify=accept)
    assert bench.vendor.seen == []


async def test_past_a_soft_limit_the_record_says_that_a_cheaper_tier_was_asked(
    bench: Bench, purse: Purse
) -> None:
    await purse.budget(hard=None, soft=0)
    scope = await loaded(bench, bench.pool("alpha"))
    accepted = await bench.caller.call(request(), scope=scope, verify=accept)
    assert accepted.frugal


async def test_a_reasoning_models_limit_has_room_for_thoughts_and_its_money_is_reserved(bench: Bench) -> None:
    sizes = {"context_window": 100_000, "max_output_tokens": 20_000}
    thinks = bench.member("alpha", model_class=ModelClass.REASONING, **sizes)
    for one, limit in ((thinks, 50 + 8192), (bench.member("beta", **sizes), 50)):
        scope = bench.scope(revision(one))
        await bench.caller.call(request(), scope=scope, verify=accept)
        assert bench.vendor.asked[-1].max_tokens == limit
        assert scope.records[0].intent.reserved_micros == 100 * 1 + limit * 4
