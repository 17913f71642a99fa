"""Hard limits first, then tiers, then the strategy; the same draw gives the same order everywhere."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from app.core.clock import new_id
from app.pools.errors import NoEligibleMember
from app.pools.selection import Allowance, Demand, Exclusion, exclusion, select, stickiness
from app.pools.values import DeploymentFacts, PoolMemberFacts, Price
from app.tenants.policy import Policy
from app.vocabulary import Lifecycle, MemberPurpose, ModelClass, ProviderKind, StepKind, Strategy
from tests.pools.builders import PRICE, deployment, member, provider, revision

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DEMAND = Demand("summarize", StepKind.FINAL, "en", 1000, 200, frozenset({"json_schema"}))

_REGIONS = st.sampled_from(["eu", "us", "local"])
_VENDORS = st.sampled_from(["acme", "globex"])


@st.composite
def members(draw: st.DrawFn) -> PoolMemberFacts:
    """Any member, able or not."""
    account = provider(
        region=draw(_REGIONS),
        vendor=draw(_VENDORS),
        processor=draw(_VENDORS),
        kind=draw(st.sampled_from(ProviderKind)),
        no_training=draw(st.booleans()),
        zero_retention=draw(st.booleans()),
        contract_until=draw(st.sampled_from([None, NOW - timedelta(days=1), NOW + timedelta(days=1)])),
    )
    place = deployment(
        provider=account,
        capabilities=frozenset(draw(st.sets(st.sampled_from(["json_schema", "tools"])))),
        languages=draw(st.sampled_from([None, ("en",), ("de",)])),
        context_window=draw(st.integers(500, 4000)),
        model_class=draw(st.sampled_from(ModelClass)),
        lifecycle=draw(st.sampled_from(Lifecycle)),
        retired_at=draw(st.sampled_from([None, NOW, NOW + timedelta(days=1)])),
    )
    return member(
        place,
        tier=draw(st.integers(0, 2)),
        weight=draw(st.integers(0, 5)),
        purpose=draw(st.sampled_from(MemberPurpose)),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy."""
    return Policy(
        allowed_regions=draw(st.none() | st.just(("eu", "local"))),
        allowed_vendors=draw(st.none() | st.just(("acme",))),
        allowed_model_classes=draw(st.none() | st.just((ModelClass.GENERAL,))),
        require_no_training=draw(st.booleans()),
        require_zero_retention=draw(st.booleans()),
    )


@given(
    st.lists(members(), max_size=6),
    policies(),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(Strategy),
)
def test_no_member_that_breaks_a_hard_limit_is_ever_in_the_order(
    pool: list[PoolMemberFacts], policy: Policy, draw: float, strategy: Strategy
) -> None:
    try:
        selection = select(revision(*pool, strategy=strategy), policy, DEMAND, resting={}, now=NOW, draw=draw)
    except NoEligibleMember as nobody:
        event(f"nobody of {len(nobody.details)}")
        return
    for chosen in selection.order:
        account, place = chosen.deployment.provider, chosen.deployment
        assert policy.allowed_regions is None or account.region in policy.allowed_regions
        assert policy.allowed_vendors is None or account.vendor in policy.allowed_vendors
        assert policy.allowed_model_classes is None or place.model_class in policy.allowed_model_classes
        assert account.no_training or not policy.require_no_training
        assert account.zero_retention or not policy.require_zero_retention
        assert "json_schema" in place.capabilities
        assert place.languages is None or "en" in place.languages
        assert 1000 + min(200, place.max_output_tokens) <= place.context_window
        assert place.lifecycle is not Lifecycle.RETIRED
        assert place.retired_at is None or place.retired_at > NOW
        assert account.contract_until is None or account.contract_until > NOW
        assert chosen.purpose is MemberPurpose.SERVING
    assert [one.tier for one in selection.order] == sorted(one.tier for one in selection.order)
    asked, refused = set(map(id, selection.order)), {id(one) for one, _ in selection.excluded}
    assert asked | refused == set(map(id, pool))
    assert not asked & refused


@given(st.lists(members(), min_size=1, max_size=5), st.floats(0, 1, exclude_max=True), st.randoms())
def test_the_order_depends_on_the_draw_and_not_on_how_the_pool_is_listed(
    pool: list[PoolMemberFacts], draw: float, random: Any
) -> None:
    able = [replace(one, deployment=deployment(), purpose=MemberPurpose.SERVING) for one in pool]
    shuffled = random.sample(able, len(able))
    first, second = (
        select(revision(*listed), Policy(), DEMAND, resting={}, now=NOW, draw=draw).order
        for listed in (able, shuffled)
    )
    assert first == second


