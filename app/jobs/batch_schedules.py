"""Batches that come round again, each under the identity of the member who asked for it.

    due ──take──► a batch is accepted and the next time is written, in one transaction
                  (or skipped: the batch before is still under way, or it cannot be accepted; `last_error` says why)

A time that was missed is made up once, however many were missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.crypto import Place, Sealed
from app.jobs.errors import BatchScheduleNotFound, TooManyBatchSchedules
from app.jobs.recurrence import Recurrence
from app.jobs.states import OPEN_JOB_STATES
from app.jobs.tables import BatchSchedule, Job

MOST_SCHEDULES = 20
STILL_RUNNING = "previous_batch_open"
"""Why a time was skipped: two runs over the same folder would do its documents twice."""
_LET_IN = text(
    "EXISTS (SELECT 1 FROM tenants o JOIN members m ON m.tenant_id = o.id WHERE o.id = batch_schedules.tenant_id"
    " AND m.id = batch_schedules.member_id AND o.state = 'active' AND m.state = 'active')"
)


@dataclass(frozen=True)
class WantedSchedule:
    """What a member asks for; the request is sealed for the schedule's place."""

    task_type: str
    sealed_request: Sealed
    recurrence: Recurrence
    graph_session_id: UUID

    def as_row(self, now: datetime) -> dict[str, Any]:
        """The columns, with the first time after now."""
        return {
            "task_type": self.task_type,
            "sealed_request": self.sealed_request,
            "at": self.recurrence.at,
            "time_zone": self.recurrence.time_zone,
            "weekdays": "".join(map(str, sorted(self.recurrence.weekdays))),
            "graph_session_id": self.graph_session_id,
            "next_at": self.recurrence.following(now),
        }


@dataclass(frozen=True)
class ScheduleView:
    """A schedule as its member sees it; the request is still sealed."""

    id: UUID
    member_id: UUID
    task_type: str
    sealed_request: Sealed
    recurrence: Recurrence
    graph_session_id: UUID
    next_at: datetime
    last_batch_id: UUID | None
    last_error: str | None
    created_at: datetime


def request_place(schedule_id: UUID) -> Place:
    """Where a schedule's request is sealed."""
    return Place("batch_schedules", schedule_id, "sealed_request")


async def create(
    session: AsyncSession,
    wanted: WantedSchedule,
    *,
    tenant_id: UUID,
    member_id: UUID,
    schedule_id: UUID,
    now: datetime,
    actor: Actor,
) -> None:
    """Write a schedule whose first time is the first after now. Raises: `TooManyBatchSchedules`."""
    if len(await page(session, tenant_id=tenant_id, member_id=member_id)) >= MOST_SCHEDULES:
        raise TooManyBatchSchedules(MOST_SCHEDULES)
    session.add(BatchSchedule(tenant_id=tenant_id, id=schedule_id, member_id=member_id, **wanted.as_row(now)))
    await session.flush()
    await _record(
        session, AuditAction.BATCH_SCHEDULE_CREATE, tenant_id, schedule_id, actor, task_type=wanted.task_type
    )


async def replace(
    session: AsyncSession,
    wanted: WantedSchedule,
    *,
    tenant_id: UUID,
    member_id: UUID,
    schedule_id: UUID,
    now: datetime,
    actor: Actor,
) -> None:
    """From the first time after now on a member's own schedule does this. Raises: `BatchScheduleNotFound`."""
    changed = await session.execute(
        update(BatchSchedule)
        .where(*_own(tenant_id, member_id, schedule_id))
        .values(**wanted.as_row(now), last_error=None)
        .returning(BatchSchedule.id)
        .execution_options(synchronize_session=False)
    )
    if changed.scalar_one_or_none() is None:
        raise BatchScheduleNotFound(schedule_id)
    await _record(
        session, AuditAction.BATCH_SCHEDULE_CHANGE, tenant_id, schedule_id, actor, task_type=wanted.task_type
    )


async def page(session: AsyncSession, *, tenant_id: UUID, member_id: UUID) -> Sequence[ScheduleView]:
    """A member's own schedules, newest first."""
    rows = await session.scalars(
        select(BatchSchedule)
        .where(BatchSchedule.tenant_id == tenant_id, BatchSchedule.member_id == member_id)
        .order_by(BatchSchedule.id.desc())
    )
    return [_view(row) for row in rows]


async def find(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, schedule_id: UUID) -> ScheduleView:
    """A member's own schedule. Raises: `BatchScheduleNotFound`."""
    row = await session.scalar(select(BatchSchedule).where(*_own(tenant_id, member_id, schedule_id)))
    if row is None:
        raise BatchScheduleNotFound(schedule_id)
    return _view(row)


