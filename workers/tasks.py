"""Celery's side of a worker: the task, and the signals that start, wake and stop it."""

import contextlib
import os
from concurrent.futures import Future
from typing import Any
from uuid import UUID

from celery import Celery, signals

from app.copilot.catalog import task_types
from app.core.logging import configure
from app.settings import Settings
from workers.celery_app import TASK
from workers.loop import PersistentLoop
from workers.worker import Worker

_STDOUT = 1
_SLOT_FREED_SECONDS = 0.003
"""`task_postrun` fires before the pool counts the slot as free; measured, it is free 1-2 ms later."""


def serve(settings: Settings, celery: Celery) -> None:
    """Run a worker with the threads pool until it is told to stop."""
    configure(settings.log_format, process="worker")
    persistent = PersistentLoop()
    # Not at the first step, on the loop, where leases are kept.
    task_types()
    # Before Celery takes messages: a process that cannot work must end, not eat hints.
    worker = persistent.submit(_make(settings)).result(timeout=60)
    drained: list[Future[None]] = []

    @celery.task(name=TASK)
    def run_step(step_id: str, tenant_id: str) -> None:
        persistent.submit(worker.run(UUID(tenant_id), UUID(step_id))).result()

    @signals.worker_ready.connect(weak=False)
    def wake_on_freed_slots(sender: Any, **_: Any) -> None:
        # Without prefetch the consumer looks for messages about once a second; a freed slot must not wait.
        hub = sender.hub
        # Whoever started this process may wait for the line. Celery has taken `sys.stdout` for its log.
        os.write(_STDOUT, b"ready\n")

        def wake() -> None:
            hub.call_soon(lambda: None)

        @signals.task_postrun.connect(weak=False)
        def freed(**_: Any) -> None:
            with contextlib.suppress(RuntimeError):
                persistent.loop.call_soon_threadsafe(persistent.loop.call_later, _SLOT_FREED_SECONDS, wake)

    @signals.worker_shutting_down.connect(weak=False)
    def drain(**_: Any) -> None:
        drained.append(persistent.submit(worker.drain()))

    @signals.worker_shutdown.connect(weak=False)
    def close(**_: Any) -> None:
        with contextlib.suppress(Exception):
            # What could not be handed back runs out with its lease.
            for draining in drained:
                draining.result(timeout=settings.shutdown_grace_seconds + 10)
        persistent.submit(worker.close()).result(timeout=15)
        persistent.stop()

    celery.Worker(
        pool="threads",
        concurrency=settings.worker_concurrency,
        loglevel="INFO",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    ).start()


async def _make(settings: Settings) -> Worker:
    worker = Worker(settings)
    await worker.start()
    return worker