def test_members_of_a_tier_come_first_in_proportion_to_their_weights() -> None:
    heavy, light, never = (member(deployment(), weight=weight) for weight in (3, 1, 0))
    pool = revision(heavy, light, never)
    first = Counter(
        select(pool, Policy(), DEMAND, resting={}, now=NOW, draw=stickiness(pool.pool_id, new_id().bytes))
        .order[0]
        .id
        for _ in range(2000)
    )
    assert first[never.id] == 0
    assert 0.70 < first[heavy.id] / 2000 < 0.80


def test_a_member_that_leaves_moves_only_its_own_jobs() -> None:
    pool = [member(deployment()) for _ in range(4)]
    salt, jobs = new_id(), [new_id() for _ in range(300)]

    def firsts(of: list[PoolMemberFacts]) -> dict[Any, Any]:
        return {
            job: select(
                revision(*of), Policy(), DEMAND, resting={}, now=NOW, draw=stickiness(salt, job.bytes)
            )
            .order[0]
            .id
            for job in jobs
        }

    before, after = firsts(pool), firsts(pool[:3])
    moved = {job for job in jobs if before[job] != after[job]}
    assert moved == {job for job in jobs if before[job] == pool[3].id}


def test_the_draw_of_a_key_is_stable_and_in_another_pool_it_is_different() -> None:
    pool, other, key = new_id(), new_id(), new_id().bytes
    assert stickiness(pool, key) == stickiness(pool, key)
    assert stickiness(pool, key) != stickiness(other, key)
    assert 0.0 <= stickiness(pool, key) < 1.0


def test_least_cost_asks_the_cheapest_first_and_one_without_a_price_last() -> None:
    cheap = member(deployment("cheap", price=Price(new_id(), "EUR", 1, 1, 1, 1)), weight=1)
    dear = member(deployment("dear", price=PRICE), weight=9)
    unknown = member(deployment("unknown", price=None), weight=9)
    pool = revision(unknown, dear, cheap, strategy=Strategy.LEAST_COST)
    order = select(pool, Policy(), DEMAND, resting={}, now=NOW, draw=0.3).order
    assert [one.deployment.name for one in order] == ["cheap", "dear", "unknown"]


PRICES = {"dear": 8, "fair": 2, "cheap": 1}


def tiers(**kinds: ProviderKind) -> list[PoolMemberFacts]:
    """A tier for each name, in this order; what it costs is in its name."""
    return [
        member(
            deployment(
                name,
                price=Price(new_id(), "EUR", *[PRICES.get(name, 0) * 1_000_000] * 4),
                provider=provider(kind=kind),
            ),
            tier=tier,
        )
        for tier, (name, kind) in enumerate(kinds.items())
    ]


def names(pool: list[PoolMemberFacts], allowance: Allowance) -> list[str]:
    demand = replace(DEMAND, document_language="en")
    found = select(revision(*pool), Policy(), demand, resting={}, now=NOW, draw=0.3, allowance=allowance)
    return [one.deployment.name for one in found.order]


def test_past_a_soft_limit_the_first_cheaper_tier_is_asked_first() -> None:
    usual, picking = ProviderKind.OPENAI_COMPATIBLE, ProviderKind.EXTRACTIVE
    pool = tiers(fair=usual, dear=usual, cheap=usual, extractive=picking)
    assert names(pool, Allowance("EUR")) == ["fair", "dear", "cheap", "extractive"]
    assert names(pool, Allowance("EUR", frugal=True)) == ["cheap", "extractive", "fair", "dear"]
    assert names(tiers(cheap=usual, dear=usual), Allowance("EUR", frugal=True)) == ["cheap", "dear"]
    assert names(tiers(dear=usual, free=picking), Allowance("EUR", frugal=True)) == ["dear", "free"]


@pytest.mark.parametrize(
    ("allowance", "order"),
    [
        (Allowance("EUR", 9_600), ["dear", "cheap"]),
        (Allowance("EUR", 9_599), ["cheap"]),
        (Allowance("EUR", 1_200), ["cheap"]),
        (Allowance("EUR", None), ["dear", "cheap"]),
    ],
)
def test_who_costs_more_than_is_left_is_excluded(allowance: Allowance, order: list[str]) -> None:
    usual = ProviderKind.OPENAI_COMPATIBLE
    assert names(tiers(dear=usual, cheap=usual), allowance) == order


@pytest.mark.parametrize(
    ("allowance", "reason"),
    [(Allowance("EUR", 1_199), Exclusion.BUDGET), (Allowance("USD", 10**9), Exclusion.CURRENCY)],
)
def test_when_money_excludes_everybody_each_member_says_so(allowance: Allowance, reason: Exclusion) -> None:
    with pytest.raises(NoEligibleMember) as refused:
        names(tiers(cheap=ProviderKind.OPENAI_COMPATIBLE), allowance)
    assert [detail.code for detail in refused.value.details] == [reason]


