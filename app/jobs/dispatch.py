"""Choosing which queued steps start next: free slots, lanes, fairness between tenants.

Slots are free when processes that live have capacity beyond the live leases and the hints not yet
claimed. Interactive steps go first, and each lane keeps a share that the other cannot take. Within a
lane tenants take turns by a persisted virtual time (start-time fair queueing: Goyal, Vin, Cheng, 1996,
with a step as the unit of cost), so a tenant with ten thousand steps cannot hold up one with a single step.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.leases import SCHEMA_VERSION, locked
from app.jobs.tables import JobStep
from app.vocabulary import Lane, StepKind

LEADER = 7_203_002
"""Advisory lock of the dispatcher."""
HEARTBEAT_SECONDS = 5.0
"""A process not seen for so long has no slots."""
_RESERVED_SHARE = 8
"""Each lane keeps one slot in so many for itself; of a tenant's steps in flight interactive keeps as many."""


RevisionOf = tuple[UUID, UUID]
"""A tenant, and a revision that serves it: what is full for one tenant may be free for another."""


@dataclass(frozen=True)
class ReadyStep:
    """A queued step that may start now, with what planning it needs."""

    tenant_id: UUID
    id: UUID
    job_id: UUID
    member_id: UUID
    task_type: str
    kind: StepKind
    lane: Lane
    estimated_tokens: int
    fencing: int
    pool_revision_id: UUID
    language: str
    host: str
    seconds_waited: float
    sticky_key: bytes
    """What the job draws a member of its pool with."""
    reservation: Mapping[str, Any] | None = None
    """What an earlier hint, which nobody took, had reserved."""


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
    reserve = max(1, capacity // _RESERVED_SHARE) if capacity > 1 else 0
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
    """
    WITH used AS (
        SELECT lane, count(*) AS steps FROM job_steps
        WHERE (state = 'running' AND lease_expires_at > clock_timestamp())
           OR (state = 'queued' AND hinted_at > clock_timestamp() - make_interval(secs => :stale))
        GROUP BY lane
    )
    SELECT
      (SELECT coalesce(sum(capacity), 0) FROM worker_heartbeats
        WHERE seen_at > clock_timestamp() - make_interval(secs => :heartbeat)) AS capacity,
      (SELECT jsonb_object_agg(lane, steps) FROM used) AS used,
      EXISTS (SELECT 1 FROM job_steps WHERE state = 'queued' AND lane = 'interactive') AS interactive,
      EXISTS (SELECT 1 FROM job_steps WHERE state = 'queued' AND lane = 'background') AS background,
      (SELECT extract(epoch FROM min(run_after) - clock_timestamp()) FROM job_steps
        WHERE state = 'queued' AND run_after > clock_timestamp()) AS due
    """
)


async def look(session: AsyncSession, *, stale_hint_seconds: float) -> Floor:
    """Capacity of living processes less leases and fresh hints, in one statement."""
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
    offered = functools.partial(pick, session, stale_hint_seconds=stale_hint_seconds, resting=resting)
    owed: list[ReadyStep] = []
    if Lane.BACKGROUND in floor.waiting:
        owed = await offered(lane=Lane.BACKGROUND, slots=slots.owed_to_background)
    left = slots.free - len(owed)
    interactive: list[ReadyStep] = []
    if Lane.INTERACTIVE in floor.waiting:
        interactive = await offered(lane=Lane.INTERACTIVE, slots=left)
    left -= len(interactive) + slots.kept_for_interactive
    if left <= 0 or Lane.BACKGROUND not in floor.waiting:
        return [*owed, *interactive]
    # What was just picked is not yet marked as hinted, so the second pick finds it again first.
    more = await offered(lane=Lane.BACKGROUND, slots=len(owed) + left)
    known = {step.id for step in owed}
    return [*owed, *interactive, *(step for step in more if step.id not in known)]


