"""Which pool serves a job: the most specific route that matches and whose pool is published."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.pools.errors import NoRoute
from app.pools.values import RouteFacts
from app.tenants.members import NOTHING_KNOWN, MemberAttributes, same_department
from app.vocabulary import PLATFORM, Lane

OF_MEMBERS = frozenset({"group", "department"})
"""Conditions on who asks: a group's id in Entra, a department's name whatever its case and blanks."""
CONDITIONS = frozenset({"lane", "language", "host", "min_tokens", "max_tokens"}) | OF_MEMBERS
"""What a route may depend on. A route with a condition not in this list matches nothing."""


@dataclass(frozen=True)
class JobFacts:
    """What a route may look at."""

    task_type: str
    lane: Lane
    language: str
    estimated_tokens: int
    host: str
    member: MemberAttributes = NOTHING_KNOWN


@dataclass(frozen=True)
class ChosenRoute:
    """The route's pool with the revision to pin, and why it was this one."""

    route_name: str
    pool_name: str
    pool_tenant_id: UUID
    revision_id: UUID
    reason: str


def plain_language(tag: str) -> str:
    """A language as documents are told to be in: its code in lower case, without region and script."""
    return tag.strip().lower().partition("-")[0]


def choose_route(routes: Iterable[RouteFacts], job: JobFacts) -> ChosenRoute:
    """Choose the pool: a tenant's own route before the platform's, then the one with most conditions.

    Of several with as many, the one for the narrowest span of tokens, and then the first by name.

    Raises: `NoRoute`.
    """
    of_type = [route for route in routes if route.task_type == job.task_type]
    matching = [
        (route, route.published_revision_id)
        for route in of_type
        if route.published_revision_id is not None and _matches(route.conditions, job)
    ]
    if not matching:
        raise NoRoute(_what_to_do(of_type, job), target=job.task_type)
    route, revision_id = min(matching, key=lambda match: _rank(match[0]))
    return ChosenRoute(
        route.name, route.pool_name, route.pool_tenant_id, revision_id, _reason(route, len(matching))
    )


def asks_for_member(routes: Iterable[RouteFacts], task_type: str) -> bool:
    """Whether it matters for the task type who asks."""
    return any(route.task_type == task_type and route.conditions.keys() & OF_MEMBERS for route in routes)


def any_route(
    routes: Iterable[RouteFacts], task_type: str, member: MemberAttributes = NOTHING_KNOWN
) -> ChosenRoute:
    """A pool of the task type that is open to the member, for a job whose documents are not there yet.

    `choose_route` decides once they are. Raises: `NoRoute`.
    """
    of_type = [route for route in routes if route.task_type == task_type]
    published = [
        (route, route.published_revision_id)
        for route in of_type
        if route.published_revision_id is not None and _is_open_to(route.conditions, member)
    ]
    if not published:
        what = "ask your administrator to publish the pool of a route for it" + _for_some_only(of_type) + "."
        raise NoRoute(f"No model pool serves {task_type}: {what}", target=task_type)
    route, revision_id = min(published, key=lambda one: (one[0].tenant_id == PLATFORM, one[0].name))
    return ChosenRoute(
        route.name, route.pool_name, route.pool_tenant_id, revision_id, "chosen once the documents are there"
    )


def _matches(conditions: Mapping[str, Any], job: JobFacts) -> bool:
    if not conditions.keys() <= CONDITIONS:
        return False
    if not _is_open_to(conditions, job.member):
        return False
    exact = {"lane": job.lane, "host": job.host}
    return all(
        job.estimated_tokens >= wanted
        if name == "min_tokens"
        else job.estimated_tokens <= wanted
        if name == "max_tokens"
        else plain_language(str(wanted)) == plain_language(job.language)
        if name == "language"
        else exact[name] == wanted
        for name, wanted in conditions.items()
        if name not in OF_MEMBERS
    )


def _is_open_to(conditions: Mapping[str, Any], member: MemberAttributes) -> bool:
    """Whether the member has what is asked of members. What we do not know of somebody, they do not have."""
    group, department = conditions.get("group"), conditions.get("department")
    return (group is None or str(group).lower() in member.groups) and (
        department is None or same_department(str(department), member.department)
    )


def _for_some_only(routes: Iterable[RouteFacts]) -> str:
    limited = any(route.conditions.keys() & OF_MEMBERS for route in routes)
    return ", some are for certain groups or departments only" if limited else ""


def _rank(route: RouteFacts) -> tuple[bool, int, int, str]:
    narrow = route.conditions.get("max_tokens", 2**62) - route.conditions.get("min_tokens", 0)
    return route.tenant_id == PLATFORM, -len(route.conditions), narrow, route.name


def _reason(route: RouteFacts, matches: int) -> str:
    owner = "the platform's" if route.tenant_id == PLATFORM else "the tenant's"
    conditions = ", ".join(f"{name} {value}" for name, value in sorted(route.conditions.items()))
    because = f"with {conditions}" if conditions else "without conditions"
    others = f"; the most specific of {matches} that match" if matches > 1 else ""
    return f"{owner} route {route.name} {because}{others}"


def _what_to_do(of_type: list[RouteFacts], job: JobFacts) -> str:
    if not of_type:
        return f"No model pool serves {job.task_type}: ask your administrator to add a route for it."
    if all(route.published_revision_id is None for route in of_type):
        return (
            f"No model that can do {job.task_type} is set up: your administrator can add a provider's key in the"
            f" portal and a member to a pool for it, your operator a member to the pool {of_type[0].pool_name}."
            " On a development machine a vendor's key in the environment, such as OPENAI_API_KEY, or a running"
            f" Ollama is enough{_for_some_only(of_type)}."
        )
    return (
        f"None of the {len(of_type)} routes for {job.task_type} takes this one"
        f" ({job.estimated_tokens} tokens, language {job.language}, {job.host}, {job.lane}):"
        f" ask your administrator to widen a route or to publish its pool{_for_some_only(of_type)}."
    )
