"""When each schedule ran last, and who runs it now. Claims are rows, so a restart forgets nothing.

    due ──claim──► running ──finish──► due again `every_seconds` after the start
                      │
                      └── interrupted, or its runner is silent ──► due at once, run once

A missed run is made up once, however many were missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.tables import ScheduleRun

SILENT_SECONDS = 15.0
"""A runner that did not say `keep` for so long has died with what it ran."""


@dataclass(frozen=True)
class ScheduleView:
    """A schedule as an operator sees it; `last_note` is what it said it did, in figures."""

    name: str
    every_seconds: float
    last_started_at: datetime | None
    last_finished_at: datetime | None
    last_error: str | None
    last_note: str | None
    running: bool


async def claim(
    session: AsyncSession,
    *,
    name: str,
    every_seconds: float,
    runner: UUID,
    silent_seconds: float = SILENT_SECONDS,
) -> bool:
    """Take a schedule that is due and that no living runner has. System role; commit before running it."""
    now = func.clock_timestamp()
    abandoned = ScheduleRun.seen_at < now - text(f"interval '{silent_seconds:.3f} seconds'")
    due = or_(
        ScheduleRun.last_started_at <= now - text(f"interval '{every_seconds:.3f} seconds'"),
        ScheduleRun.last_finished_at.is_(None),
        ScheduleRun.last_finished_at < ScheduleRun.last_started_at,
    )
    values = {"every_seconds": every_seconds, "last_started_at": now, "runner": runner, "seen_at": now}
    won = await session.execute(
        insert(ScheduleRun)
        .values(name=name, **values)
        .on_conflict_do_update(
            index_elements=["name"],
            set_=values,
            where=due & or_(ScheduleRun.runner.is_(None), abandoned),
        )
        .returning(ScheduleRun.name)
    )
    return won.scalar_one_or_none() is not None


async def keep(session: AsyncSession, *, runner: UUID) -> None:
    """Say that this runner lives."""
    await session.execute(
        update(ScheduleRun).where(ScheduleRun.runner == runner).values(seen_at=func.clock_timestamp())
    )


async def finish(
    session: AsyncSession, *, name: str, runner: UUID, error: str | None, note: str | None
) -> None:
    """Write how a run ended; nothing if another runner has taken it over meanwhile."""
    await session.execute(
        update(ScheduleRun)
        .where(ScheduleRun.name == name, ScheduleRun.runner == runner)
        .values(runner=None, last_finished_at=func.clock_timestamp(), last_error=error, last_note=note)
    )


async def release(session: AsyncSession, *, runner: UUID) -> None:
    """Let go of everything unfinished, so that the next leader runs it at once."""
    await session.execute(update(ScheduleRun).where(ScheduleRun.runner == runner).values(runner=None))


async def all_schedules(session: AsyncSession) -> Sequence[ScheduleView]:
    """Every schedule that ever ran, by name."""
    rows = await session.scalars(select(ScheduleRun).order_by(ScheduleRun.name))
    return [
        ScheduleView(
            name=row.name,
            every_seconds=row.every_seconds,
            last_started_at=row.last_started_at,
            last_finished_at=row.last_finished_at,
            last_error=row.last_error,
            last_note=row.last_note,
            running=row.runner is not None,
        )
        for row in rows
    ]
