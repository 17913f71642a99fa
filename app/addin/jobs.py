"""Jobs: submit, look, list, cancel."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from app.addin.documents import keep
from app.addin.inline import inline_kind, prepare_inline
from app.addin.languages import AcceptLanguage, first_language
from app.addin.money import warned
from app.addin.resources import job_resource, read_job
from app.addin.schemas import JobPage, JobResource, NewJobRequest
from app.audit.record import Actor
from app.copilot.resuming import renewed_session
from app.copilot.submit import Submission, ToFetch, submit
from app.documents import service as documents
from app.http.contract import refused
from app.http.guards import Caller, InProcess, RawToken, TenantSealer, TenantSession, actor, actor_kind
from app.http.paging import next_link
from app.http.routes import GuardedRoute
from app.http.services import Services
from app.identity.graph_errors import GraphSessionTooShort
from app.identity.long_sessions import find_session
from app.identity.on_behalf import require_person
from app.identity.principal import Principal
from app.jobs import cancel as cancelling
from app.jobs import service as jobs
from app.jobs.accept import claim_key, request_hash
from app.jobs.resume import resume
from app.jobs.states import FINAL_JOB_STATES
from app.lifecycle.removing import remove_job
from app.usage.budgets import Payer
from app.usage.ledger import job_usages
from app.vocabulary import JobState

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=GuardedRoute)

IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, description="The same key with the same body gives the same job."),
]


@router.post("", status_code=202, responses=refused(404, 409))
async def submit_job(
    request: Request,
    body: NewJobRequest,
    response: Response,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
    idempotency_key: IdempotencyKey = None,
    accept_language: AcceptLanguage = None,
) -> JobResource:
    """Accept work. The answer is the job; look again at `Location`, or follow its events."""
    key = (
        None
        if idempotency_key is None
        else (idempotency_key, request_hash(sealer, body.model_dump(mode="json")))
    )
    # Reading and sealing take their time: they come before the transaction does anything.
    inline = await prepare_inline(sealer, body.input, body.task_type)
    # The key comes before whatever is written for the job: a replay leaves nothing behind.
    job_id = await replayed(session, caller, key)
    if job_id is None:
        submission = Submission(
            task_type=body.task_type,
            parameters=body.parameters,
            host=body.host,
            lane=body.lane,
            documents=await _documents(body, inline, caller, session, sealer),
            idempotency=key,
            to_fetch=await _to_fetch(body, caller, session),
            start_after=body.start_at,
            inline=inline_kind(body.input),
            language=first_language(accept_language),
        )
        job_id = await submit(
            session,
            sealer,
            state.configuration,
            submission,
            tenant_id=caller.tenant_id,
            member_id=caller.member_id,
            deadline_seconds=state.settings.job_deadline_seconds,
            actor_kind=actor_kind(caller),
            roles=caller.roles,
        )
    location = f"{request.url.path}/{job_id}"
    response.headers.update({"Location": location, "Operation-Location": location, "Retry-After": "1"})
    return await read_job(
        session,
        sealer,
        state.configuration,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        job_id=job_id,
    )


@router.get("")
async def list_jobs(
    request: Request,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    states: Annotated[
        list[JobState], Query(alias="state", max_length=len(JobState), description="In one of these states.")
    ] = [],  # noqa: B006 - FastAPI gives each request its own
    task_type: Annotated[
        str | None, Query(max_length=64, pattern="^[a-z0-9_-]*$", description="Of this task type only.")
    ] = None,
    before: Annotated[UUID | None, Query(description="Id of the last job of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> JobPage:
    """Own jobs, newest first."""
    views = await jobs.page(
        session,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        before=before,
        limit=limit + 1,
        states=states,
        task_type=task_type,
    )
    used = await job_usages(session, caller.tenant_id, [view.id for view in views])
    payer = Payer(caller.tenant_id, caller.member_id, task_type=None)
    low = await warned(session, state.configuration, payer)
    shown = [job_resource(view, used[view.id], low, result=None) for view in views[:limit]]
    more = None
    if len(views) > limit:
        kept = {"state": states, "task_type": task_type or None}
        more = next_link(request.url.path, **kept, before=shown[-1].id, limit=limit)
    return JobPage(value=shown, next_link=more)


@router.get("/{job_id}")
async def get_job(
    job_id: UUID,
    response: Response,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
) -> JobResource:
    """One of the caller's jobs."""
    job = await read_job(
        session,
        sealer,
        state.configuration,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        job_id=job_id,
    )
    if job.state not in FINAL_JOB_STATES:
        response.headers["Retry-After"] = "1"
    return job


