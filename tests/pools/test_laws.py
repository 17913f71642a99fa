"""Laws of selection: shares, cohorts, and reasons that are named."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from app.core.clock import now
from app.pools.errors import NoEligibleMember
from app.pools.selection import Allowance, Demand, Exclusion, select, stickiness
from app.pools.values import RevisionFacts
from app.tenants.policy import Policy
from app.vocabulary import Lifecycle, MemberPurpose, ModelClass, StepKind
from tests.pools.builders import PRICE, deployment, member, provider, revision

ROOT = Path(__file__).resolve().parents[2]
DEMAND = Demand("summarize", StepKind.FINAL, "en", 1000, 200, needs=frozenset({"json_schema"}))
POOL = UUID(int=7)


def test_shares_come_within_one_percent_of_the_weights_over_a_hundred_thousand_draws() -> None:
    weights = (50, 30, 15, 5)
    members = [member(deployment(), weight=weight) for weight in weights]
    pool, at, draws = revision(*members), now(), 100_000
    first = Counter(
        select(pool, Policy(), DEMAND, resting={}, now=at, draw=stickiness(POOL, b"%d" % number)).order[0].id
        for number in range(draws)
    )
    for one, weight in zip(members, weights, strict=True):
        assert abs(first[one.id] / draws - weight / 100) < 0.01


def firsts(pool: RevisionFacts, draws: int = 20_000) -> list[str]:
    """The deployment that each key begins with, for so many keys."""
    at = now()
    return [
        select(pool, Policy(), DEMAND, resting={}, now=at, draw=stickiness(POOL, b"%d" % number))
        .order[0]
        .deployment.name
        for number in range(draws)
    ]


def moves(before: list[str], after: list[str]) -> dict[tuple[str, str], float]:
    """Which part of the keys went from one deployment to another."""
    pairs = Counter(pair for pair in zip(before, after, strict=True) if pair[0] != pair[1])
    return {pair: count / len(before) for pair, count in pairs.items()}


def test_a_weight_that_is_raised_in_a_new_revision_moves_the_share_that_it_gains_and_nothing_else() -> None:
    models = [deployment(name) for name in ("ours", "new", "third")]
    first = firsts(
        revision(*(member(one, weight=weight) for one, weight in zip(models, (8, 1, 1), strict=True)))
    )
    # Another revision's members have other ids, other prompts and may be listed in another order.
    then = [member(one, weight=weight) for one, weight in zip(models, (8, 3, 1), strict=True)]
    moved = moves(first, firsts(revision(*reversed(then))))
    assert {to for _, to in moved} == {"new"}
    assert abs(sum(moved.values()) - (3 / 12 - 1 / 10)) < 0.01


def test_two_members_of_one_deployment_draw_apart_and_a_canary_that_comes_takes_only_its_share() -> None:
    model = deployment("ours")
    before = revision(member(model, weight=9), member(deployment("other"), weight=10))
    canary = revision(*before.members, member(model, weight=1))
    keys, at = [b"%d" % number for number in range(20_000)], now()

    def ids(pool: RevisionFacts) -> list[UUID]:
        draws = (stickiness(POOL, key) for key in keys)
        return [select(pool, Policy(), DEMAND, resting={}, now=at, draw=draw).order[0].id for draw in draws]

    changed = Counter(to for was, to in zip(ids(before), ids(canary), strict=True) if was != to)
    assert set(changed) == {canary.members[-1].id}
    assert abs(changed[canary.members[-1].id] / len(keys) - 1 / 20) < 0.01


_FRESH = """
from uuid import UUID
from app.pools.selection import stickiness
print([stickiness(UUID(int=7), b"%d" % number) for number in range(50)])
"""


def test_a_fresh_process_draws_the_same() -> None:
    fresh = subprocess.run(
        [sys.executable, "-c", _FRESH], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert fresh.stdout.strip() == str([stickiness(POOL, b"%d" % number) for number in range(50)])


def test_every_reason_is_named_for_its_member_and_explained_to_operators() -> None:
    at = now()
    places = {
        Exclusion.REGION: deployment(provider=provider(region="us")),
        Exclusion.PROCESSOR: deployment(provider=provider(processor="Other")),
        Exclusion.VENDOR: deployment(provider=provider(vendor="other")),
        Exclusion.MODEL_CLASS: deployment(model_class=ModelClass.REASONING),
        Exclusion.DATA_TERMS: deployment(provider=provider(no_training=False)),
        Exclusion.CAPABILITY: deployment(capabilities=frozenset()),
        Exclusion.PARAMETER: deployment(supported_parameters=frozenset()),
        Exclusion.LANGUAGE: deployment(languages=("de",)),
        Exclusion.CONTEXT: deployment(context_window=100),
        Exclusion.ARCHIVED: deployment(archived=True),
        Exclusion.RETIRED: deployment(lifecycle=Lifecycle.RETIRED),
        Exclusion.CONTRACT: deployment(provider=provider(contract_until=at - timedelta(days=1))),
        Exclusion.PURPOSE: deployment(),
        Exclusion.CREDENTIAL: deployment(),
        Exclusion.BUDGET: deployment(),
        Exclusion.CURRENCY: deployment(price=replace(PRICE, currency="USD")),
        Exclusion.RESTING: deployment(price=None),
    }
    named = {reason: replace(of, name=f"the {reason}") for reason, of in places.items()}
    pool = revision(
        *(
            member(
                of,
                parameters={"top_p": 1} if reason is Exclusion.PARAMETER else None,
                purpose=MemberPurpose.SHADOW if reason is Exclusion.PURPOSE else MemberPurpose.SERVING,
            )
            for reason, of in named.items()
        )
    )
    policy = Policy(
        allowed_regions=("eu",),
        allowed_processors=("Acme",),
        allowed_vendors=("acme",),
        allowed_model_classes=(ModelClass.GENERAL,),
        require_no_training=True,
    )
    with pytest.raises(NoEligibleMember) as nobody:
        select(
            pool,
            policy,
            DEMAND,
            resting={named[Exclusion.RESTING].id: at.timestamp() + 9},
            now=at,
            draw=0.5,
            without_credential={named[Exclusion.CREDENTIAL].provider.id},
            allowance=Allowance("EUR", 0),
        )
    assert {detail.code: detail.target for detail in nobody.value.details} == {
        reason: f"the {reason}" for reason in Exclusion
    }
    page = (ROOT / "docs" / "models.md").read_text()
    for detail in nobody.value.details:
        words = detail.message.removeprefix(f"{detail.target} ")
        assert f"| `{detail.code}` | {words} |" in page
        assert detail.message in nobody.value.message
