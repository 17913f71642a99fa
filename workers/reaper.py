"""Takes back what dead processes held, and runs the schedules. Any number of reapers, one leader at a time."""

import asyncio
import contextlib
import signal

from sqlalchemy.exc import SQLAlchemyError

from app.core.database import Database
from app.core.logging import configure, get_logger
from app.jobs.reap import fail_overdue, forget_dead_workers, lead, reap
from app.jobs.resume import resume_funded
from app.jobs.waiting import expire_waiting
from app.settings import Settings, get_settings
from app.usage.ledger import settle_orphans
from workers.schedules import SCHEDULES, Clockwork, Maintenance

_log = get_logger(__name__)
_EVERY_SECONDS = 1.0


async def turn(database: Database, settings: Settings, clockwork: Clockwork | None = None) -> int:
    """One round, if we are the leader; gives the number of steps taken back."""
    async with database.system() as session:
        if not await lead(session):
            return 0
        due = [] if clockwork is None else await clockwork.claim(session)
        reaped = await reap(session, max_attempts=settings.max_attempts)
        overdue = await fail_overdue(session)
        overdue += await expire_waiting(session)
        await resume_funded(session)
        await forget_dead_workers(session)
        await settle_orphans(session, older_than_seconds=settings.job_deadline_seconds)
    if clockwork is not None:
        clockwork.start(due)
    for found in reaped:
        _log.info(
            "lease expired", job_id=str(found.job_id), step_id=str(found.step_id), dead=bool(found.progress)
        )
    for job_id in overdue:
        _log.info("job is overdue", job_id=str(job_id))
    return len(reaped)


async def serve(settings: Settings) -> None:
    """Reap every second until SIGTERM or SIGINT."""
    configure(settings.log_format, process="reaper")
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    database = Database(
        settings.required("database_system_url"), pool_size=1, application_name="switchboard-reaper"
    )
    clockwork = Clockwork(Maintenance.open(settings), SCHEDULES)
    while not stopping.is_set():
        try:
            await turn(database, settings, clockwork)
        except (SQLAlchemyError, OSError) as error:
            _log.info("turn failed", reason=type(error).__name__)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _EVERY_SECONDS)
    try:
        await clockwork.close()
    except (SQLAlchemyError, OSError) as error:
        _log.info("schedules not let go", reason=type(error).__name__)
    await database.close()


if __name__ == "__main__":
    asyncio.run(serve(get_settings()))
