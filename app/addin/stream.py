"""A job's events as server-sent events. The stream may be lost with Redis; the job's row is not."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.addin.event_schemas import stream_schema
from app.addin.resources import open_result, waiting_resource
from app.core.crypto import SealBroken, Sealer
from app.http.guards import Caller, InProcess, TenantSealer
from app.http.services import Services
from app.identity.principal import Principal
from app.jobs.service import JobView, view
from app.jobs.states import FINAL_JOB_STATES
from app.vocabulary import JobState

router = APIRouter(prefix="/jobs", tags=["jobs"])
_LONGEST_SECONDS = 600.0
_LOOK_SECONDS = 0.9
"""How often a stream asks whether its caller is still let in."""
_LONGEST_IDLE_SECONDS = 5.0
"""A stream without events looks at the job's row ever more seldom, until so seldom."""
_ENDING = frozenset({"result", "error"})


async def _view(state: Services, caller: Principal, job_id: UUID) -> JobView:
    async with state.database.tenant(caller.tenant_id) as session:
        return await view(session, tenant_id=caller.tenant_id, member_id=caller.member_id, job_id=job_id)


async def own_job(job_id: UUID, caller: Caller, state: InProcess) -> JobView:
    """The job, found before the stream begins, so that a foreign id is a plain 404."""
    return await _view(state, caller, job_id)


async def place(caller: Caller, state: InProcess) -> AsyncIterator[None]:
    """A place among the streams of this process, held until the stream has ended."""
    async with state.streams.place(caller.tenant_id, caller.member_id):
        yield


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    dependencies=[Depends(place, scope="request")],
    openapi_extra=stream_schema(),
)
async def follow_job(
    job: Annotated[JobView, Depends(own_job)],
    caller: Caller,
    state: InProcess,
    sealer: TenantSealer,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Events from the beginning, or after `Last-Event-ID`; ends with `result`, `error` or a cancelled state."""
    after = await state.hub.position(sealer, job_id=job.id, last_event_id=last_event_id)
    if after is None and job.sealed_result is None:
        # What the client has seen cannot be continued: say what there is, and go on from the start.
        yield ServerSentEvent(event="snapshot", data={"text": ""})
    if after is None or not await state.hub.exists(sealer, job_id=job.id):
        for ending in _ending(sealer, job):
            yield ending
        if job.state in FINAL_JOB_STATES:
            return
    async for event in _followed(state, caller, sealer, job.id, after or "0"):
        yield event


async def _followed(
    state: Services, caller: Principal, sealer: Sealer, job_id: UUID, after: str
) -> AsyncIterator[ServerSentEvent]:
    """Live events; when none comes, what the job's row says."""
    clock = asyncio.get_running_loop().time
    end, look_again = clock() + _LONGEST_SECONDS, clock() + _LOOK_SECONDS
    idle, read_again, told_to_wait = 1.0, 0.0, False

    renew = partial(state.keys.sealer, caller.tenant_id)
    async for event in state.hub.follow(sealer, job_id=job_id, after=after, renew=renew):
        if event is not None:
            yield ServerSentEvent(event=event.type, id=event.id, data=dict(event.body))
            if event.type in _ENDING or event.body.get("state") == JobState.CANCELLED:
                return
            told_to_wait = event.type == "waiting"
            idle, read_again = 1.0, clock()
        elif clock() >= read_again:
            job = await _view(state, caller, job_id)
            for told in _ending(await _knowing(state, caller, sealer, job), job) or _waiting(
                job, told_to_wait
            ):
                yield told
            if job.state in FINAL_JOB_STATES:
                return
            told_to_wait = job.state is JobState.WAITING
            read_again, idle = clock() + idle, min(2 * idle, _LONGEST_IDLE_SECONDS)
        if clock() > look_again:
            look_again = clock() + _LOOK_SECONDS
            if not await state.authenticator.still_allowed(caller):
                return
        if clock() > end or state.stopping.is_set():
            return


async def _knowing(state: Services, caller: Principal, sealer: Sealer, job: JobView) -> Sealer:
    """A sealer for the job's result: its data key may have been made after the stream began."""
    known = job.sealed_result is None or sealer.knows(job.sealed_result)
    return sealer if known else await state.keys.sealer(caller.tenant_id)


def _text(sealer: Sealer, job: JobView) -> str:
    result = open_result(sealer, job)
    return str(result.get("text", "")) if result is not None else ""


def _waiting(job: JobView, told: bool) -> list[ServerSentEvent]:  # noqa: FBT001 - what the caller knows
    """That a job waits, as its row tells it; nothing when it does not, or when that was told before."""
    waiting = waiting_resource(job)
    if waiting is None or told:
        return []
    return [ServerSentEvent(event="waiting", data=waiting.model_dump(mode="json"))]


def _ending(sealer: Sealer, job: JobView) -> list[ServerSentEvent]:
    """The end of a job as its row tells it; nothing while it goes on."""
    if job.state not in FINAL_JOB_STATES:
        return []
    events = [ServerSentEvent(event="state", data={"state": job.state})]
    if job.error is not None:
        events.append(ServerSentEvent(event="error", data={"error": job.error}))
    elif job.sealed_result is not None:
        try:
            snapshot = ServerSentEvent(event="snapshot", data={"text": _text(sealer, job)})
        except SealBroken as error:
            # A stream that only broke off would be asked for again and again.
            return [
                *events,
                ServerSentEvent(
                    event="error", data={"error": {"code": error.code, "message": error.message}}
                ),
            ]
        link = ServerSentEvent(event="result", data={"link": f"/addin/v1/jobs/{job.id}"})
        events = [snapshot, *events, link]
    return events
