"""Batches: the same work for each of many documents. A batch is a job, so its events are those of `/jobs/{id}`."""

import json
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.addin.batch_schemas import (
    BatchCountsResource,
    BatchDocumentPage,
    BatchDocumentResource,
    BatchPage,
    BatchResource,
    NewBatchRequest,
)
from app.addin.jobs import IdempotencyKey, go_on, own_session, replayed
from app.addin.resources import open_result, usage_resource, waiting_resource
from app.addin.schemas import DriveItem, EstimateFigures, ProgressResource
from app.copilot.batch_requests import BatchSubmission, submit_batch
from app.core.crypto import Sealer
from app.documents import service as documents
from app.http.contract import refused
from app.http.guards import Caller, InProcess, RawToken, TenantSealer, TenantSession, actor, actor_kind
from app.http.paging import next_link
from app.http.routes import GuardedRoute
from app.identity.principal import Principal
from app.jobs import batches
from app.jobs import cancel as cancelling
from app.jobs import service as jobs
from app.jobs.accept import request_hash
from app.jobs.batches import BatchCounts, ItemView
from app.jobs.complete import result_place
from app.jobs.service import JobView
from app.jobs.states import FINAL_JOB_STATES
from app.lifecycle.removing import remove_job
from app.usage.ledger import JobUsage, usage_of
from app.vocabulary import BatchItemState, JobState, OfficeHost

router = APIRouter(prefix="/batches", tags=["batches"], route_class=GuardedRoute)


@router.post("", status_code=202, responses=refused(404, 409))
async def submit_batch_of_documents(
    request: Request,
    body: NewBatchRequest,
    response: Response,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
    idempotency_key: IdempotencyKey = None,
) -> BatchResource:
    """Accept the same work for each of many documents, in the background. Look again at `Location`."""
    key = None
    if idempotency_key is not None:
        key = (idempotency_key, request_hash(sealer, {"batch": body.model_dump(mode="json")}))
    batch_id = await replayed(session, caller, key)
    if batch_id is None:
        submission = await submission_of(body, caller, session, sealer, idempotency=key)
        batch_id = await submit_batch(
            session,
            sealer,
            state.configuration,
            submission,
            tenant_id=caller.tenant_id,
            member_id=caller.member_id,
            roles=caller.roles,
        )
    location = f"{request.url.path}/{batch_id}"
    response.headers.update({"Location": location, "Operation-Location": location, "Retry-After": "5"})
    return await _own(session, sealer, caller, batch_id)