@router.delete("/{job_id}", status_code=204, responses=refused(409))
async def delete_job(
    request: Request, job_id: UUID, caller: Caller, state: InProcess, session: TenantSession
) -> None:
    """Remove a job that has ended with its content, and those of its documents that no other job of the caller reads.

    What it cost stays in the ledger.
    """
    await remove_job(
        session,
        state.redis,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        job_id=job_id,
        actor=actor(request, caller),
    )


@router.post("/{job_id}/cancel")
async def cancel_job(
    job_id: UUID, caller: Caller, state: InProcess, session: TenantSession, sealer: TenantSealer
) -> JobResource:
    """Stop a job; one that has ended stays as it ended."""
    await cancelling.cancel(
        session,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        job_id=job_id,
        actor_kind=actor_kind(caller),
    )
    return await read_job(
        session,
        sealer,
        state.configuration,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        job_id=job_id,
    )


@router.post("/{job_id}/resume", responses=refused(409))
async def resume_job(
    request: Request,
    job_id: UUID,
    caller: Caller,
    token: RawToken,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
) -> JobResource:
    """Let a job go on that waits for the caller, who has consented or signed in: see its `waiting`."""
    await go_on(session, state, caller, token, job_id, actor=actor(request, caller))
    return await read_job(
        session,
        sealer,
        state.configuration,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        job_id=job_id,
    )


async def replayed(session: TenantSession, caller: Principal, key: tuple[str, bytes] | None) -> UUID | None:
    """The job that the caller's key was used for; else the key is this request's. Raises: `IdempotencyKeyReused`."""
    if key is None:
        return None
    return await claim_key(
        session, tenant_id=caller.tenant_id, member_id=caller.member_id, key=key[0], digest=key[1]
    )


async def _documents(
    body: NewJobRequest,
    inline: documents.PreparedDocument | None,
    caller: Principal,
    session: TenantSession,
    sealer: TenantSealer,
) -> list[documents.DocumentView]:
    """The documents named, or what the pane sent as one; none for files that the job fetches."""
    if inline is not None:
        return [await keep(session, caller, inline)]
    if not body.input.documents:
        return []
    return await documents.describe(
        session,
        sealer,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        document_ids=body.input.documents,
    )


async def go_on(
    session: TenantSession, state: Services, caller: Principal, token: str, job_id: UUID, *, actor: Actor
) -> None:
    """Resume a job, with fresh tokens if it fetches. Raises: `JobNotFound`, `JobNotWaiting`, and as `LongSessions.start`."""
    renewed = await renewed_session(state.database, state.files.sessions, caller, token, job_id, actor=actor)
    await resume(
        session,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        job_id=job_id,
        graph_session_id=renewed,
    )


async def own_session(
    session: TenantSession, caller: Principal, session_id: UUID | None, start_at: datetime | None
) -> UUID | None:
    """A session of the caller's that lasts until work may start. Raises: those of `graph_errors` on sessions."""
    if session_id is None:
        return None
    require_person(caller)
    found = await find_session(
        session, tenant_id=caller.tenant_id, member_id=caller.member_id, session_id=session_id
    )
    if start_at is not None and start_at >= found.expires_at:
        raise GraphSessionTooShort
    return found.id


async def _to_fetch(body: NewJobRequest, caller: Principal, session: TenantSession) -> ToFetch | None:
    """The files to fetch, by a session that is the caller's own. Raises: those of `graph_errors` on sessions."""
    found = await own_session(session, caller, body.input.graph_session, body.start_at)
    return None if found is None else ToFetch([one.ref() for one in body.input.drive_items], found)
