"""Which pool and which member would serve a job, in which order, and why not the others. Calls nothing."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.asking import checked_parameters, find_task_type
from app.copilot.cohorts import sticky_key
from app.copilot.deciding import Circumstances, Decision, Wanted, decide, route_of
from app.copilot.permissions import Asker, may_use
from app.copilot.windows import context_tokens
from app.copilot.work import PROMPT_TOKENS
from app.core.crypto import Sealer
from app.core.errors import AppError
from app.jobs.accept import full_queue
from app.pools.balancing import BALANCED, Figures
from app.pools.configuration import Configuration
from app.pools.errors import NoRoute
from app.pools.limits import Limits
from app.pools.looking import Load, loads
from app.pools.routes import ChosenRoute
from app.pools.selection import Demand, Exclusion, stickiness
from app.pools.values import PoolMemberFacts, RevisionFacts
from app.tenants.members import NOTHING_KNOWN, MemberAttributes, attributes_of, find
from app.usage.budgets import Payer, Standing, budgets_of, standings
from app.vocabulary import Lane, OfficeHost, Role, StepKind, Strategy

_NOBODY = UUID(int=0)
"""Of nobody in particular."""


@dataclass(frozen=True)
class Question:
    """A job that nobody submits. With `member_id` it is that person's; else of somebody with `attributes`."""

    task_type: str
    parameters: Mapping[str, Any]
    language: str
    document_tokens: int
    lane: Lane
    host: OfficeHost
    member_id: UUID | None = None
    document: str | None = None
    """As `cohorts` names it; None for a text that the pane sends itself."""
    attributes: MemberAttributes = NOTHING_KNOWN


@dataclass(frozen=True)
class Candidate:
    """A member of the pool. `reason` says why it may not; of one that may, `share` is its part of its tier's jobs.

    `most_micros` is what one call of it costs at most; None where no price is known.
    """

    member: PoolMemberFacts
    reason: Exclusion | None
    share: float | None
    load: Load | None
    most_micros: int | None


@dataclass(frozen=True)
class Explanation:
    """`order` is who would be asked, `excluded` who not; `refusal` what the door would answer instead.

    `calls` is how many calls the job makes at most if each succeeds.
    """

    route: ChosenRoute | None = None
    revision: RevisionFacts | None = None
    first_step: StepKind | None = None
    order: tuple[Candidate, ...] = ()
    excluded: tuple[Candidate, ...] = ()
    budgets: tuple[Standing, ...] = ()
    calls: int = 0
    refusal: AppError | None = None


async def explain(
    session: AsyncSession,
    sealer: Sealer,
    configuration: Configuration,
    redis: Redis,
    question: Question,
    *,
    tenant_id: UUID,
) -> Explanation:
    """Answer as the door would decide now, with what every process knows of breakers and of how busy members are.

    Raises: `UnknownTaskType`, `InvalidParameters`, `MemberNotFound`.
    """
    task_type = find_task_type(question.task_type)
    parameters = checked_parameters(task_type, question.parameters)
    attributes, permitted = await _asker(session, configuration, question, tenant_id)
    stand = await _standings(session, configuration, question, tenant_id)
    job = Wanted(
        task_type,
        parameters,
        question.language,
        question.document_tokens,
        question.lane,
        question.host,
        attributes,
        permitted,
    )
    known: Mapping[UUID, Load] | None = {}
    circumstances = Circumstances(stand)
    with suppress(NoRoute):
        _, revision = await route_of(configuration, tenant_id, job)
        known = await loads(redis, [one.deployment for one in revision.members])
        circumstances = Circumstances(
            stand,
            _resting(known),
            await _figures(redis, revision),
            stickiness(revision.pool_id, _sticky_key(sealer, question)),
        )
    found = await decide(configuration, tenant_id, job, circumstances)
    if found.refusal is None:
        # The last thing that the door asks.
        policy = await configuration.policy(tenant_id)
        found = replace(found, refusal=await full_queue(session, tenant_id, policy.max_jobs_queued))
    return _explanation(found, job, stand, known)


