"""Batches that come round again: a folder, at a time of day, for as long as its member wants."""

from datetime import datetime, time
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.addin.batch_schemas import DriveFolder
from app.addin.jobs import own_session
from app.addin.schemas import Closed, shallow
from app.copilot.asking import check_asked
from app.copilot.batch_runs import ScheduledRequest
from app.copilot.permissions import Asker
from app.copilot.sealed_json import seal_json
from app.core.clock import new_id, now
from app.core.crypto import Sealer
from app.http.contract import refused
from app.http.guards import Caller, InProcess, TenantSealer, TenantSession, actor
from app.http.routes import GuardedRoute
from app.http.services import Services
from app.identity.graph_errors import GraphSessionNotFound
from app.identity.principal import Principal
from app.jobs import batch_schedules
from app.jobs.batch_schedules import ScheduleView, WantedSchedule
from app.jobs.recurrence import ALL_DAYS, Recurrence
from app.vocabulary import OfficeHost

router = APIRouter(prefix="/batch-schedules", tags=["batches"], route_class=GuardedRoute)


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("not a time zone of the IANA database, such as Europe/Berlin")
    return value


def _each_once(value: list[int]) -> list[int]:
    if len(set(value)) != len(value):
        raise ValueError("a day is named twice")
    return sorted(value)


class NewBatchSchedule(Closed):
    """The same work for what is new or has changed in a folder, each time that it is due."""

    task_type: Annotated[str, Field(min_length=1, max_length=64)]
    parameters: Annotated[dict[str, Any], AfterValidator(shallow)] = Field({})
    host: OfficeHost = OfficeHost.WORD
    folder: DriveFolder
    graph_session: UUID
    at: Annotated[
        str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="Time of day, such as 02:00.")
    ]
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_known_zone)] = "UTC"
    weekdays: Annotated[
        list[Annotated[int, Field(ge=1, le=7)]],
        Field(min_length=1, max_length=7, description="From 1 (Monday) to 7; every day if left out."),
        AfterValidator(_each_once),
    ] = Field(sorted(ALL_DAYS))


class BatchScheduleResource(BaseModel):
    """Such work. `last_error` says why the last time was skipped, `previous_batch_open` for one."""

    id: UUID
    task_type: str
    parameters: dict[str, Any]
    host: OfficeHost
    folder: DriveFolder
    graph_session: UUID
    at: str
    time_zone: str
    weekdays: list[int]
    next_at: datetime
    last_batch_id: UUID | None
    last_error: str | None
    created_at: datetime


class BatchSchedulePage(BaseModel):
    """The caller's own, newest first."""

    value: list[BatchScheduleResource]


@router.post("", status_code=201, responses=refused(404, 409))
async def create_batch_schedule(
    request: Request,
    body: NewBatchSchedule,
    response: Response,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
) -> BatchScheduleResource:
    """Let a batch run at a time of day over what is new or has changed in a folder, while the caller is away."""
    schedule_id = new_id()
    await batch_schedules.create(
        session,
        await _wanted(body, schedule_id, caller, state, session, sealer),
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        schedule_id=schedule_id,
        now=now(),
        actor=actor(request, caller),
    )
    response.headers["Location"] = f"{request.url.path}/{schedule_id}"
    return await get_batch_schedule(schedule_id, caller, session, sealer)


@router.get("")
async def list_batch_schedules(
    caller: Caller, session: TenantSession, sealer: TenantSealer
) -> BatchSchedulePage:
    """The caller's own schedules."""
    found = await batch_schedules.page(session, tenant_id=caller.tenant_id, member_id=caller.member_id)
    return BatchSchedulePage(value=[_resource(sealer, one) for one in found])


@router.get("/{schedule_id}")
async def get_batch_schedule(
    schedule_id: UUID, caller: Caller, session: TenantSession, sealer: TenantSealer
) -> BatchScheduleResource:
    """One of the caller's schedules."""
    found = await batch_schedules.find(
        session, tenant_id=caller.tenant_id, member_id=caller.member_id, schedule_id=schedule_id
    )
    return _resource(sealer, found)


@router.put("/{schedule_id}", responses=refused(404, 409))
async def replace_batch_schedule(
    request: Request,
    schedule_id: UUID,
    body: NewBatchSchedule,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
) -> BatchScheduleResource:
    """Change what a schedule does, where or when, from its next time on.

    A batch that is under way stays as it is. Files that were done are done again only if the task type or its
    parameters are others now.
    """
    await batch_schedules.replace(
        session,
        await _wanted(body, schedule_id, caller, state, session, sealer),
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        schedule_id=schedule_id,
        now=now(),
        actor=actor(request, caller),
    )
    return await get_batch_schedule(schedule_id, caller, session, sealer)


@router.delete("/{schedule_id}", status_code=204)
async def delete_batch_schedule(
    request: Request, schedule_id: UUID, caller: Caller, session: TenantSession
) -> None:
    """End a schedule; the batches that it has started stay."""
    await batch_schedules.remove(
        session,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        schedule_id=schedule_id,
        actor=actor(request, caller),
    )


async def _wanted(
    body: NewBatchSchedule,
    schedule_id: UUID,
    caller: Principal,
    state: Services,
    session: AsyncSession,
    sealer: Sealer,
) -> WantedSchedule:
    """Checked and sealed. Raises: what `check_asked` does, `GraphSessionNotFound`."""
    asker = Asker(caller.tenant_id, caller.member_id, caller.roles)
    asked = await check_asked(
        session, sealer, state.configuration, asker, body.task_type, body.parameters, documents=1
    )
    found = await own_session(session, caller, body.graph_session, None)
    if found is None:
        raise GraphSessionNotFound(body.graph_session)
    wanted = ScheduledRequest(body.task_type, asked.parameters, body.host, body.folder.folder(), caller.roles)
    return WantedSchedule(
        body.task_type,
        seal_json(sealer, batch_schedules.request_place(schedule_id), wanted.as_json()),
        Recurrence(time.fromisoformat(body.at), body.time_zone, frozenset(body.weekdays)),
        found,
    )


def _resource(sealer: Sealer, schedule: ScheduleView) -> BatchScheduleResource:
    wanted, when = ScheduledRequest.opened(sealer, schedule), schedule.recurrence
    ref = wanted.folder.ref
    return BatchScheduleResource(
        id=schedule.id,
        task_type=schedule.task_type,
        parameters=dict(wanted.parameters),
        host=wanted.host,
        folder=DriveFolder(
            drive_id=ref.drive_id,
            item_id=ref.item_id,
            include_subfolders=wanted.folder.include_subfolders,
        ),
        graph_session=schedule.graph_session_id,
        at=f"{when.at:%H:%M}",
        time_zone=when.time_zone,
        weekdays=sorted(when.weekdays),
        next_at=schedule.next_at,
        last_batch_id=schedule.last_batch_id,
        last_error=schedule.last_error,
        created_at=schedule.created_at,
    )
