"""Accepting a batch: the job whose only step makes the others, and the documents that are known already."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.asking import check_asked
from app.copilot.batch_estimates import BatchEstimate, estimate_batch
from app.copilot.cohorts import sticky_key
from app.copilot.permissions import Asker
from app.copilot.sealed_json import seal_json
from app.core.crypto import Sealer
from app.documents.service import DocumentView
from app.identity.graph import DriveItemRef
from app.jobs import batches
from app.jobs.accept import NewJob, accept
from app.jobs.errors import TooManyBatches
from app.pools.configuration import Configuration
from app.pools.routes import any_route
from app.usage.budgets import Payer, stand_of
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

    Raises: `UnknownTaskType`, `TaskTypeNotPermitted`, `InvalidParameters`, `WrongInput`, `MoneyRefused`, `NoRoute`,
    `TooManyBatches`, `TooManyJobs`, `IdempotencyKeyReused`; what keeps every document from being done.
    """
    ids = {"tenant_id": tenant_id, "member_id": member_id}
    asker = Asker(tenant_id, member_id, roles)
    # Each job takes the words of the day on which it is made; that they are there now is looked at all the same.
    asked = await check_asked(
        session, sealer, configuration, asker, new.task_type, new.parameters, documents=1
    )
    task_type = asked.task_type
    if await batches.open_batches(session, **ids) >= _MOST_BATCHES:
        raise TooManyBatches(_MOST_BATCHES)
    route = any_route(await configuration.routes(tenant_id), task_type.name, asked.member)
    told: BatchEstimate | None = None
    if new.documents:
        payer = Payer(tenant_id, member_id, task_type.name)
        told = await estimate_batch(
            configuration,
            task_type,
            asked.worded,
            tenant_id=tenant_id,
            host=new.host,
            documents=new.documents,
            stand=await stand_of(session, configuration, payer, datetime.now(UTC)),
            member=asked.member,
        )
    policy = await configuration.policy(tenant_id)
    batch_id = await accept(
        session,
        sealer,
        NewJob(
            task_type=task_type.name,
            host=new.host,
            lane=Lane.BACKGROUND,
            parameters=asked.parameters,
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
