"""Accepting a batch: the job whose only step makes the others, and the documents that are known already."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.batch_estimates import BatchEstimate, estimate_batch
from app.copilot.cohorts import sticky_key
from app.copilot.house_wording import with_wording
from app.copilot.permissions import Asker, require_permission
from app.copilot.sealed_json import seal_json
from app.copilot.submit import attributes_for, check_inputs, checked_parameters, find_task_type
from app.copilot.types import TaskType
from app.core.crypto import Sealer
from app.documents.service import DocumentView
from app.identity.graph import DriveItemRef
from app.jobs import batches
from app.jobs.accept import NewJob, accept
from app.jobs.errors import TooManyBatches
from app.pools.configuration import Configuration
from app.pools.routes import any_route
from app.usage.budgets import Payer, budgets_of, standings
from app.vocabulary import Lane, OfficeHost, Role, StepKind

MOST_DOCUMENTS = 5_000
_MOST_BATCHES = 20
_LONGEST_SECONDS = 14 * 86_400.0
"""How long a batch may run; a job of it has its own time."""


@dataclass(frozen=True)
class Folder:
    """A folder whose files a batch reads; they are listed when it runs."""

    ref: DriveItemRef
    include_subfolders: bool = False


@dataclass(frozen=True)
class BatchSubmission:
    """What a caller asks for: documents that are here, files to fetch, or a folder of such files."""

    task_type: str
    parameters: Mapping[str, Any]
    host: OfficeHost
    documents: Sequence[DocumentView] = ()
    drive_items: Sequence[DriveItemRef] = ()
    folder: Folder | None = None
    graph_session_id: UUID | None = None
    start_after: datetime | None = None
    schedule_id: UUID | None = None
    """The schedule that it is a run of."""
    idempotency: tuple[str, bytes] | None = None


@dataclass(frozen=True)
class CheckedBatch:
    """Work that can be done document by document, and its parameters with and without the organisation's words."""

    task_type: TaskType
    parameters: Mapping[str, Any]
    worded: Mapping[str, Any]


async def check_batch(
    session: AsyncSession,
    sealer: Sealer,
    configuration: Configuration,
    task_type_name: str,
    parameters: Mapping[str, Any],
    *,
    asker: Asker,
) -> CheckedBatch:
    """Raises: `UnknownTaskType`, `TaskTypeNotPermitted`, `InvalidParameters`, `WrongInput`."""
    task_type = find_task_type(task_type_name)
    await require_permission(session, configuration, asker, task_type.name)
    checked = checked_parameters(task_type, parameters)
    # Each job takes the words of the day on which it is made; that they are there now is looked at all the same.
    worded = await with_wording(session, sealer, task_type, checked)
    check_inputs(task_type, 1, None)
    return CheckedBatch(task_type, checked, worded)


async def submit_batch(
    session: AsyncSession,
    sealer: Sealer,
    configuration: Configuration,
    new: BatchSubmission,
    *,
    tenant_id: UUID,
    member_id: UUID,
    roles: Collection[Role],
) -> UUID:
    """Accept a member's batch in the caller's transaction and give its id, which is that of a job.

    Raises: `UnknownTaskType`, `TaskTypeNotPermitted`, `InvalidParameters`, `WrongInput`, `BudgetExhausted`, `NoRoute`,
    `TooManyBatches`, `TooManyJobs`, `IdempotencyKeyReused`; what keeps every document from being done.
    """
    ids = {"tenant_id": tenant_id, "member_id": member_id}
    asker = Asker(tenant_id, member_id, roles)
    checked = await check_batch(session, sealer, configuration, new.task_type, new.parameters, asker=asker)
    task_type = checked.task_type
    if await batches.open_batches(session, **ids) >= _MOST_BATCHES:
        raise TooManyBatches(_MOST_BATCHES)
    member = await attributes_for(session, configuration, task_type.name, **ids)
    route = any_route(await configuration.routes(tenant_id), task_type.name, member)
    told: BatchEstimate | None = None
    if new.documents:
        budgets = await budgets_of(session, configuration, Payer(tenant_id, member_id, task_type.name))
        told = await estimate_batch(
            configuration,
            task_type,
            checked.worded,
            tenant_id=tenant_id,
            host=new.host,
            documents=new.documents,
            stand=await standings(session, tenant_id, budgets, datetime.now(UTC)),
            member=member,
        )
    policy = await configuration.policy(tenant_id)
    batch_id = await accept(
        session,
        sealer,
        NewJob(
            task_type=task_type.name,
            host=new.host,
            lane=Lane.BACKGROUND,
            parameters=checked.parameters,
            documents=[],
            pool_tenant_id=route.pool_tenant_id,
            pool_revision_id=route.revision_id,
            route_reason=route.reason,
            language="und",
            estimated_tokens=0,
            first_step=StepKind.BATCH,
            first_input=_input(new, roles),
            on_dead="fail",
            deadline_seconds=_LONGEST_SECONDS,
            sticky_key=sticky_key(sealer, member_id, []),
            estimate=None if told is None else told.as_json(),
            graph_session_id=new.graph_session_id,
            start_after=new.start_after,
            is_batch=True,
        ),
        tenant_id=tenant_id,
        member_id=member_id,
        max_jobs_queued=policy.max_jobs_queued,
        idempotency=new.idempotency,
    )
    await batches.add_items(session, _items(sealer, new, batch_id), tenant_id=tenant_id, batch_id=batch_id)
    return batch_id


def _input(new: BatchSubmission, roles: Collection[Role]) -> dict[str, Any]:
    """What the batch's step works on."""
    return {
        "roles": sorted(roles),
        "folder": None if new.folder is None else asdict(new.folder),
        "same_work": _same_work(new),
    }


def _same_work(new: BatchSubmission) -> str | None:
    """What the runs of a schedule have in common until somebody changes it: a file done so need not be done again."""
    if new.schedule_id is None:
        return None
    return json.dumps([str(new.schedule_id), new.task_type, new.parameters], sort_keys=True)


def _items(sealer: Sealer, new: BatchSubmission, batch_id: UUID) -> list[batches.NewItem]:
    if new.documents:
        return [batches.NewItem(document_id=one.id) for one in new.documents]
    return [
        batches.NewItem(sealed_source=seal_json(sealer, batches.source_place(batch_id, ordinal), asdict(ref)))
        for ordinal, ref in enumerate(new.drive_items)
    ]