def _explanation(
    found: Decision, job: Wanted, stand: tuple[Standing, ...], known: Mapping[UUID, Load] | None
) -> Explanation:
    if found.revision is None or found.demand is None or found.first_step is None or found.selection is None:
        return Explanation(budgets=stand, refusal=found.refusal)
    demand, order = found.demand, found.selection.order
    shares = _shares(found.revision, order)

    def candidate(member: PoolMemberFacts, reason: Exclusion | None) -> Candidate:
        load = None if known is None else known.get(member.deployment.id)
        return Candidate(member, reason, shares.get(member.id), load, _most(member, demand))

    return Explanation(
        route=found.route,
        revision=found.revision,
        first_step=found.first_step,
        order=tuple(candidate(one, None) for one in order),
        excluded=tuple(candidate(one, reason) for one, reason in found.selection.excluded),
        budgets=stand,
        calls=_calls(job.tokens, context_tokens(found.revision), found.first_step),
        refusal=found.refusal,
    )


async def _asker(
    session: AsyncSession, configuration: Configuration, question: Question, tenant_id: UUID
) -> tuple[MemberAttributes, bool]:
    """What is known of who asks, and whether they may."""
    if question.member_id is None:
        asker = Asker(tenant_id, _NOBODY, frozenset({Role.MEMBER}), attributes=question.attributes)
        return question.attributes, await may_use(session, configuration, asker, question.task_type)
    person = await find(session, tenant_id=tenant_id, member_id=question.member_id)
    asker = Asker(tenant_id, person.id, frozenset({Role.MEMBER, person.role}))
    permitted = await may_use(session, configuration, asker, question.task_type)
    return await attributes_of(session, tenant_id=tenant_id, member_id=person.id), permitted


async def _standings(
    session: AsyncSession, configuration: Configuration, question: Question, tenant_id: UUID
) -> tuple[Standing, ...]:
    """Of the person's budgets; of nobody in particular those of the tenant, of the group and of the task type."""
    groups = question.attributes.groups if question.member_id is None else None
    payer = Payer(tenant_id, question.member_id or _NOBODY, question.task_type, groups)
    budgets = await budgets_of(session, configuration, payer)
    return await standings(session, tenant_id, budgets, datetime.now(UTC))


def _resting(known: Mapping[UUID, Load] | None) -> dict[UUID, float]:
    """By deployment, until which epoch second; nothing while Redis is away."""
    at = time.time()
    return {
        id_: at + load.rests_for_seconds for id_, load in (known or {}).items() if load.rests_for_seconds > 0
    }


async def _figures(redis: Redis, revision: RevisionFacts) -> Mapping[UUID, Figures]:
    """How fast and busy members are, where the pool chooses by it."""
    if revision.strategy not in BALANCED:
        return {}
    traffic = Limits(redis).traffic
    deployments = [one.deployment for one in revision.members]
    await traffic.look(deployments)
    return traffic.figures(deployments)


def _sticky_key(sealer: Sealer, question: Question) -> bytes:
    """That of the person's job; of nobody in particular, that of a person who does not exist."""
    return sticky_key(sealer, question.member_id or _NOBODY, [question.document] if question.document else [])


def _shares(revision: RevisionFacts, order: tuple[PoolMemberFacts, ...]) -> dict[UUID, float]:
    """Of a tier's jobs, how many begin with each of its members; only where a draw decides."""
    if revision.strategy is not Strategy.WEIGHTED:
        return {}
    sums: dict[int, int] = {}
    for one in order:
        sums[one.tier] = sums.get(one.tier, 0) + one.weight
    return {one.id: one.weight / sums[one.tier] if sums[one.tier] else 0.0 for one in order}


def _most(member: PoolMemberFacts, demand: Demand) -> int | None:
    """One call: all its input at the full price, and as much output as the model writes."""
    deployment = member.deployment
    if deployment.price is None:
        return None
    return deployment.estimate_micros(demand.input_tokens + PROMPT_TOKENS, deployment.max_output_tokens)


def _calls(tokens: int, window: int, first_step: StepKind) -> int:
    """A long text is cut into chunks of at least a quarter of the window; merges and the end are fewer than they."""
    if first_step is not StepKind.PLAN:
        return 1
    return 2 * max(1, -(-tokens // max(1, window // 4))) + 1