# Tenants with something ready are found by skipping through the index, one probe a tenant, so that a
# tenant's hundred thousand steps are not read; each then offers no more than it may have in flight.
_PICK = text(
    """
    WITH RECURSIVE waiting(tenant_id) AS (
        (SELECT tenant_id FROM job_steps WHERE state = 'queued' AND lane = :lane ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT s.tenant_id FROM job_steps s
                 WHERE s.state = 'queued' AND s.lane = :lane AND s.tenant_id > w.tenant_id
                 ORDER BY s.tenant_id LIMIT 1)
        FROM waiting w WHERE w.tenant_id IS NOT NULL
    ),
    busy AS (
        SELECT tenant_id, count(*) AS steps, count(*) FILTER (WHERE lane = 'interactive') AS interactive
        FROM job_steps
        WHERE (state = 'running' AND lease_expires_at > clock_timestamp())
           OR (state = 'queued' AND hinted_at > clock_timestamp() - make_interval(secs => :stale))
        GROUP BY tenant_id
    ),
    turns AS (
        SELECT w.tenant_id,
               coalesce(p.weight, 1) AS weight,
               m.most - coalesce(b.steps, 0) - CASE WHEN :lane = 'background' AND m.most > 1
                   THEN greatest(0, greatest(1, m.most / :reserved) - coalesce(b.interactive, 0)) ELSE 0 END AS allowed,
               greatest(coalesce(t.virtual_time, 0), f.floor) AS virtual_time
        FROM waiting w
        JOIN tenants o ON o.id = w.tenant_id AND o.state = 'active'
        LEFT JOIN tenant_policies p ON p.tenant_id = w.tenant_id
        CROSS JOIN LATERAL (SELECT coalesce(p.max_steps_in_flight, 32) AS most) m
        LEFT JOIN busy b ON b.tenant_id = w.tenant_id
        LEFT JOIN dispatch_turns t ON t.tenant_id = w.tenant_id AND t.lane = :lane
        CROSS JOIN (SELECT coalesce(min(d.virtual_time), 0) AS floor
                    FROM dispatch_turns d JOIN waiting x ON x.tenant_id = d.tenant_id
                    WHERE d.lane = :lane) f
    )
    SELECT s.tenant_id, s.id, s.job_id, s.member_id, s.task_type, s.kind, s.lane, s.estimated_tokens,
           s.fencing, s.reservation, j.pool_revision_id, j.sticky_key, j.language, j.host, t.weight, t.virtual_time,
           extract(epoch FROM clock_timestamp() - s.run_after) AS seconds_waited
    FROM turns t
    CROSS JOIN LATERAL (
        SELECT q.*, row_number() OVER (ORDER BY q.id) AS turn FROM (
            SELECT * FROM (
                SELECT id, tenant_id, job_id, member_id, task_type, kind, lane, estimated_tokens, fencing,
                       reservation, run_after
                FROM job_steps
                WHERE state = 'queued' AND lane = :lane AND tenant_id = t.tenant_id
                  AND EXISTS (SELECT 1 FROM members m WHERE m.tenant_id = t.tenant_id
                              AND m.id = job_steps.member_id AND m.state = 'active')
                  AND EXISTS (SELECT 1 FROM jobs w WHERE w.tenant_id = t.tenant_id
                              AND w.id = job_steps.job_id AND w.state <> 'waiting')
                  AND run_after <= clock_timestamp() AND schema_version <= :version
                  AND (cardinality(CAST(:resting AS text[])) = 0 OR kind IN ('batch', 'fetch', 'plan')
                       OR NOT EXISTS (SELECT 1 FROM jobs r WHERE r.tenant_id = t.tenant_id AND r.id = job_steps.job_id
                                      AND r.tenant_id || '/' || r.pool_revision_id = ANY (CAST(:resting AS text[]))))
                  AND (hinted_at IS NULL OR hinted_at < clock_timestamp()
                       - make_interval(secs => :stale * power(2, least(hint_count - 1, 5))))
                ORDER BY id
                LIMIT greatest(0, least(:slots, t.allowed))
            ) ready
        ) q
    ) s
    JOIN jobs j ON j.tenant_id = s.tenant_id AND j.id = s.job_id
    ORDER BY t.virtual_time + s.turn::float / t.weight, s.id
    LIMIT :slots
    """
)


async def pick(
    session: AsyncSession,
    *,
    lane: Lane,
    slots: int,
    stale_hint_seconds: float,
    resting: Collection[RevisionOf] = (),
) -> list[ReadyStep]:
    """The next steps of a lane in fair order, at most `slots`; moves each tenant's virtual time on."""
    if slots <= 0:
        return []
    rows = (
        await session.execute(
            _PICK,
            {
                "lane": lane,
                "slots": slots,
                "stale": stale_hint_seconds,
                "version": SCHEMA_VERSION,
                "reserved": _RESERVED_SHARE,
                "resting": [f"{tenant_id}/{revision_id}" for tenant_id, revision_id in resting],
            },
        )
    ).all()
    await _take_turns(session, lane, rows)
    return [
        ReadyStep(
            tenant_id=row.tenant_id,
            id=row.id,
            job_id=row.job_id,
            member_id=row.member_id,
            task_type=row.task_type,
            kind=StepKind(row.kind),
            lane=Lane(row.lane),
            estimated_tokens=row.estimated_tokens,
            fencing=row.fencing,
            pool_revision_id=row.pool_revision_id,
            language=row.language,
            host=row.host,
            seconds_waited=float(row.seconds_waited),
            sticky_key=row.sticky_key or row.job_id.bytes,
            reservation=row.reservation,
        )
        for row in rows
    ]


async def _take_turns(session: AsyncSession, lane: Lane, rows: Sequence[Any]) -> None:
    times: dict[UUID, float] = {}
    for row in rows:
        times[row.tenant_id] = times.get(row.tenant_id, float(row.virtual_time)) + 1 / row.weight
    if times:
        await session.execute(
            text(
                "INSERT INTO dispatch_turns (tenant_id, lane, virtual_time) VALUES (:tenant, :lane, :time)"
                " ON CONFLICT (tenant_id, lane) DO UPDATE SET virtual_time = excluded.virtual_time"
            ),
            [{"tenant": tenant, "lane": lane, "time": time} for tenant, time in times.items()],
        )


async def mark_hinted(
    session: AsyncSession, hinted: Sequence[tuple[ReadyStep, Mapping[str, Any] | None]]
) -> None:
    """Remember that hints for these steps go out now, and what was reserved for each."""
    if hinted:
        await session.execute(
            text(
                "UPDATE job_steps s SET hinted_at = clock_timestamp(), hint_count = hint_count + 1,"
                " reservation = h.reservation"
                " FROM jsonb_to_recordset(:hinted) AS h(tenant uuid, step uuid, reservation jsonb)"
                " WHERE s.tenant_id = h.tenant AND s.id = h.step"
                " AND s.id IN (SELECT id FROM job_steps WHERE state = 'queued'"
                " AND id IN (SELECT step FROM jsonb_to_recordset(:hinted) AS w(step uuid))"
                " ORDER BY id FOR NO KEY UPDATE)"
            ).bindparams(bindparam("hinted", type_=JSONB)),
            {
                "hinted": [
                    {"tenant": str(step.tenant_id), "step": str(step.id), "reservation": reservation}
                    for step, reservation in hinted
                ]
            },
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
