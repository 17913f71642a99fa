"""Submitting: a validated request becomes a job, with its pool revision pinned and its first step chosen."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.record import ActorKind
from app.copilot.catalog import task_types
from app.copilot.cohorts import by_item, by_name, sticky_key
from app.copilot.deciding import Circumstances, Wanted, decide, demand_of, route_of
from app.copilot.errors import InvalidParameters, UnknownTaskType, WrongInput
from app.copilot.estimating import Estimate, estimate
from app.copilot.house_wording import with_wording
from app.copilot.permissions import Asker, require_permission
from app.copilot.produced_files import check_file_wanted, check_operations_wanted, wants_file
from app.copilot.types import InlineKind, TaskType
from app.copilot.windows import context_tokens
from app.copilot.work import WorkFacts
from app.core.crypto import Sealer
from app.core.errors import ErrorDetail
from app.documents.service import DocumentView
from app.identity.graph import DriveItemRef
from app.jobs.accept import NewJob, accept
from app.pools.configuration import Configuration
from app.pools.credentials import load_keyless
from app.pools.routes import ChosenRoute, any_route, asks_for_member
from app.pools.selection import select
from app.tenants.members import NOTHING_KNOWN, MemberAttributes, attributes_of
from app.usage.budgets import Payer, Standing, budgets_of, standings
from app.vocabulary import Lane, OfficeHost, Role, StepKind


@dataclass(frozen=True)
class ToFetch:
    """Files that a job's first step gets on behalf of its member, by a session that the member began."""

    drive_items: Sequence[DriveItemRef]
    graph_session_id: UUID


@dataclass(frozen=True)
class Submission:
    """What a caller asks for; documents and session have been found to be the caller's own."""

    task_type: str
    parameters: Mapping[str, Any]
    host: OfficeHost
    lane: Lane
    documents: Sequence[DocumentView]
    idempotency: tuple[str, bytes] | None = None
    to_fetch: ToFetch | None = None
    """Instead of documents."""
    start_after: datetime | None = None
    batch_id: UUID | None = None
    """The batch whose document it is."""
    inline: InlineKind | None = None
    """What the one document is, where the pane sent it itself."""


@dataclass(frozen=True)
class Placement:
    """Which pool serves a job, and how it begins."""

    route: ChosenRoute
    language: str
    estimated_tokens: int
    first_step: StepKind
    estimate: Estimate


def find_task_type(name: str) -> TaskType:
    """The task type. Raises: `UnknownTaskType`."""
    found = task_types().get(name)
    if found is None:
        raise UnknownTaskType(name, known=sorted(task_types()))
    return found


