"""Laws of the strategies that follow what goes on: two choices, ties, what is not known, and where it all ends."""

import math
import random
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import now
from app.pools.balancing import DECAY_SECONDS, Figures, balance, busy, cost, decayed, peak_ewma
from app.pools.selection import Demand, select
from app.pools.values import PoolMemberFacts, RevisionFacts
from app.tenants.policy import Policy
from app.vocabulary import StepKind, Strategy
from tests.pools.builders import deployment, member, provider, revision

DEMAND = Demand("summarize", StepKind.FINAL, "en", 1000, 200)
EUROPE = Policy(allowed_regions=("eu",))
NOW = now()


@st.composite
def tiers(draw: st.DrawFn) -> tuple[list[PoolMemberFacts], dict[UUID, Figures]]:
    """Members of up to two tiers, some forbidden, some without figures, some without a weight."""
    pool, figures = [], {}
    for _ in range(draw(st.integers(1, 7))):
        region = draw(st.sampled_from(("eu", "eu", "us")))
        of = deployment(provider=provider(region=region), concurrency=draw(st.none() | st.integers(1, 8)))
        weight = draw(st.sampled_from((0, 1, 5)))
        pool.append(member(of, tier=draw(st.integers(0, 1)), weight=weight))
        if draw(st.booleans()):
            seconds = draw(st.none() | st.sampled_from((0.5, 1.0, 9.0)))
            figures[of.id] = Figures(seconds, draw(st.integers(0, 8)))
    return pool, figures


def order(
    pool: RevisionFacts, figures: Mapping[UUID, Figures], draw: float, policy: Policy = EUROPE
) -> tuple[PoolMemberFacts, ...]:
    return select(pool, policy, DEMAND, resting={}, now=NOW, draw=draw, figures=figures).order


@given(tiers(), st.floats(0, 1, exclude_max=True), st.sampled_from(Strategy))
def test_no_figure_brings_a_forbidden_member_back_loses_one_or_lets_a_later_tier_go_first(
    given: tuple[list[PoolMemberFacts], dict[UUID, Figures]], draw: float, strategy: Strategy
) -> None:
    pool, figures = given
    allowed = {one.id for one in pool if one.deployment.provider.region == "eu"}
    if allowed:
        found = order(revision(*pool, strategy=strategy), figures, draw)
        assert sorted(one.id for one in found) == sorted(allowed)
        assert [one.tier for one in found] == sorted(one.tier for one in found)


@given(tiers(), st.floats(0, 1, exclude_max=True))
def test_two_choices_never_pick_the_worse_one(
    given: tuple[list[PoolMemberFacts], dict[UUID, Figures]], draw: float
) -> None:
    drawn, figures = given
    left = [one for one in drawn if one.weight > 0]
    for chosen in balance(Strategy.LEAST_LATENCY, drawn, figures)[: len(left)]:
        pair = left[:2]
        assert chosen in pair
        assert all(cost(chosen, figures) <= cost(one, figures) for one in pair)
        left.remove(chosen)


@given(tiers())
def test_the_least_busy_goes_first_and_no_weight_last(
    given: tuple[list[PoolMemberFacts], dict[UUID, Figures]],
) -> None:
    drawn, figures = given
    found = balance(Strategy.LEAST_BUSY, drawn, figures)
    taking = [one for one in found if one.weight > 0]
    assert found[: len(taking)] == taking
    assert [busy(one, figures) for one in taking] == sorted(busy(one, figures) for one in taking)


def test_where_nothing_is_better_the_draw_decides_and_a_job_keeps_its_member() -> None:
    pool = [member(deployment()) for _ in range(4)]
    same = {one.deployment.id: Figures(1.0, 2) for one in pool}
    for strategy in (Strategy.LEAST_LATENCY, Strategy.LEAST_BUSY):
        made = revision(*pool, strategy=strategy)
        weighted = revision(*pool)
        for number in range(50):
            assert order(made, same, number / 50) == order(weighted, {}, number / 50)


def test_a_member_of_which_nothing_is_known_is_tried_before_the_fastest() -> None:
    new, fast = member(deployment("new")), member(deployment("fast"))
    figures = {fast.deployment.id: Figures(0.001, 0)}
    made = revision(fast, new, strategy=Strategy.LEAST_LATENCY)
    assert all(order(made, figures, number / 50)[0] == new for number in range(50))


def test_a_peak_counts_at_once_and_is_forgotten_little_by_little() -> None:
    assert peak_ewma(None, 2.0, after_seconds=0) == 2.0
    assert peak_ewma(1.0, 9.0, after_seconds=0.001) == 9.0
    assert peak_ewma(9.0, 1.0, after_seconds=0) == 9.0
    assert peak_ewma(9.0, 1.0, after_seconds=DECAY_SECONDS) == 1.0 + 8.0 / math.e
    assert decayed(8.0, age_seconds=DECAY_SECONDS) == 8.0 / math.e


def test_work_moves_to_the_faster_members_and_back_when_the_slow_one_recovers() -> None:
    """Four members, one of which answers in three seconds for a minute; a job a tenth of a second."""
    dice = random.Random(4)
    pool = [member(deployment(str(number))) for number in range(4)]
    made = revision(*pool, strategy=Strategy.LEAST_LATENCY)
    slow = pool[0].deployment.id
    averages: dict[UUID, tuple[float, float]] = {}
    running: list[tuple[float, UUID, float]] = []
    shares: list[Counter[bool]] = [Counter(), Counter()]
    for step in range(3000):
        at = step / 10
        for ended in [one for one in running if one[0] <= at]:
            running.remove(ended)
            known, noted = averages.get(ended[1], (None, at))
            averages[ended[1]] = peak_ewma(known, ended[2], after_seconds=at - noted), at
        calls = Counter(one[1] for one in running)
        figures = {
            one.deployment.id: Figures(
                decayed(averages[one.deployment.id][0], age_seconds=at - averages[one.deployment.id][1])
                if one.deployment.id in averages
                else None,
                calls[one.deployment.id],
            )
            for one in pool
        }
        chosen = order(made, figures, dice.random())[0].deployment.id
        took = (3.0 if chosen == slow and at < 60 else 0.3) * dice.uniform(0.9, 1.1)
        running.append((at + took, chosen, took))
        if 10 < at < 60 or at > 200:
            shares[at > 200][chosen == slow] += 1
    while_slow, after = (share[True] / share.total() for share in shares)
    print(f"share of the slow member: {while_slow:.3f} while it is slow, {after:.3f} after")
    assert while_slow < 0.06
    assert 0.2 < after < 0.3
