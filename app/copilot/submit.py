"""Submitting: a validated request becomes a job, with its pool revision pinned and its first step chosen."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.record import ActorKind
from app.copilot.answer_language import in_askers_language
from app.copilot.asking import check_asked
from app.copilot.cohorts import by_item, by_name, sticky_key
from app.copilot.deciding import Circumstances, Wanted, decide, demand_of, route_of
from app.copilot.estimating import Estimate, estimate
from app.copilot.permissions import Asker
from app.copilot.produced_files import check_file_wanted, check_operations_wanted, wants_file
from app.copilot.types import InlineKind, TaskType
from app.copilot.windows import context_tokens
from app.copilot.work import WorkFacts
from app.core.crypto import Sealer
from app.documents.service import DocumentView
from app.identity.graph import DriveItemRef
from app.jobs.accept import NewJob, accept
from app.pools.configuration import Configuration
from app.pools.credentials import load_keyless
from app.pools.routes import ChosenRoute, any_route
from app.pools.selection import select
from app.tenants.members import NOTHING_KNOWN, MemberAttributes
from app.usage.budgets import Payer, Standing, stand_of
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
    language: str | None = None
    """What who asks likes to read, where they have said it."""


@dataclass(frozen=True)
class Placement:
    """Which pool serves a job, and how it begins."""

    route: ChosenRoute
    language: str
    estimated_tokens: int
    first_step: StepKind
    first_step_tokens: int
    """What the first step reads of them."""
    estimate: Estimate


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

    Raises: `UnknownTaskType`, `TaskTypeNotPermitted`, `InvalidParameters`, `WrongInput`, `OriginalNotKept`, `MoneyRefused`, `JobTooLarge`, `NoRoute`, `NoEligibleMember`, `TooManyJobs`,
    `IdempotencyKeyReused`.
    """
    later = submission.to_fetch
    asked = await check_asked(
        session,
        sealer,
        configuration,
        Asker(tenant_id, member_id, roles, is_program=actor_kind is ActorKind.APPLICATION),
        submission.task_type,
        submission.parameters,
        documents=len(submission.documents) if later is None else len(later.drive_items),
        inline=submission.inline,
    )
    task_type = asked.task_type
    parameters = in_askers_language(asked, main_language(submission.documents), submission.language)
    policy = await configuration.policy(tenant_id)
    if wants_file(parameters):
        await check_file_wanted(
            session,
            task_type.name,
            submission.documents,
            submission.inline,
            tenant_id=tenant_id,
            member_id=member_id,
        )
    placement: Placement | None = None
    if later is None:
        payer = Payer(tenant_id, member_id, task_type.name)
        placed = await place(
            configuration,
            task_type,
            parameters,
            tenant_id=tenant_id,
            lane=submission.lane,
            host=submission.host,
            documents=submission.documents,
            stand=await stand_of(session, configuration, payer, datetime.now(UTC)),
            member=asked.member,
        )
        route, placement = placed.route, placed
    else:
        route = any_route(await configuration.routes(tenant_id), task_type.name, asked.member)
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
            first_step_tokens=None if placement is None else placement.first_step_tokens,
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

    Raises: `WrongInput`, `MoneyRefused`, `JobTooLarge`, `NoRoute`, `NoEligibleMember`.
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
    window = context_tokens(found.revision)
    reads = tokens if found.first_step is StepKind.PLAN else task_type.reads(tokens, window)
    facts = WorkFacts(
        tokens=tokens,
        segments=sum(document.segments for document in documents),
        context_tokens=window,
        language=language,
        parameters=parameters,
    )
    told = estimate(task_type.work(facts), found.revision, found.selection, route=found.route.route_name)
    return Placement(found.route, language, tokens, found.first_step, reads, told)


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
    """The language of the longest document that tells it."""
    told = [document for document in documents if document.language != "und"]
    return max(told, key=lambda document: document.estimated_tokens).language if told else "und"