async def remove(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID, schedule_id: UUID, actor: Actor
) -> None:
    """End a member's own schedule; its batches stay. Raises: `BatchScheduleNotFound`."""
    gone = await session.execute(
        delete(BatchSchedule).where(*_own(tenant_id, member_id, schedule_id)).returning(BatchSchedule.id)
    )
    if gone.scalar_one_or_none() is None:
        raise BatchScheduleNotFound(schedule_id)
    await _record(session, AuditAction.BATCH_SCHEDULE_DELETE, tenant_id, schedule_id, actor)


async def due(session: AsyncSession, *, limit: int = 100) -> Sequence[tuple[UUID, UUID]]:
    """Tenants and ids of schedules whose time has come and whose members are let in. System role."""
    rows = await session.execute(
        select(BatchSchedule.tenant_id, BatchSchedule.id)
        .where(BatchSchedule.next_at <= func.clock_timestamp(), _LET_IN)
        .order_by(BatchSchedule.next_at)
        .limit(limit)
    )
    return [(row.tenant_id, row.id) for row in rows]


async def take(session: AsyncSession, *, tenant_id: UUID, schedule_id: UUID) -> ScheduleView | None:
    """The schedule, if it is still due and nobody else starts it; it is the caller's until its transaction ends."""
    row = await session.scalar(
        select(BatchSchedule)
        .where(
            BatchSchedule.tenant_id == tenant_id,
            BatchSchedule.id == schedule_id,
            BatchSchedule.next_at <= func.clock_timestamp(),
        )
        .with_for_update(skip_locked=True)
    )
    return None if row is None else _view(row)


async def is_under_way(session: AsyncSession, *, tenant_id: UUID, batch_id: UUID | None) -> bool:
    """Whether the batch of the time before has not ended."""
    if batch_id is None:
        return False
    found = await session.scalar(
        select(Job.id).where(Job.tenant_id == tenant_id, Job.id == batch_id, Job.state.in_(OPEN_JOB_STATES))
    )
    return found is not None


async def went(
    session: AsyncSession,
    schedule: ScheduleView,
    *,
    tenant_id: UUID,
    now: datetime,
    batch_id: UUID | None = None,
    error: str | None = None,
) -> None:
    """Write what came of the schedule's time, and when the next is."""
    started = {} if batch_id is None else {"last_batch_id": batch_id}
    await session.execute(
        update(BatchSchedule)
        .where(BatchSchedule.tenant_id == tenant_id, BatchSchedule.id == schedule.id)
        .values(next_at=schedule.recurrence.following(now), last_error=error, **started)
        .execution_options(synchronize_session=False)
    )


async def use_session(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID, old: UUID, new: UUID
) -> None:
    """From now on a member's schedules fetch by another session."""
    await session.execute(
        update(BatchSchedule)
        .where(
            BatchSchedule.tenant_id == tenant_id,
            BatchSchedule.member_id == member_id,
            BatchSchedule.graph_session_id == old,
        )
        .values(graph_session_id=new)
        .execution_options(synchronize_session=False)
    )


async def needs_session(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, session_id: UUID) -> bool:
    """Whether a schedule of the member's fetches by this session."""
    found = await session.scalar(
        select(BatchSchedule.id)
        .where(
            BatchSchedule.tenant_id == tenant_id,
            BatchSchedule.member_id == member_id,
            BatchSchedule.graph_session_id == session_id,
        )
        .limit(1)
    )
    return found is not None


def _own(tenant_id: UUID, member_id: UUID, schedule_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """It is there, and the member's."""
    return (
        BatchSchedule.tenant_id == tenant_id,
        BatchSchedule.id == schedule_id,
        BatchSchedule.member_id == member_id,
    )


async def _record(
    session: AsyncSession,
    action: AuditAction,
    tenant_id: UUID,
    schedule_id: UUID,
    actor: Actor,
    **detail: str,
) -> None:
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=action,
        target_type="batch_schedule",
        target_id=str(schedule_id),
        detail=detail,
    )


def _view(row: BatchSchedule) -> ScheduleView:
    return ScheduleView(
        id=row.id,
        member_id=row.member_id,
        task_type=row.task_type,
        sealed_request=row.sealed_request,
        recurrence=Recurrence(row.at, row.time_zone, frozenset(map(int, row.weekdays))),
        graph_session_id=row.graph_session_id,
        next_at=row.next_at,
        last_batch_id=row.last_batch_id,
        last_error=row.last_error,
        created_at=row.created_at,
    )