def checked_parameters(task_type: TaskType, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with defaults filled in. Raises: `InvalidParameters` with each place."""
    try:
        return task_type.parameters.model_validate(dict(parameters)).model_dump(
            mode="json", exclude_none=True
        )
    except ValidationError as error:
        raise InvalidParameters(
            task_type.name,
            [
                ErrorDetail(one["type"], one["msg"], ".".join(["parameters", *map(str, one["loc"])]))
                for one in error.errors(include_input=False, include_url=False)
            ],
        ) from None


def check_inputs(task_type: TaskType, documents: int, inline: InlineKind | None) -> None:
    """As many documents as the task type takes, and of a kind that it takes. Raises: `WrongInput`."""
    wrong = task_type.inputs.wrong(documents, inline)
    if wrong is not None:
        raise WrongInput(task_type.name, wrong)


async def submit(
    session: AsyncSession,
    sealer: Sealer,
    configuration: Configuration,
    submission: Submission,
    *,
    tenant_id: UUID,
    member_id: UUID,
    deadline_seconds: float,
    actor_kind: ActorKind = ActorKind.MEMBER,
    roles: Collection[Role] = frozenset({Role.MEMBER}),
) -> UUID:
    """Accept the job of a member, person or program, in the caller's transaction and give its id.

    Raises: `UnknownTaskType`, `TaskTypeNotPermitted`, `InvalidParameters`, `WrongInput`, `OriginalNotKept`, `BudgetExhausted`, `JobTooLarge`, `NoRoute`, `NoEligibleMember`, `TooManyJobs`,
    `IdempotencyKeyReused`.
    """
    task_type = find_task_type(submission.task_type)
    asker = Asker(tenant_id, member_id, roles, is_program=actor_kind is ActorKind.APPLICATION)
    await require_permission(session, configuration, asker, task_type.name)
    parameters = checked_parameters(task_type, submission.parameters)
    parameters = await with_wording(session, sealer, task_type, parameters)
    policy = await configuration.policy(tenant_id)
    later = submission.to_fetch
    count = len(submission.documents) if later is None else len(later.drive_items)
    check_inputs(task_type, count, submission.inline)
    if wants_file(parameters):
        await check_file_wanted(
            session,
            task_type.name,
            submission.documents,
            submission.inline,
            tenant_id=tenant_id,
            member_id=member_id,
        )
    member = await attributes_for(
        session, configuration, task_type.name, tenant_id=tenant_id, member_id=member_id
    )
    placement: Placement | None = None
    if later is None:
        budgets = await budgets_of(session, configuration, Payer(tenant_id, member_id, task_type.name))
        placed = await place(
            configuration,
            task_type,
            parameters,
            tenant_id=tenant_id,
            lane=submission.lane,
            host=submission.host,
            documents=submission.documents,
            stand=await standings(session, tenant_id, budgets, datetime.now(UTC)),
            member=member,
        )
        route, placement = placed.route, placed
    else:
        route = any_route(await configuration.routes(tenant_id), task_type.name, member)
    return await accept(
        session,
        sealer,
        NewJob(
            task_type=task_type.name,
            host=submission.host,
            lane=submission.lane,
            parameters=parameters,
            documents=[document.id for document in submission.documents],
            pool_tenant_id=route.pool_tenant_id,
            pool_revision_id=route.revision_id,
            route_reason=route.reason,
            language="und" if placement is None else placement.language,
            estimated_tokens=0 if placement is None else placement.estimated_tokens,
            first_step=StepKind.FETCH if placement is None else placement.first_step,
            estimate=None if placement is None else placement.estimate.as_json(),
            on_dead=task_type.on_dead,
            deadline_seconds=deadline_seconds,
            sticky_key=sticky_key(sealer, member_id, _documents_of(submission)),
            first_input=None
            if later is None
            else {"drive_items": [asdict(one) for one in later.drive_items]},
            graph_session_id=None if later is None else later.graph_session_id,
            start_after=submission.start_after,
            batch_id=submission.batch_id,
        ),
        tenant_id=tenant_id,
        member_id=member_id,
        max_jobs_queued=policy.max_jobs_queued,
        idempotency=submission.idempotency,
        actor_kind=actor_kind,
    )


def _documents_of(submission: Submission) -> list[str]:
    """What a job's draw keeps to; nothing but its member where the pane sent a text itself."""
    if submission.to_fetch is not None:
        return [by_item(one.drive_id, one.item_id) for one in submission.to_fetch.drive_items]
    if submission.inline is not None:
        return []
    return [
        by_item(one.source["drive_id"], one.source["item_id"]) if one.source else by_name(one.name)
        for one in submission.documents
    ]


async def attributes_for(
    session: AsyncSession, configuration: Configuration, task_type: str, *, tenant_id: UUID, member_id: UUID
) -> MemberAttributes:
    """What routes of the task type may ask of a member; no SQL for a tenant whose routes ask nothing."""
    if not asks_for_member(await configuration.routes(tenant_id), task_type):
        return NOTHING_KNOWN
    return await attributes_of(session, tenant_id=tenant_id, member_id=member_id)


async def place(
    configuration: Configuration,
    task_type: TaskType,
    parameters: Mapping[str, Any],
    *,
    tenant_id: UUID,
    lane: Lane,
    host: OfficeHost,
    documents: Sequence[DocumentView],
    stand: Sequence[Standing] = (),
    member: MemberAttributes = NOTHING_KNOWN,
) -> Placement:
    """Choose the pool and the first step; `stand` is where the payer's budgets do, `member` who asks.

    Raises: `WrongInput`, `BudgetExhausted`, `JobTooLarge`, `NoRoute`, `NoEligibleMember`.
    """
    check_operations_wanted(task_type.name, parameters, documents)
    language = main_language(documents)
    tokens = sum(document.estimated_tokens for document in documents)
    job = Wanted(task_type, parameters, language, tokens, lane, host, member)
    found = await decide(configuration, tenant_id, job, Circumstances(stand))
    if found.refusal is not None:
        raise found.refusal
    if found.route is None or found.revision is None or found.selection is None or found.first_step is None:
        raise AssertionError("a job that is not refused has a pool")
    facts = WorkFacts(
        tokens=tokens,
        segments=sum(document.segments for document in documents),
        context_tokens=context_tokens(found.revision),
        language=language,
        parameters=parameters,
    )
    told = estimate(task_type.work(facts), found.revision, found.selection, route=found.route.route_name)
    return Placement(found.route, language, tokens, found.first_step, told)


async def can_serve(
    configuration: Configuration,
    task_type: TaskType,
    *,
    tenant_id: UUID,
    language: str,
    member: MemberAttributes,
) -> None:
    """Whether somebody would do a small job of this type with no parameters. Raises: `NoRoute`, `NoEligibleMember`."""
    job = Wanted(task_type, {}, language, 0, Lane.INTERACTIVE, OfficeHost.WORD, member)
    _, revision = await route_of(configuration, tenant_id, job)
    policy = await configuration.policy(tenant_id)
    keyless = await configuration.remembered("keyless", tenant_id, load_keyless)
    demand = demand_of(task_type, {}, language, 0, revision, StepKind.FINAL)
    select(
        revision,
        policy,
        demand,
        resting={},
        now=datetime.now(UTC),
        draw=0.0,
        without_credential=keyless,
    )


def main_language(documents: Sequence[DocumentView]) -> str:
    """The language of the longest document."""
    if not documents:
        return "und"
    return max(documents, key=lambda document: document.estimated_tokens).language
