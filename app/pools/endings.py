"""What ends when among what a tenant uses, and what its pools are left with. Pure functions over frozen facts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.pools.errors import NoEligibleMember
from app.pools.selection import Demand, select
from app.pools.values import DeploymentFacts, ProviderFacts, RevisionFacts, RouteFacts
from app.tenants.policy import Policy
from app.vocabulary import PLATFORM, NoticeKind, StepKind

_JUST_BEFORE = timedelta(microseconds=1)
_ANY_LANGUAGE = "en"


@dataclass(frozen=True)
class AffectedPool:
    """A pool in which something that ends serves."""

    name: str
    task_type: str
    becomes_empty: bool
    """Until the end somebody may serve, in every language that is served; from then on in one of them nobody."""
    members_left: int
    """Who may serve from the end on; where members differ in languages, in the language that has the fewest."""

    def as_json(self) -> dict[str, Any]:
        """As it is kept in a notice."""
        return {
            "name": self.name,
            "task_type": self.task_type,
            "becomes_empty": self.becomes_empty,
            "members_left": self.members_left,
        }


@dataclass(frozen=True)
class Ending:
    """A deployment's or a contract's end, with the pools that it touches."""

    kind: NoticeKind
    subject_id: UUID
    subject_name: str
    owner_tenant_id: UUID
    ends_at: datetime
    pools: tuple[AffectedPool, ...]


@dataclass(frozen=True)
class InUse:
    """What a tenant depends on: its own deployments and providers, and the published pools of its routes."""

    revisions: tuple[RevisionFacts, ...]
    deployments: tuple[DeploymentFacts, ...] = ()
    providers: tuple[ProviderFacts, ...] = ()


def published_revisions(routes: Sequence[RouteFacts]) -> tuple[UUID, ...]:
    """The revisions that a tenant's routes lead to, each once.

    A platform route leads nowhere where the tenant's own takes every job of the task type.
    """
    taken = {
        route.task_type
        for route in routes
        if route.tenant_id != PLATFORM and not route.conditions and route.published_revision_id is not None
    }
    found = {
        route.published_revision_id: None
        for route in routes
        if route.published_revision_id is not None
        and (route.tenant_id != PLATFORM or route.task_type not in taken)
    }
    return tuple(found)


def endings(in_use: InUse, policy: Policy, *, after: datetime, before: datetime) -> list[Ending]:
    """Everything in use whose end has been announced and lies in (`after`, `before`], soonest first.

    What was put away serves nobody, so its end is no news.
    """
    deployments = {one.id: one for one in in_use.deployments if not one.archived}
    for revision in in_use.revisions:
        deployments.update(
            (member.deployment.id, member.deployment)
            for member in revision.members
            if not member.deployment.archived
        )
    providers = {one.id: one for one in in_use.providers}
    providers.update((one.provider.id, one.provider) for one in deployments.values())
    found = [
        _ending(kind, one, ends_at, in_use.revisions, policy)
        for kind, one, ends_at in _dates(deployments.values(), providers.values())
        if ends_at is not None and after < ends_at <= before
    ]
    return sorted(found, key=lambda ending: (ending.ends_at, ending.kind, ending.subject_id))


def _dates(
    deployments: Iterable[DeploymentFacts], providers: Iterable[ProviderFacts]
) -> Iterable[tuple[NoticeKind, DeploymentFacts | ProviderFacts, datetime | None]]:
    for deployment in deployments:
        yield NoticeKind.DEPRECATION, deployment, deployment.deprecated_at
        yield NoticeKind.RETIREMENT, deployment, deployment.retired_at
    for provider in providers:
        yield NoticeKind.CONTRACT, provider, provider.contract_until


def _ending(
    kind: NoticeKind,
    subject: DeploymentFacts | ProviderFacts,
    ends_at: datetime,
    revisions: Iterable[RevisionFacts],
    policy: Policy,
) -> Ending:
    touched = (
        revision
        for revision in revisions
        if any(subject.id in (one.deployment.id, one.deployment.provider.id) for one in revision.members)
    )
    return Ending(
        kind,
        subject.id,
        subject.name,
        subject.tenant_id,
        ends_at,
        tuple(_affected(revision, policy, ends_at) for revision in touched),
    )


def _affected(revision: RevisionFacts, policy: Policy, ends_at: datetime) -> AffectedPool:
    """Select as it will be: whoever ends on that day or earlier is then excluded by selection itself."""
    languages = {
        language for member in revision.members for language in member.deployment.languages or ()
    } or {_ANY_LANGUAGE}
    counts = [
        (
            _eligible(revision, policy, language, ends_at - _JUST_BEFORE),
            _eligible(revision, policy, language, ends_at),
        )
        for language in sorted(languages)
    ]
    return AffectedPool(
        name=revision.pool_name,
        task_type=revision.task_type,
        becomes_empty=any(served and not left for served, left in counts),
        members_left=min(left for _, left in counts),
    )


def _eligible(revision: RevisionFacts, policy: Policy, language: str, at: datetime) -> int:
    """How many members may do the smallest piece of work at a time; breakers and budgets are of today."""
    demand = Demand(
        task_type=revision.task_type,
        step_kind=StepKind.FINAL,
        language=language,
        input_tokens=1,
        output_tokens=1,
    )
    try:
        return len(select(revision, policy, demand, resting={}, now=at, draw=0.0).order)
    except NoEligibleMember:
        return 0
