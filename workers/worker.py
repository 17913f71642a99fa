"""Runs steps on the persistent loop: claims, keeps leases alive, stops what it no longer holds.

One statement renews all leases of the process, often enough for the lease and for the heartbeat. A step
that the answer does not name is not ours any more: cancelled by its member, or taken over.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.copilot.runner import run_step
from app.copilot.runtime import Runtime
from app.core.clock import new_id
from app.core.database import Database
from app.core.listener import Listener
from app.core.logging import get_logger
from app.jobs.dispatch import HEARTBEAT_SECONDS, hints_are_ignored
from app.jobs.leases import ClaimedStep, beat, claim, hand_back, renew
from app.jobs.notify import CANCELLED, CONFIGURATION
from app.settings import Settings

_log = get_logger(__name__)
_DEAF_SECONDS = 30.0
"""Work has waited so long while this process had free slots and Redis answered: something is stuck."""


@dataclass(frozen=True)
class _Held:
    step: ClaimedStep
    task: "asyncio.Task[None]"


def keep_seconds(lease_seconds: float) -> float:
    """Time between renewals; a process not heard of for `HEARTBEAT_SECONDS` counts as dead, whatever its leases."""
    return min(lease_seconds, HEARTBEAT_SECONDS) / 3


class Worker:
    """The part of a worker process that knows steps; Celery brings the hints."""

    def __init__(self, settings: Settings) -> None:
        self.id = new_id()
        self._settings = settings
        self._runtime = Runtime.open(settings)
        self._system = Database(
            settings.required("database_system_url"), pool_size=2, application_name="switchboard-leases"
        )
        self._listener = Listener(
            settings.direct_url(),
            {CANCELLED: self._cancel_job, CONFIGURATION: self._runtime.configuration.changed},
        )
        self._held: dict[UUID, _Held] = {}
        self._draining = asyncio.Event()
        self._deaf_since: float | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Say that we live, and begin to listen and to keep leases."""
        self._runtime.configuration.start()
        self._listener.start()
        await self._keep()
        self._keeping = asyncio.create_task(self._keep_forever(), name="leases")

    async def run(self, tenant_id: UUID, step_id: UUID) -> None:
        """Follow a hint: claim the step and run it. A hint that leads nowhere does nothing."""
        if self._draining.is_set():
            return
        try:
            async with self._runtime.database.tenant(tenant_id) as session:
                step = await claim(
                    session,
                    tenant_id=tenant_id,
                    step_id=step_id,
                    owner=self.id,
                    lease_seconds=self._settings.lease_seconds,
                )
        except SQLAlchemyError as error:
            # The step is still queued: it is offered again when the hint is stale.
            _log.info("claim failed", step_id=str(step_id), reason=type(error).__name__)
            return
        if step is None:
            return
        if self._draining.is_set():
            # The claim was under way when the process was told to stop; what drains did not see it.
            await self._hand_back([step.id])
            return
        await self._run_claimed(step)

    async def drain(self) -> None:
        """Stop claiming, give what runs its grace, cancel the rest and hand it back."""
        self._draining.set()
        if tasks := [held.task for held in self._held.values()]:
            await asyncio.wait(tasks, timeout=self._settings.shutdown_grace_seconds)
        left = dict(self._held)
        for held in left.values():
            held.task.cancel()
        if left:
            await asyncio.wait([held.task for held in left.values()], timeout=5)
            await self._hand_back(list(left))

    async def _hand_back(self, steps: Sequence[UUID]) -> None:
        async with self._system.system() as session:
            count = await hand_back(session, owner=self.id, steps=steps)
        _log.info("handed back", steps=count)

    async def close(self) -> None:
        """Say goodbye and close every connection."""
        if self._keeping is not None:
            self._keeping.cancel()
        try:
            async with self._system.system() as session:
                await beat(session, owner=self.id, capacity=0)
        except SQLAlchemyError as error:
            _log.info("no goodbye", reason=type(error).__name__)
        await self._listener.close()
        await self._runtime.close()
        await self._system.close()

    async def _run_claimed(self, step: ClaimedStep) -> None:
        task = asyncio.create_task(run_step(self._runtime, step), name=f"step-{step.id}")
        self._held[step.id] = _Held(step, task)
        try:
            await asyncio.wait([task])
        finally:
            self._held.pop(step.id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The end could not be written (the database is away): the lease runs out, the step returns.
            _log.info("step left to the reaper", step_id=str(step.id), reason=type(error).__name__)

    def _cancel_job(self, payload: str) -> None:
        for held in list(self._held.values()):
            if str(held.step.job_id) == payload:
                held.task.cancel()

    async def _keep_forever(self) -> None:
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(keep_seconds(self._settings.lease_seconds))
            try:
                await asyncio.wait_for(self._keep(), self._settings.lease_seconds / 3)
                renewed = loop.time()
            except Exception as error:  # noqa: BLE001 - without this loop every lease of the process is lost
                expected = isinstance(error, SQLAlchemyError | TimeoutError | OSError)
                _log.log(
                    20 if expected else 40,
                    "leases not renewed",
                    reason=type(error).__name__,
                    exc_info=not expected,
                )
                if loop.time() - renewed > self._settings.lease_seconds:
                    self._let_go(dict(self._held))

    async def _keep(self) -> None:
        before = dict(self._held)
        async with self._system.system() as session:
            held = await renew(
                session, owner=self.id, steps=list(before), lease_seconds=self._settings.lease_seconds
            )
            await beat(
                session,
                owner=self.id,
                capacity=0 if self._draining.is_set() else self._settings.worker_concurrency,
            )
            ignored = await hints_are_ignored(session)
        self._let_go({id_: one for id_, one in before.items() if held.get(id_) != one.step.fencing})
        await self._exit_if_deaf(ignored=ignored)

    def _let_go(self, lost: dict[UUID, _Held]) -> None:
        for step_id, held in lost.items():
            if self._held.get(step_id) is held:
                held.task.cancel()

    async def _exit_if_deaf(self, *, ignored: bool) -> None:
        """End the process when hints go unheard though it is idle and Redis answers."""
        now = asyncio.get_running_loop().time()
        idle = ignored and not self._held and not self._draining.is_set()
        if idle:
            try:
                await self._runtime.redis.ping()
            except (RedisError, OSError):
                idle = False
        if not idle:
            self._deaf_since = None
        elif self._deaf_since is None:
            self._deaf_since = now
        elif now - self._deaf_since > _DEAF_SECONDS:
            _log.error("no hint reaches this process; it ends so that a fresh one takes its place")
            os._exit(1)
