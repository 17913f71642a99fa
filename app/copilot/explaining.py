"""Which pool and which member would serve a job, in which order, and why not the others. Calls nothing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.cohorts import sticky_key
from app.copilot.errors import JobTooLarge, TaskTypeNotPermitted
from app.copilot.permissions import Asker, may_use
from app.copilot.submit import checked_parameters, demand_of, find_task_type
from app.copilot.windows import context_tokens
from app.copilot.work import MOST_TOKENS, PROMPT_TOKENS
from app.core.clock import new_id
from app.core.crypto import Sealer
from app.core.errors import AppError
from app.pools.configuration import Configuration
from app.pools.errors import NoEligibleMember, NoRoute
from app.pools.looking import Load, loads
from app.pools.routes import ChosenRoute, JobFacts, choose_route
from app.pools.selection import Demand, Exclusion, select, stickiness
from app.pools.values import PoolMemberFacts, RevisionFacts
from app.tenants.members import NOTHING_KNOWN, MemberAttributes, attributes_of, find
from app.usage.budgets import Payer, Standing, allowance, budgets_of, standings
from app.vocabulary import Lane, OfficeHost, Role, StepKind, Strategy


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
    """Answer as the door would decide now. Raises: `UnknownTaskType`, `InvalidParameters`, `MemberNotFound`."""
    task_type = find_task_type(question.task_type)
    parameters = checked_parameters(task_type, question.parameters)
    attributes, refusal = await _asker(session, configuration, question, tenant_id)
    stand = await _standings(session, configuration, question, tenant_id)
    tokens = question.document_tokens
    if tokens > MOST_TOKENS:
        refusal = refusal or JobTooLarge(tokens, MOST_TOKENS)
    facts = JobFacts(task_type.name, question.lane, question.language, tokens, question.host, attributes)
    try:
        route = choose_route(await configuration.routes(tenant_id), facts)
    except NoRoute as error:
        return Explanation(budgets=stand, refusal=refusal or error)
    revision = await configuration.revision(tenant_id, route.revision_id)
    window = context_tokens(revision)
    first_step = task_type.first_step(tokens, window)
    demand = demand_of(task_type, parameters, question.language, tokens, revision, first_step)
    known = await loads(redis, [one.deployment for one in revision.members])
    now = time.time()
    rests = {id_: load.rests_for_seconds for id_, load in (known or {}).items()}
    resting = {id_: now + seconds for id_, seconds in rests.items() if seconds > 0}
    order: tuple[PoolMemberFacts, ...] = ()
    reasons: dict[UUID, Exclusion] = {}
    try:
        chosen = select(
            revision,
            await configuration.policy(tenant_id),
            demand,
            resting=resting,
            now=datetime.fromtimestamp(now, UTC),
            draw=stickiness(revision.pool_id, _sticky_key(sealer, question)),
            allowance=allowance(stand),
        )
        order, reasons = chosen.order, {one.id: reason for one, reason in chosen.excluded}
    except NoEligibleMember as nobody:
        refusal = refusal or nobody
        reasons = {
            one.id: Exclusion(detail.code)
            for one, detail in zip(revision.members, nobody.details, strict=True)
        }
    shares = _shares(revision, order)

    def candidate(member: PoolMemberFacts) -> Candidate:
        return Candidate(
            member,
            reasons.get(member.id),
            shares.get(member.id),
            None if known is None else known.get(member.deployment.id),
            _most(member, demand),
        )

    return Explanation(
        route=route,
        revision=revision,
        first_step=first_step,
        order=tuple(candidate(one) for one in order),
        excluded=tuple(candidate(one) for one in revision.members if one.id in reasons),
        budgets=stand,
        calls=_calls(tokens, window, first_step),
        refusal=refusal,
    )


async def _asker(
    session: AsyncSession, configuration: Configuration, question: Question, tenant_id: UUID
) -> tuple[MemberAttributes, AppError | None]:
    if question.member_id is None:
        return question.attributes, None
    person = await find(session, tenant_id=tenant_id, member_id=question.member_id)
    asker = Asker(tenant_id, person.id, frozenset({Role.MEMBER, person.role}))
    permitted = await may_use(session, configuration, asker, question.task_type)
    refusal = None if permitted else TaskTypeNotPermitted(question.task_type)
    return await attributes_of(session, tenant_id=tenant_id, member_id=person.id), refusal


async def _standings(
    session: AsyncSession, configuration: Configuration, question: Question, tenant_id: UUID
) -> tuple[Standing, ...]:
    """Of the person's budgets; of nobody in particular those of the tenant and the task type."""
    payer = Payer(tenant_id, question.member_id or new_id(), question.task_type)
    budgets = await budgets_of(session, configuration, payer)
    return await standings(session, tenant_id, budgets, datetime.now(UTC))


def _sticky_key(sealer: Sealer, question: Question) -> bytes:
    """That of the person's job; of nobody in particular, that of a person who does not exist."""
    return sticky_key(
        sealer, question.member_id or UUID(int=0), [question.document] if question.document else []
    )


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
