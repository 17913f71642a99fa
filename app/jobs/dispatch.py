"""Choosing which queued steps start next: free slots, and what of them each lane may have.

Slots are free when processes that live have capacity beyond the live leases and the hints not yet
claimed. Interactive steps go first, and each lane keeps a share that the other cannot take. Within a
lane everybody takes turns, see turns.py.
"""

import functools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.leases import locked
from app.jobs.tables import JobStep
from app.jobs.turns import BY_INDEX, IN_FLIGHT, RESERVED_SHARE, ReadyStep, RevisionOf, Turn, take, turns
from app.vocabulary import Lane

LEADER = 7_203_002
"""Advisory lock of the dispatcher."""
HEARTBEAT_SECONDS = 5.0
"""A process not seen for so long has no slots."""


@dataclass(frozen=True)
class Slots:
    """Slots that are free now, and how much of them each lane keeps from the other."""

    free: int
    owed_to_background: int = 0
    """Of the free slots, background takes so many before interactive: its reserve is not yet used."""
    kept_for_interactive: int = 0
    """Of the free slots, background leaves so many alone: a person may come at any moment."""


def share_slots(capacity: int, used: Mapping[Lane, int]) -> Slots:
    """Share the slots that `used` (running or hinted) leaves of `capacity`; each lane reserves an eighth."""
    free = max(0, capacity - sum(used.values()))
    reserve = max(1, capacity // RESERVED_SHARE) if capacity > 1 else 0
    return Slots(
        free,
        min(free, max(0, reserve - used.get(Lane.BACKGROUND, 0))),
        min(free, max(0, reserve - used.get(Lane.INTERACTIVE, 0))),
    )


@dataclass(frozen=True)
class Floor:
    """What a dispatcher sees at a glance: free slots, who waits, and when a postponed step is due."""

    slots: Slots
    waiting: frozenset[Lane]
    next_due_seconds: float | None


_FLOOR = text(
    f"""
    WITH used AS (SELECT lane, count(*) AS steps FROM ({IN_FLIGHT}) i GROUP BY lane)
    SELECT
      (SELECT coalesce(sum(capacity), 0) FROM worker_heartbeats
        WHERE seen_at > clock_timestamp() - make_interval(secs => :heartbeat)) AS capacity,
      (SELECT jsonb_object_agg(lane, steps) FROM used) AS used,
      EXISTS (SELECT 1 FROM job_steps WHERE state = 'queued' AND lane = 'interactive') AS interactive,
      EXISTS (SELECT 1 FROM job_steps WHERE state = 'queued' AND lane = 'background') AS background,
      (SELECT extract(epoch FROM min(run_after) - clock_timestamp()) FROM job_steps
        WHERE state = 'queued' AND run_after > clock_timestamp()) AS due
    """  # noqa: S608 - put together from a constant
)


async def look(session: AsyncSession, *, stale_hint_seconds: float) -> Floor:
    """Capacity of living processes less leases and fresh hints, in one statement."""
    await session.execute(BY_INDEX)
    row = (await session.execute(_FLOOR, {"heartbeat": HEARTBEAT_SECONDS, "stale": stale_hint_seconds})).one()
    used = {Lane(lane): steps for lane, steps in (row.used or {}).items()}
    waiting = {Lane.INTERACTIVE: row.interactive, Lane.BACKGROUND: row.background}
    return Floor(
        share_slots(int(row.capacity), used),
        frozenset(lane for lane, somebody in waiting.items() if somebody),
        None if row.due is None else max(0.0, float(row.due)),
    )


async def next_steps(
    session: AsyncSession,
    floor: Floor,
    *,
    stale_hint_seconds: float,
    resting: Collection[RevisionOf] = (),
) -> list[ReadyStep]:
    """The steps to start now: interactive before background, but for what is owed to background.

    Steps of what is `resting` are left where they are, so that they hold up no others of their tenant.
    """
    slots = floor.slots
    offered = functools.partial(turns, session, stale_hint_seconds=stale_hint_seconds, resting=resting)
    background: list[Turn] = []
    if Lane.BACKGROUND in floor.waiting:
        most = max(slots.owed_to_background, slots.free - slots.kept_for_interactive)
        background = await offered(lane=Lane.BACKGROUND, slots=most)
    owed = min(slots.owed_to_background, len(background))
    interactive: list[Turn] = []
    if Lane.INTERACTIVE in floor.waiting:
        interactive = await offered(lane=Lane.INTERACTIVE, slots=slots.free - owed)
    left = max(0, slots.free - owed - len(interactive) - slots.kept_for_interactive)
    taken = _within_room([*background[:owed], *interactive, *background[owed : owed + left]])
    for lane in Lane:
        await take(session, [turn for turn in taken if turn.step.lane is lane])
    return [turn.step for turn in taken]


def _within_room(offered: Sequence[Turn]) -> list[Turn]:
    """Of turns in several lanes those that all their tenants may have at once."""
    had: Counter[UUID] = Counter()
    within = []
    for turn in offered:
        had[turn.step.tenant_id] += 1
        if had[turn.step.tenant_id] <= turn.room:
            within.append(turn)
    return within


async def pick(
    session: AsyncSession,
    *,
    lane: Lane,
    slots: int,
    stale_hint_seconds: float,
    resting: Collection[RevisionOf] = (),
) -> list[ReadyStep]:
    """The next steps of a lane in fair order, at most `slots`, whose turns are had with that."""
    taken = await turns(
        session, lane=lane, slots=slots, stale_hint_seconds=stale_hint_seconds, resting=resting
    )
    await take(session, taken)
    return [turn.step for turn in taken]


async def mark_hinted(
    session: AsyncSession, hinted: Sequence[tuple[ReadyStep, Mapping[str, Any] | None]]
) -> None:
    """Remember that hints for these steps go out now, and what was reserved for each."""
    if not hinted:
        return
    await session.execute(
        text(
            "UPDATE job_steps SET hinted_at = clock_timestamp(), hint_count = hint_count + 1,"
            " reservation = :reservation WHERE tenant_id = :tenant AND id = :step AND state = 'queued'"
        ).bindparams(bindparam("reservation", type_=JSONB(none_as_null=True))),
        # One row a statement, found by its key. Whoever writes several steps takes them in this order.
        [
            {"tenant": step.tenant_id, "step": step.id, "reservation": reservation}
            for step, reservation in sorted(hinted, key=lambda one: one[0].id)
        ],
    )


async def forget_hints(session: AsyncSession, steps: Sequence[ReadyStep]) -> set[UUID]:
    """The hints did not all go out (the broker is away): offer the steps again at once.

    Gives the ids of those that nobody has claimed; a hint may have gone out before the broker failed.
    """
    rows = await session.execute(
        update(JobStep)
        .where(JobStep.id.in_(locked(JobStep.id.in_([step.id for step in steps]), JobStep.state == "queued")))
        .values(hinted_at=None, hint_count=0)
        .returning(JobStep.id)
        .execution_options(synchronize_session=False)
    )
    return set(rows.scalars())


async def hints_are_ignored(session: AsyncSession, *, seconds: float = 10.0) -> bool:
    """Whether a step has been hinted more than once, the last time just now, and still waits after `seconds`.

    A step that is no longer offered (its tenant or member may not run, its model is full) says nothing.
    """
    waiting = await session.scalar(
        text(
            "SELECT EXISTS (SELECT 1 FROM job_steps WHERE state = 'queued' AND hint_count > 1"
            " AND run_after < clock_timestamp() - make_interval(secs => :seconds)"
            " AND hinted_at > clock_timestamp() - make_interval(secs => 2 * :seconds))"
        ),
        {"seconds": seconds},
    )
    return bool(waiting)
