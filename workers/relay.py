"""Dispatch: turns queued steps into hints. One relay is active, others stand by."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence

from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.database import Database
from app.core.listener import Listener
from app.core.logging import configure, get_logger
from app.core.redis import connect
from app.jobs import dispatch
from app.jobs.notify import CONFIGURATION, STEPS
from app.jobs.reap import lead
from app.jobs.turns import ReadyStep, RevisionOf
from app.pools.breakers import Breakers
from app.pools.configuration import Configuration
from app.pools.dispatching import Reservation, StepFacts, Unplanned, Wait, give_back, plan
from app.pools.limits import Limits
from app.pools.selection import Allowance
from app.settings import Settings, get_settings
from app.usage.budgets import Payer, allowance, budgets_of, standings
from workers.celery_app import TASK, make_celery

_log = get_logger(__name__)
_POLL_SECONDS = 1.0
_PUBLISH_SECONDS = 5.0
_LONGEST_REST_SECONDS = 1.0
"""How long what was full is not asked again; a rest that ends sooner, by a new credential say, is seen by then."""


class Relay:
    """Wakes on NOTIFY, and once a second in case one was missed."""

    def __init__(self, settings: Settings, celery: Celery) -> None:
        self._celery = celery
        self._stale_hint_seconds = settings.stale_hint_seconds
        self._database = Database(
            settings.required("database_system_url"), pool_size=3, application_name="switchboard-relay"
        )
        self._redis = connect(settings.required("redis_url"))
        self._configuration = Configuration(self._database)
        self._breakers = Breakers(self._redis)
        self._limits = Limits(self._redis)
        self._resting: dict[RevisionOf, float] = {}
        self._ready = asyncio.Event()
        self._listener = Listener(
            settings.direct_url(),
            {STEPS: lambda _: self._ready.set(), CONFIGURATION: self._configuration.changed},
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Dispatch until told to stop."""
        self._configuration.start()
        self._listener.start()
        seconds = 0.0
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ready.wait(), seconds)
            self._ready.clear()
            try:
                seconds = await self._turn()
            except Exception as error:  # noqa: BLE001 - the relay must outlive whatever fails in one turn
                expected = isinstance(error, SQLAlchemyError | OSError | TimeoutError)
                _log.log(
                    20 if expected else 40, "turn failed", reason=type(error).__name__, exc_info=not expected
                )
                seconds = _POLL_SECONDS
        await self._listener.close()
        await self._configuration.close()
        await self._redis.aclose()
        await self._database.close()

    async def _turn(self) -> float:
        """Hint what may start now; gives the seconds until the next turn at the latest."""
        async with self._database.system() as session:
            if not await lead(session, dispatch.LEADER):
                return _POLL_SECONDS
            floor = await dispatch.look(session, stale_hint_seconds=self._stale_hint_seconds)
            now = asyncio.get_running_loop().time()
            self._resting = {pair: until for pair, until in self._resting.items() if until > now}
            picked = await dispatch.next_steps(
                session, floor, stale_hint_seconds=self._stale_hint_seconds, resting=self._resting
            )
            hinted, refused = await self._plan_all(session, picked)
            await dispatch.mark_hinted(
                session, [(step, place.as_json() if place is not None else None) for step, place in hinted]
            )
        if hinted and not await self._publish([step for step, _ in hinted]):
            await self._take_back(hinted)
        if refused:
            # Their slots are for others, whom the next look finds: what was full is passed over then.
            return 0.0
        ends = [until - now for until in self._resting.values()]
        due = [floor.next_due_seconds] if floor.next_due_seconds is not None else []
        return max(0.01, min([_POLL_SECONDS, *ends, *due]))

    async def _plan_all(
        self, session: AsyncSession, picked: Sequence[ReadyStep]
    ) -> tuple[list[tuple[ReadyStep, Reservation | None]], bool]:
        """The steps to hint with what is reserved for each; and whether any found all its models full."""
        hinted: list[tuple[ReadyStep, Reservation | None]] = []
        refused = False
        for step in picked:
            pair = (step.tenant_id, step.pool_revision_id)
            if pair in self._resting and step.kind.calls_models:
                continue
            planned = await self._plan(step, await self._allowance(session, step))
            if isinstance(planned, Wait):
                refused = True
                rest = min(planned.seconds, _LONGEST_REST_SECONDS)
                self._resting[pair] = asyncio.get_running_loop().time() + rest
                continue
            hinted.append((step, planned if isinstance(planned, Reservation) else None))
        return hinted, refused

    async def _allowance(self, session: AsyncSession, step: ReadyStep) -> Allowance:
        """What the step's payer may still spend. The worker reserves it; this only chooses the member."""
        payer = Payer(step.tenant_id, step.member_id, step.task_type)
        budgets = await budgets_of(session, self._configuration, payer)
        return allowance(await standings(session, step.tenant_id, budgets, now()))

    async def _plan(self, step: ReadyStep, allowed: Allowance) -> Reservation | Wait | Unplanned:
        facts = StepFacts(
            step.id,
            step.task_type,
            step.kind,
            step.language,
            step.estimated_tokens,
            step.sticky_key,
            step.reservation,
        )
        return await plan(
            self._configuration,
            self._breakers,
            self._limits,
            tenant_id=step.tenant_id,
            revision_id=step.pool_revision_id,
            step=facts,
            allowance=allowed,
        )

    async def _take_back(self, hinted: Sequence[tuple[ReadyStep, Reservation | None]]) -> None:
        """The hints did not go out: offer the steps again, and free what was reserved for them.

        The place of a step that a worker has claimed meanwhile is in use.
        """
        async with self._database.system() as session:
            unclaimed = await dispatch.forget_hints(session, [step for step, _ in hinted])
        for step, reservation in hinted:
            if reservation is not None and step.id in unclaimed:
                await give_back(self._limits, reservation)

    async def _publish(self, steps: Sequence[ReadyStep]) -> bool:
        """Send the hints in a thread, so that a frozen broker holds up nobody but that thread."""
        try:
            await asyncio.wait_for(asyncio.to_thread(self._send, steps), _PUBLISH_SECONDS)
        except (KombuError, RedisError, OSError, TimeoutError) as error:
            _log.info("hints not sent", steps=len(steps), reason=type(error).__name__)
            return False
        return True

    def _send(self, steps: Sequence[ReadyStep]) -> None:
        with self._celery.producer_pool.acquire(block=True, timeout=_PUBLISH_SECONDS) as producer:
            for step in steps:
                self._celery.send_task(
                    TASK,
                    kwargs={"step_id": str(step.id), "tenant_id": str(step.tenant_id)},
                    producer=producer,
                    retry=False,
                    queue=self._celery.conf.task_default_queue,
                )


async def serve(settings: Settings) -> None:
    """Run a relay until SIGTERM or SIGINT."""
    configure(settings.log_format, process="relay")
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await Relay(settings, make_celery(settings)).run(stopping)


if __name__ == "__main__":
    asyncio.run(serve(get_settings()))
