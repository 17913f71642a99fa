"""What the reaper does now and then: one line for each schedule, and the clockwork that runs them.

A schedule must bear being run again from the start, and being run by two processes for a moment: a
process that was frozen finds out only afterwards that another one has taken over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.anchors import AnchorFile
from app.audit.writer import ChainWriter, anchor
from app.copilot.batch_runs import BatchRuns
from app.core.clock import new_id
from app.core.database import Database
from app.core.key_encryption import open_wrapping_keys
from app.core.logging import get_logger
from app.core.outbound import LoopbackResolver
from app.core.redis import connect
from app.core.wrapping import WrappingKeys
from app.documents import uploads
from app.identity import token_caches
from app.identity.long_sessions import remove_over
from app.jobs import schedules
from app.lifecycle.erasing import Erasing
from app.lifecycle.retention import Retention
from app.notices.delivering import Delivering
from app.notices.watching import Watching
from app.settings import Settings
from app.tenants.keys import TenantKeys

_log = get_logger(__name__)


@dataclass(frozen=True)
class Maintenance:
    """What a schedule works with; each session is a short transaction of its own."""

    settings: Settings
    system: Database
    """Across tenants, without content."""
    eraser: Database
    """Deletes, one tenant at a time."""
    app: Database
    """One tenant at a time, as the doors see it."""
    redis: Redis
    wrapping: WrappingKeys
    keys: TenantKeys
    chains: ChainWriter
    anchors: AnchorFile | None

    @classmethod
    def open(cls, settings: Settings) -> "Maintenance":
        """Make the clients; nothing connects yet. Raises: `MissingSetting`."""
        urls = [
            settings.required(name) for name in ("database_system_url", "database_eraser_url", "database_url")
        ]
        system, eraser, app = (
            Database(url, pool_size=2, application_name="switchboard-schedules") for url in urls
        )
        wrapping = open_wrapping_keys(settings)
        anchors = None if settings.audit_anchors is None else AnchorFile(settings.audit_anchors)
        redis = connect(settings.required("redis_url"))
        keys = TenantKeys(app, wrapping)
        return cls(
            settings, system, eraser, app, redis, wrapping, keys, ChainWriter(system, wrapping), anchors
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.redis.aclose()
        await self.wrapping.close()
        await asyncio.gather(self.system.close(), self.eraser.close(), self.app.close())


@dataclass(frozen=True)
class Schedule:
    """Something to do every so often. What `run` gives is its note for operators: figures, no content."""

    name: str
    every_seconds: float
    run: Callable[[Maintenance], Awaitable[str | None]]
    longest_seconds: float = 300.0


class Clockwork:
    """Runs what is due, each schedule in a task of its own, so that one that fails or hangs harms no other."""

    def __init__(self, maintenance: Maintenance, of: Sequence[Schedule]) -> None:
        self._maintenance = maintenance
        self._schedules = {schedule.name: schedule for schedule in of}
        self._runner = new_id()
        self._tasks: set[asyncio.Task[None]] = set()

    async def claim(self, session: AsyncSession) -> list[Schedule]:
        """Take what is due, in the leader's transaction. `start` them once it has been committed."""
        await schedules.keep(session, runner=self._runner)
        return [
            schedule
            for schedule in self._schedules.values()
            if await schedules.claim(
                session, name=schedule.name, every_seconds=schedule.every_seconds, runner=self._runner
            )
        ]

    def start(self, claimed: Sequence[Schedule]) -> None:
        """Begin to run them."""
        for schedule in claimed:
            task = asyncio.create_task(self._run(schedule), name=f"schedule-{schedule.name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait for what runs now."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Stop what runs; it is due again at once, for whoever leads next."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
            async with self._maintenance.system.system() as session:
                await schedules.release(session, runner=self._runner)
        await self._maintenance.close()

    async def _run(self, schedule: Schedule) -> None:
        task = asyncio.ensure_future(
            asyncio.wait_for(schedule.run(self._maintenance), schedule.longest_seconds)
        )
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
        error = None if task.cancelled() else task.exception()
        reason = None if error is None else type(error).__name__
        note = task.result() if error is None and not task.cancelled() else None
        async with self._maintenance.system.system() as session:
            await schedules.finish(session, name=schedule.name, runner=self._runner, error=reason, note=note)
        if error is not None:
            _log.error("schedule failed", schedule=schedule.name, reason=reason)
        elif note:
            _log.info("schedule ran", schedule=schedule.name, note=note)


async def _remove_expired_uploads(maintenance: Maintenance) -> str | None:
    gone = await uploads.remove_expired(maintenance.system)
    return f"{gone} upload sessions removed" if gone else None


async def _erase(maintenance: Maintenance) -> str | None:
    return await Erasing(
        maintenance.system,
        maintenance.eraser,
        maintenance.redis,
        settle_seconds=maintenance.settings.erasure_settle_seconds,
    ).run()


async def _retain(maintenance: Maintenance) -> str | None:
    return await Retention(
        maintenance.system, maintenance.eraser, ledger_days=maintenance.settings.ledger_days
    ).run()


async def _forget_tokens(maintenance: Maintenance) -> str | None:
    async with maintenance.system.system() as session:
        sessions, caches = await remove_over(session), await token_caches.remove_expired(session)
    return f"{sessions} sessions and {caches} token caches removed" if sessions or caches else None


async def _chain_audit(maintenance: Maintenance) -> str | None:
    """Chain what was recorded since the last time."""
    chained = await maintenance.chains.run()
    # Said for a backlog only: it runs every few seconds.
    return f"{chained} entries chained" if chained >= _BACKLOG else None


async def _anchor_audit(maintenance: Maintenance) -> str | None:
    """Write the heads of audit chains down outside the database."""
    if maintenance.anchors is None:
        return "SWITCHBOARD_AUDIT_ANCHORS is not set: a cut at the end of a chain cannot be found"
    await anchor(maintenance.system, maintenance.anchors)
    return None


async def _write_notices(maintenance: Maintenance) -> str | None:
    return await Watching(maintenance.system, maintenance.app).run()


async def _deliver(maintenance: Maintenance) -> str | None:
    ca = maintenance.settings.webhook_ca
    return await Delivering(
        maintenance.system,
        maintenance.app,
        maintenance.keys,
        private_allowed=ca is not None,
        ca=ca,
        resolver=None if ca is None else LoopbackResolver(),
    ).run()


async def _start_batches(maintenance: Maintenance) -> str | None:
    return await BatchRuns(maintenance.system, maintenance.app, maintenance.keys).run()


_BACKLOG = 1000
SCHEDULES: tuple[Schedule, ...] = (
    Schedule("expired-uploads", 600.0, _remove_expired_uploads),
    Schedule("erasure", 5.0, _erase),
    Schedule("retention", 3600.0, _retain),
    Schedule("forget-tokens", 300.0, _forget_tokens),
    Schedule("notices", 600.0, _write_notices),
    Schedule("webhooks", 5.0, _deliver, longest_seconds=100.0),
    Schedule("batches", 15.0, _start_batches),
    Schedule("audit-chain", 2.0, _chain_audit, longest_seconds=60.0),
    Schedule("audit-anchors", 60.0, _anchor_audit, longest_seconds=60.0),
)
