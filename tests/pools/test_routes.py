"""The most specific published route wins, and a tenant's own before the platform's."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from app.core.clock import new_id
from app.pools.errors import NoRoute
from app.pools.routes import JobFacts, any_route, asks_for_member, choose_route
from app.pools.seed_schema import SeedConditions
from app.pools.values import RouteFacts
from app.tenants.members import MemberAttributes
from app.vocabulary import PLATFORM, Lane

TENANT = new_id()
JOB = JobFacts("summarize", Lane.INTERACTIVE, "en", 800, "word")


def route(name: str, conditions: dict[str, Any] | None = None, **changes: Any) -> RouteFacts:
    values: dict[str, Any] = {
        "id": new_id(),
        "tenant_id": PLATFORM,
        "name": name,
        "task_type": "summarize",
        "conditions": conditions or {},
        "pool_tenant_id": PLATFORM,
        "pool_id": new_id(),
        "pool_name": f"{name}-pool",
        "published_revision_id": new_id(),
    }
    return RouteFacts(**{**values, **changes})


def test_more_conditions_win_over_fewer_and_the_reason_says_so() -> None:
    general, short = route("general"), route("short", {"max_tokens": 1200})
    chosen = choose_route([general, short], JOB)
    assert chosen.route_name == "short"
    assert chosen.revision_id == short.published_revision_id
    assert chosen.reason == (
        "the platform's route short with max_tokens 1200; the most specific of 2 that match"
    )


def test_of_two_with_equal_conditions_the_first_by_name_wins() -> None:
    same = {"language": "en", "max_tokens": 900}
    assert choose_route([route("b", same), route("a", same), route("c", same)], JOB).route_name == "a"


@pytest.mark.parametrize("language", ["EN", "en-GB", " En ", "en"])
def test_a_language_is_the_same_in_whatever_case_and_with_whatever_region(language: str) -> None:
    assert choose_route([route("english", {"language": language})], JOB).route_name == "english"
    kept = SeedConditions.model_validate({"language": language, "department": "  Legal \u00a0 Affairs "})
    assert (kept.language, kept.department) == ("en", "Legal Affairs")
    with pytest.raises(NoRoute):
        choose_route([route("english", {"language": language})], replace(JOB, language="de"))


def test_a_department_is_the_same_whatever_its_blanks() -> None:
    asks = route("legal", {"department": "legal affairs"})
    member = MemberAttributes(department=" Legal  Affairs")
    assert choose_route([asks], replace(JOB, member=member)).route_name == "legal"
    with pytest.raises(ValidationError):
        SeedConditions.model_validate({"department": "  "})


def test_of_two_size_limits_the_narrower_wins() -> None:
    wide, narrow = route("a-wide", {"max_tokens": 5000}), route("b-narrow", {"max_tokens": 1000})
    assert choose_route([wide, narrow], JOB).route_name == "b-narrow"


def test_the_tenants_own_route_wins_over_a_more_specific_one_of_the_platform() -> None:
    own = route("own", tenant_id=TENANT, pool_tenant_id=TENANT)
    chosen = choose_route([route("short", {"max_tokens": 1200, "lane": "interactive"}), own], JOB)
    assert chosen.route_name == "own"
    assert chosen.pool_tenant_id == TENANT


@pytest.mark.parametrize(
    "conditions",
    [
        {"max_tokens": 799},
        {"min_tokens": 801},
        {"lane": "background"},
        {"language": "de"},
        {"host": "excel"},
        {"sensitivity": "secret"},
        {"group": "0f4c1f2e-9a4e-4b1c-8a55-6f5d3f0a7c11"},
        {"department": "Finance"},
    ],
)
def test_a_route_whose_condition_is_not_met_does_not_match(conditions: dict[str, Any]) -> None:
    with pytest.raises(NoRoute, match="None of the 1 routes for summarize takes this one"):
        choose_route([route("picky", conditions)], JOB)


def test_a_pool_that_has_published_nothing_serves_nothing() -> None:
    with pytest.raises(NoRoute):
        choose_route([route("draft", published_revision_id=None)], JOB)


def test_a_task_type_without_any_route_says_what_to_do() -> None:
    with pytest.raises(NoRoute, match="No model pool serves summarize: ask your administrator"):
        choose_route([route("other", task_type="rewrite")], JOB)


_GROUP = "0f4c1f2e-9a4e-4b1c-8a55-6f5d3f0a7c11"


@pytest.mark.parametrize(
    "conditions",
    [
        {"group": _GROUP.upper()},
        {"department": "FINANCE"},
        {"group": _GROUP, "department": "Finance", "language": "en"},
    ],
)
def test_a_route_for_a_group_or_a_department_takes_its_members_and_nobody_else(
    conditions: dict[str, Any],
) -> None:
    general, theirs = route("general"), route("theirs", conditions)
    one_of_them = MemberAttributes(frozenset({_GROUP}), "Finance")
    somebody = MemberAttributes(frozenset({str(new_id())}), "Financial Control")
    assert choose_route([general, theirs], replace(JOB, member=one_of_them)).route_name == "theirs"
    assert choose_route([general, theirs], replace(JOB, member=somebody)).route_name == "general"
    assert any_route([theirs], "summarize", one_of_them).route_name == "theirs"
    with pytest.raises(NoRoute, match="certain groups or departments only"):
        any_route([theirs], "summarize", somebody)
    with pytest.raises(NoRoute, match="certain groups or departments only"):
        choose_route([theirs], JOB)


def test_who_asks_is_looked_up_only_where_a_route_wants_to_know() -> None:
    routes = [route("general"), route("theirs", {"group": _GROUP}, task_type="rewrite")]
    assert not asks_for_member(routes, "summarize")
    assert asks_for_member(routes, "rewrite")