@router.get("")
async def list_batches(
    request: Request,
    caller: Caller,
    session: TenantSession,
    sealer: TenantSealer,
    states: Annotated[
        list[JobState], Query(alias="state", max_length=len(JobState), description="In one of these states.")
    ] = [],  # noqa: B006 - FastAPI gives each request its own
    before: Annotated[UUID | None, Query(description="Id of the last batch of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
) -> BatchPage:
    """Own batches, newest first."""
    views = await jobs.page(
        session,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        before=before,
        limit=limit + 1,
        states=states,
        batches=True,
    )
    shown = await _resources(session, sealer, caller, views[:limit])
    more = None
    if len(views) > limit:
        more = next_link(request.url.path, state=states, before=shown[-1].id, limit=limit)
    return BatchPage(value=shown, next_link=more)


@router.get("/{batch_id}")
async def get_batch(
    batch_id: UUID, response: Response, caller: Caller, session: TenantSession, sealer: TenantSealer
) -> BatchResource:
    """One of the caller's batches."""
    batch = await _own(session, sealer, caller, batch_id)
    if batch.state not in FINAL_JOB_STATES:
        response.headers["Retry-After"] = "5"
    return batch


@router.get("/{batch_id}/documents")
async def list_batch_documents(
    request: Request,
    batch_id: UUID,
    caller: Caller,
    session: TenantSession,
    sealer: TenantSealer,
    states: Annotated[
        list[BatchItemState],
        Query(alias="state", max_length=len(BatchItemState), description="In one of these states."),
    ] = [],  # noqa: B006 - FastAPI gives each request its own
    after: Annotated[
        int | None, Query(ge=0, le=2**31 - 1, description="Number of the last one before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> BatchDocumentPage:
    """What came of each document, in their order, with its result."""
    await batches.find_batch(
        session, tenant_id=caller.tenant_id, member_id=caller.member_id, batch_id=batch_id
    )
    found = await batches.page(
        session,
        tenant_id=caller.tenant_id,
        batch_id=batch_id,
        after=after,
        limit=limit + 1,
        states=states,
    )
    shown = await _documents(session, sealer, caller, batch_id, found[:limit])
    more = None
    if len(found) > limit:
        more = next_link(request.url.path, state=states, after=shown[-1].number, limit=limit)
    return BatchDocumentPage(value=shown, next_link=more)


@router.post("/{batch_id}/cancel")
async def cancel_batch(
    batch_id: UUID, caller: Caller, session: TenantSession, sealer: TenantSealer
) -> BatchResource:
    """Stop a batch and those of its jobs that have not ended; what is done stays."""
    ids = {"tenant_id": caller.tenant_id, "member_id": caller.member_id}
    await batches.find_batch(session, **ids, batch_id=batch_id)
    await cancelling.cancel(
        session,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        job_id=batch_id,
        actor_kind=actor_kind(caller),
    )
    return await _own(session, sealer, caller, batch_id)


@router.post("/{batch_id}/resume", responses=refused(409))
async def resume_batch(
    request: Request,
    batch_id: UUID,
    caller: Caller,
    token: RawToken,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
) -> BatchResource:
    """Let a batch go on that waits for the caller, who has consented or signed in, with all of its jobs that wait."""
    await batches.find_batch(
        session, tenant_id=caller.tenant_id, member_id=caller.member_id, batch_id=batch_id
    )
    await go_on(session, state, caller, token, batch_id, actor=actor(request, caller))
    return await _own(session, sealer, caller, batch_id)


@router.delete("/{batch_id}", status_code=204, responses=refused(409))
async def delete_batch(
    request: Request, batch_id: UUID, caller: Caller, state: InProcess, session: TenantSession
) -> None:
    """Remove a batch that has ended with its jobs and their content, and those of its documents that no other job of
    the caller reads.

    What it cost stays in the ledger.
    """
    ids = {"tenant_id": caller.tenant_id, "member_id": caller.member_id}
    await batches.find_batch(session, **ids, batch_id=batch_id)
    await remove_job(session, state.redis, **ids, job_id=batch_id, actor=actor(request, caller))


async def submission_of(
    body: NewBatchRequest,
    caller: Principal,
    session: AsyncSession,
    sealer: Sealer,
    *,
    idempotency: tuple[str, bytes] | None = None,
) -> BatchSubmission:
    """What the caller asks for, found to be the caller's own. Raises: `DocumentNotFound`, those of `graph_errors` on sessions."""
    described: Sequence[documents.DocumentView] = ()
    if body.input.documents:
        described = await documents.describe(
            session,
            sealer,
            tenant_id=caller.tenant_id,
            member_id=caller.member_id,
            document_ids=body.input.documents,
        )
    return BatchSubmission(
        task_type=body.task_type,
        parameters=body.parameters,
        host=body.host,
        documents=described,
        drive_items=[one.ref() for one in body.input.drive_items],
        folder=None if body.input.folder is None else body.input.folder.folder(),
        graph_session_id=await own_session(session, caller, body.input.graph_session, body.start_at),
        start_after=body.start_at,
        idempotency=idempotency,
    )


async def _own(session: AsyncSession, sealer: Sealer, caller: Principal, batch_id: UUID) -> BatchResource:
    ids = {"tenant_id": caller.tenant_id, "member_id": caller.member_id}
    await batches.find_batch(session, **ids, batch_id=batch_id)
    view = await jobs.view(session, **ids, job_id=batch_id)
    (found,) = await _resources(session, sealer, caller, [view])
    return found


async def _resources(
    session: AsyncSession, sealer: Sealer, caller: Principal, views: Sequence[JobView]
) -> list[BatchResource]:
    counted = await batches.count(session, tenant_id=caller.tenant_id, batch_ids=[view.id for view in views])
    found = []
    for view in views:
        used = await usage_of(session, caller.tenant_id, batches.jobs_of(caller.tenant_id, view.id))
        found.append(_resource(sealer, view, counted[view.id], used))
    return found


def _resource(sealer: Sealer, view: JobView, counts: BatchCounts, used: JobUsage) -> BatchResource:
    result = open_result(sealer, view)
    return BatchResource(
        id=view.id,
        task_type=view.task_type,
        state=view.state,
        host=OfficeHost(view.host),
        created_at=view.created_at,
        started_at=view.started_at,
        finished_at=view.finished_at,
        progress=ProgressResource(phase=view.phase, done=counts.ended, total=counts.total),
        documents=BatchCountsResource(
            total=counts.total,
            unchanged=counts.unchanged,
            **{str(state): counts.of(state) for state in BatchItemState},
        ),
        waiting=waiting_resource(view),
        estimate=None if view.estimate is None else EstimateFigures.model_validate(view.estimate),
        usage=usage_resource(used, counts.reused_tokens),
        left_out=None if result is None else result["left_out"],
        error=view.error,
    )


async def _documents(
    session: AsyncSession, sealer: Sealer, caller: Principal, batch_id: UUID, items: Sequence[ItemView]
) -> list[BatchDocumentResource]:
    described = await documents.describe(
        session,
        sealer,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        document_ids=[one.document_id for one in items if one.document_id is not None],
    )
    names = {one.id: one.name for one in described}
    return [_document(sealer, batch_id, one, names) for one in items]


def _document(
    sealer: Sealer, batch_id: UUID, item: ItemView, names: dict[UUID, str]
) -> BatchDocumentResource:
    source: dict[str, Any] = {}
    if item.sealed_source is not None:
        place = batches.source_place(batch_id, item.ordinal)
        source = json.loads(sealer.open(place, item.sealed_source))
    name = source.pop("name", None) if item.document_id is None else names[item.document_id]
    result = None
    if item.sealed_result is not None and item.job_id is not None:
        result = json.loads(sealer.open(result_place(item.job_id), item.sealed_result))
    return BatchDocumentResource(
        number=item.ordinal,
        state=item.state,
        name=name,
        document_id=item.document_id,
        drive_item=DriveItem.model_validate(source) if source else None,
        is_unchanged=item.is_unchanged,
        job_id=item.job_id,
        result=result,
        error=None if item.error is None else dict(item.error),
    )