def test_what_costs_nothing_needs_no_money() -> None:
    unpriced, gratis = (
        member(deployment("unpriced", price=None)),
        tiers(gratis=ProviderKind.OPENAI_COMPATIBLE),
    )
    assert set(names([unpriced, *gratis], Allowance("USD", 0))) == {"unpriced", "gratis"}


def test_a_member_configured_with_a_parameter_that_its_model_does_not_know_is_ineligible() -> None:
    knows = deployment("knows", supported_parameters=frozenset({"temperature"}))
    able, unable = (member(knows, parameters={name: 1}) for name in ("temperature", "seed"))
    unsaid = member(deployment("unsaid"), parameters={"seed": 1})
    selection = select(revision(able, unable, unsaid), Policy(), DEMAND, resting={}, now=NOW, draw=0.3)
    assert {one.id for one in selection.order} == {able.id, unsaid.id}
    assert selection.excluded == ((unable, Exclusion.PARAMETER),)


EXTRACTIVE = member(deployment("extractive", provider=provider(kind=ProviderKind.EXTRACTIVE)))


@pytest.mark.parametrize(
    ("demand", "reason"),
    [
        (replace(DEMAND, document_language="en"), None),
        (replace(DEMAND, task_type="rewrite"), Exclusion.CAPABILITY),
        (replace(DEMAND, parameters={"audience": "the board"}), Exclusion.PARAMETER),
        (replace(DEMAND, parameters={"focus": "money"}), Exclusion.PARAMETER),
        (replace(DEMAND, parameters={"language": "de"}), Exclusion.LANGUAGE),
        (replace(DEMAND, parameters={"language": "en"}, document_language="en"), None),
        (replace(DEMAND, language="de", document_language="en"), Exclusion.LANGUAGE),
        (replace(DEMAND, language="und", document_language="und"), None),
    ],
)
def test_the_extractive_member_only_summarizes_in_the_documents_own_language(
    demand: Demand, reason: Exclusion | None
) -> None:
    assert exclusion(EXTRACTIVE, Policy(), demand, now=NOW) == reason


@pytest.mark.parametrize(("language", "reason"), [("en", None), ("de", Exclusion.LANGUAGE), ("und", None)])
def test_a_list_of_languages_keeps_a_member_only_from_languages_that_are_known(
    language: str, reason: Exclusion | None
) -> None:
    only_english = member(deployment("small", languages=("en",)))
    assert exclusion(only_english, Policy(), replace(DEMAND, language=language), now=NOW) == reason


def test_a_resting_member_is_left_out_and_a_rest_that_is_over_does_not_count() -> None:
    tired, fresh = member(deployment("tired")), member(deployment("fresh"))
    pool = revision(tired, fresh)
    until = {tired.deployment.id: NOW.timestamp() + 5, fresh.deployment.id: NOW.timestamp() - 1}
    selection = select(pool, Policy(), DEMAND, resting=until, now=NOW, draw=0.5)
    assert selection.order == (fresh,)
    assert selection.excluded == ((tired, Exclusion.RESTING),)


def test_when_nobody_is_left_each_member_and_its_reason_are_named() -> None:
    american = member(deployment("american", provider=provider(region="us")))
    keyless = member(deployment("keyless"))
    resting = member(deployment("resting"))
    with pytest.raises(NoEligibleMember) as raised:
        select(
            revision(american, keyless, resting),
            Policy(allowed_regions=("eu",)),
            DEMAND,
            resting={resting.deployment.id: NOW.timestamp() + 7},
            now=NOW,
            draw=0.5,
            without_credential={keyless.deployment.provider.id},
        )
    assert {(one.target, one.code) for one in raised.value.details} == {
        ("american", "region"),
        ("keyless", "credential"),
        ("resting", "resting"),
    }
    assert "american runs in a region that the tenant does not allow" in raised.value.message
    assert raised.value.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (deployment("retiring", retired_at=NOW), Exclusion.RETIRED),
        (deployment("leaving", provider=provider(contract_until=NOW)), Exclusion.CONTRACT),
    ],
    ids=["retired", "contract"],
)
def test_a_member_serves_until_the_instant_of_its_end_and_not_at_it(
    of: DeploymentFacts, reason: Exclusion
) -> None:
    one = member(of)
    assert exclusion(one, Policy(), DEMAND, now=NOW - timedelta(microseconds=1)) is None
    assert exclusion(one, Policy(), DEMAND, now=NOW) is reason
    with pytest.raises(NoEligibleMember) as refused:
        select(revision(one), Policy(), DEMAND, resting={}, now=NOW + timedelta(seconds=1), draw=0.0)
    assert [detail.code for detail in refused.value.details] == [reason]
