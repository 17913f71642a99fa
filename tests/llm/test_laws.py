"""The first law through the real loop: whatever fails, and whatever was reserved, nobody forbidden is asked."""

import random
from typing import Any

import pytest

from app.llm.errors import AllResting, CallFailed
from app.llm.loop import ModelCaller
from app.pools.breakers import Breakers
from app.pools.errors import NoEligibleMember
from app.pools.limits import Limits
from app.pools.values import PoolMemberFacts
from app.tenants.policy import Policy
from app.vocabulary import Strategy
from tests.llm.conftest import Bench, request
from tests.pools.builders import deployment, member, provider, revision
from tests.wire_formats import Behaviour

ROUNDS = 25
FAULTS = (
    Behaviour(status=503),
    Behaviour(status=429),
    Behaviour(status=401),
    Behaviour(status=400),
    Behaviour(finish_reason="length"),
    Behaviour(cut_body_after=40),
    Behaviour(answer=""),
    Behaviour(),
)


def _allowed(one: PoolMemberFacts, policy: Policy) -> bool:
    account = one.deployment.provider
    return (
        (policy.allowed_regions is None or account.region in policy.allowed_regions)
        and (policy.allowed_vendors is None or account.vendor in policy.allowed_vendors)
        and (account.no_training or not policy.require_no_training)
    )


def _reservation(one: PoolMemberFacts) -> dict[str, Any]:
    return {
        "member_id": str(one.id),
        "deployment_id": str(one.deployment.id),
        "tokens": 150,
        "reserved_micros": 0,
        "until": 0.0,
        "holder": "step",
        "second": 0,
        "probe": False,
    }


@pytest.mark.parametrize("seed", [1])
async def test_no_hop_of_any_call_asks_a_forbidden_member(bench: Bench, seed: int) -> None:
    dice = random.Random(seed)
    kinds = [
        (region, vendor, training)
        for region in ("eu", "us")
        for vendor in ("acme", "x")
        for training in (0, 1)
    ]
    accounts = {
        f"m{number}": provider(
            name=f"m{number}",
            base_url=bench.vendor.base_url,
            region=region,
            vendor=vendor,
            no_training=not training,
        )
        for number, (region, vendor, training) in enumerate(dice.sample(kinds, 5))
    }
    places = [deployment(name, provider=account, concurrency=2) for name, account in accounts.items()]
    asked = refused = fallbacks = 0
    for _ in range(ROUNDS):
        await bench.redis.flushall()
        bench.caller = ModelCaller(
            bench.database.app, Breakers(bench.redis), Limits(bench.redis), bench.clients
        )
        members = [member(of, tier=dice.randrange(3), weight=dice.randrange(3)) for of in places]
        policy = Policy(
            allowed_regions=dice.choice([None, ("eu",)]),
            allowed_vendors=dice.choice([None, ("acme",)]),
            require_no_training=dice.random() < 0.4,
        )
        for of in places:
            bench.vendor.always(of.name, dice.choice(FAULTS))
        before = len(bench.vendor.asked)
        reservation = dice.choice([None, _reservation(dice.choice(members))])
        try:
            await bench.call(
                revision(*members, strategy=dice.choice(list(Strategy))),
                asked=request(user_watches=dice.random() < 0.3),
                policy=policy,
                reservation=reservation,
            )
        except NoEligibleMember:
            refused += 1
        except (CallFailed, AllResting):
            pass
        hops = [one.model for one in bench.vendor.asked[before:]]
        asked += len(hops)
        fallbacks += len(hops) > 1
        assert set(hops) <= {one.deployment.model_name for one in members if _allowed(one, policy)}
        assert len(hops) == len(set(hops))
    assert asked > ROUNDS / 2
    assert fallbacks
