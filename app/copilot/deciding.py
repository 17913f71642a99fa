"""Whether a job is taken, by which pool, and who would be asked: one decision for the door, estimates and explanations.

What a call finds later (`llm.loop`) is the same `select`, with the breakers and keys of its own process: a member
that rests now may answer in a minute, so the door takes work for it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID

from app.copilot.errors import JobTooLarge, TaskTypeNotPermitted
from app.copilot.produced_files import wants_file
from app.copilot.types import TaskType
from app.copilot.windows import context_tokens
from app.copilot.work import MOST_TOKENS
from app.core.clock import now
from app.core.errors import AppError
from app.pools.balancing import Figures
from app.pools.configuration import Configuration
from app.pools.credentials import load_keyless
from app.pools.errors import NoEligibleMember, NoRoute
from app.pools.routes import ChosenRoute, JobFacts, choose_route
from app.pools.selection import Demand, Exclusion, Selection, select
from app.pools.values import RevisionFacts
from app.tenants.members import NOTHING_KNOWN, MemberAttributes
from app.usage.budgets import Standing, allowance, money_refusal
from app.vocabulary import Lane, OfficeHost, StepKind


@dataclass(frozen=True)
class Wanted:
    """A job as a decision sees it: its checked parameters, the size and language of its text, and who asks."""

    task_type: TaskType
    parameters: Mapping[str, Any]
    language: str
    tokens: int
    lane: Lane
    host: OfficeHost
    member: MemberAttributes = NOTHING_KNOWN
    permitted: bool = True
    """Whether the tenant lets them use the task type."""


@dataclass(frozen=True)
class Circumstances:
    """What is so now, beside the configuration. Nothing of it, and no member rests."""

    stand: Sequence[Standing] = ()
    """Where the payer's budgets do."""
    resting: Mapping[UUID, float] = field(default_factory=lambda: MappingProxyType({}))
    figures: Mapping[UUID, Figures] = field(default_factory=lambda: MappingProxyType({}))
    draw: float = 0.0


@dataclass(frozen=True)
class Decision:
    """Where a job goes. `refusal` is what the door answers instead; what was found all the same is told, too."""

    refusal: AppError | None
    route: ChosenRoute | None = None
    revision: RevisionFacts | None = None
    demand: Demand | None = None
    first_step: StepKind | None = None
    selection: Selection | None = None


async def route_of(
    configuration: Configuration, tenant_id: UUID, job: Wanted
) -> tuple[ChosenRoute, RevisionFacts]:
    """The route that wins, and the revision of its pool that serves. Raises: `NoRoute`."""
    facts = JobFacts(job.task_type.name, job.lane, job.language, job.tokens, job.host, job.member)
    route = choose_route(await configuration.routes(tenant_id), facts)
    return route, await configuration.revision(tenant_id, route.revision_id)


async def decide(
    configuration: Configuration, tenant_id: UUID, job: Wanted, now_is: Circumstances
) -> Decision:
    """Decide on a job. The refusals in their order: permission, size, route, members, budget."""
    refusal: AppError | None = None if job.permitted else TaskTypeNotPermitted(job.task_type.name)
    if job.tokens > MOST_TOKENS:
        refusal = refusal or JobTooLarge(job.tokens, MOST_TOKENS)
    try:
        route, revision = await route_of(configuration, tenant_id, job)
    except NoRoute as error:
        return Decision(refusal or error)
    first_step = job.task_type.first_step(job.tokens, context_tokens(revision))
    if wants_file(job.parameters):
        # How much can be written is known when the file has been opened.
        first_step = StepKind.PLAN
    demand = demand_of(job.task_type, job.parameters, job.language, job.tokens, revision, first_step)
    keyless: Collection[UUID] = await configuration.remembered("keyless", tenant_id, load_keyless)
    try:
        selection = select(
            revision,
            await configuration.policy(tenant_id),
            demand,
            resting=now_is.resting,
            now=now(),
            draw=now_is.draw,
            without_credential=keyless,
            allowance=allowance(now_is.stand),
            figures=now_is.figures,
        )
    except NoEligibleMember as nobody:
        reasons = [Exclusion(detail.code) for detail in nobody.details]
        selection = Selection((), tuple(zip(revision.members, reasons, strict=True)))
        refusal = refusal or _refusal(nobody, now_is)
    return Decision(refusal, route, revision, demand, first_step, selection)


def _refusal(nobody: NoEligibleMember, now_is: Circumstances) -> AppError | None:
    """None where somebody only rests: then work waits."""
    if nobody.retry_after_seconds is not None:
        return None
    return money_refusal(nobody, now_is.stand) or nobody


def demand_of(
    task_type: TaskType,
    parameters: Mapping[str, Any],
    language: str,
    tokens: int,
    revision: RevisionFacts,
    first_step: StepKind,
) -> Demand:
    """What the first request of a job with this text needs of a member: room for what it sends, not for all there is."""
    chunked = first_step is StepKind.PLAN
    window = context_tokens(revision)
    return Demand(
        task_type=task_type.name,
        step_kind=StepKind.MAP if chunked else first_step,
        language=str(parameters.get("language") or language),
        input_tokens=min(tokens, window // 2) if chunked else task_type.reads(tokens, window),
        output_tokens=1,
        parameters=parameters,
        document_language=language,
    )
