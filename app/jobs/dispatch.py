"""Choosing which queued steps start next: free slots, lanes, fairness between tenants.

Slots are free when processes that live have capacity beyond the live leases and the hints not yet
claimed. Interactive steps go first, and each lane keeps a share that the other cannot take. Within a
lane tenants take turns by a persisted virtual time (start-time fair queueing: Goyal, Vin, Cheng, 1996,
with a step as the unit of cost), so a tenant with ten thousand steps cannot hold up one with a single step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.leases import SCHEMA_VERSION
from app.jobs.tables import JobStep
from app.vocabulary import Lane, StepKind

LEADER = 7_203_002
"""Advisory lock of the dispatcher."""
HEARTBEAT_SECONDS = 5.0
"""A process not seen for so long has no slots."""
_RESERVED_SHARE = 8
"""Each lane keeps one slot in so many for itself."""


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


def split_slots(free: int, capacity: int, running: Mapping[Lane, int]) -> dict[Lane, int]:
    """Slots that each lane may take now. Interactive may take all but the background's reserve.

    The reserve is what the background's share lacks; it is never taken from what is running.
    """
    reserve = max(1, capacity // _RESERVED_SHARE) if capacity > 1 else 0
    kept = max(0, reserve - running.get(Lane.BACKGROUND, 0))
    kept_interactive = max(0, reserve - running.get(Lane.INTERACTIVE, 0))
    return {
        Lane.INTERACTIVE: max(0, free - min(kept, max(0, free - 1))),
        Lane.BACKGROUND: max(0, free - kept_interactive),
    }


_SLOTS = text(
    """
    SELECT
      (SELECT coalesce(sum(capacity), 0) FROM worker_heartbeats
        WHERE seen_at > clock_timestamp() - make_interval(secs => :heartbeat)) AS capacity,
      count(*) FILTER (WHERE state = 'running' AND lane = 'interactive') AS running_interactive,
      count(*) FILTER (WHERE state = 'running' AND lane = 'background') AS running_background,
      count(*) FILTER (WHERE state = 'queued') AS hinted
    FROM job_steps
    WHERE (state = 'running' AND lease_expires_at > clock_timestamp())
       OR (state = 'queued' AND hinted_at > clock_timestamp() - make_interval(secs => :stale))
    """
)


async def free_slots(session: AsyncSession, *, stale_hint_seconds: float) -> dict[Lane, int]:
    """How many steps of each lane may be hinted now, both lanes sharing the same slots."""
    row = (await session.execute(_SLOTS, {"heartbeat": HEARTBEAT_SECONDS, "stale": stale_hint_seconds})).one()
    running = {Lane.INTERACTIVE: row.running_interactive, Lane.BACKGROUND: row.running_background}
    free = max(0, int(row.capacity) - sum(running.values()) - row.hinted)
    return split_slots(free, int(row.capacity), running)


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
        SELECT tenant_id, count(*) AS steps FROM job_steps
        WHERE (state = 'running' AND lease_expires_at > clock_timestamp())
           OR (state = 'queued' AND hinted_at > clock_timestamp() - make_interval(secs => :stale))
        GROUP BY tenant_id
    ),
    turns AS (
        SELECT w.tenant_id,
               coalesce(p.weight, 1) AS weight,
               coalesce(p.max_steps_in_flight, 32) - coalesce(b.steps, 0) AS allowed,
               greatest(coalesce(t.virtual_time, 0), f.floor) AS virtual_time
        FROM waiting w
        JOIN tenants o ON o.id = w.tenant_id AND o.state = 'active'
        LEFT JOIN tenant_policies p ON p.tenant_id = w.tenant_id
        LEFT JOIN busy b ON b.tenant_id = w.tenant_id
        LEFT JOIN dispatch_turns t ON t.tenant_id = w.tenant_id AND t.lane = :lane
        CROSS JOIN (SELECT coalesce(min(d.virtual_time), 0) AS floor
                    FROM dispatch_turns d JOIN waiting x ON x.tenant_id = d.tenant_id
                    WHERE d.lane = :lane) f
    )
    SELECT s.tenant_id, s.id, s.job_id, s.member_id, s.task_type, s.kind, s.lane, s.estimated_tokens,
           s.fencing, j.pool_revision_id, j.language, j.host, t.weight, t.virtual_time,
           extract(epoch FROM clock_timestamp() - s.run_after) AS seconds_waited
    FROM turns t
    CROSS JOIN LATERAL (
        SELECT q.*, row_number() OVER (ORDER BY q.id) AS turn FROM (
            SELECT * FROM (
                SELECT id, tenant_id, job_id, member_id, task_type, kind, lane, estimated_tokens, fencing, run_after
                FROM job_steps
                WHERE state = 'queued' AND lane = :lane AND tenant_id = t.tenant_id
                  AND run_after <= clock_timestamp() AND schema_version <= :version
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
    session: AsyncSession, *, lane: Lane, slots: int, stale_hint_seconds: float
) -> list[ReadyStep]:
    """The next steps of a lane in fair order, at most `slots`; moves each tenant's virtual time on."""
    if slots <= 0:
        return []
    rows = (
        await session.execute(
            _PICK, {"lane": lane, "slots": slots, "stale": stale_hint_seconds, "version": SCHEMA_VERSION}
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
    session: AsyncSession, step: ReadyStep, *, reservation: Mapping[str, Any] | None
) -> None:
    """Remember that a hint for the step goes out now, and what was reserved for it."""
    await session.execute(
        text(
            "UPDATE job_steps SET hinted_at = clock_timestamp(), hint_count = hint_count + 1,"
            " reservation = :reservation WHERE tenant_id = :tenant AND id = :step AND state = 'queued'"
        ).bindparams(bindparam("reservation", type_=JobStep.reservation.type)),
        {"tenant": step.tenant_id, "step": step.id, "reservation": reservation},
    )


async def postpone(session: AsyncSession, step: ReadyStep, *, seconds: float) -> None:
    """Not now: what would serve the step is full or resting. Holds no slot meanwhile."""
    await session.execute(
        text(
            "UPDATE job_steps SET run_after = clock_timestamp() + make_interval(secs => :seconds)"
            " WHERE tenant_id = :tenant AND id = :step AND state = 'queued'"
        ),
        {"tenant": step.tenant_id, "step": step.id, "seconds": seconds},
    )


async def forget_hints(session: AsyncSession, steps: Sequence[ReadyStep]) -> None:
    """The hints did not go out (the broker is away): offer the steps again at once."""
    await session.execute(
        update(JobStep)
        .where(JobStep.id.in_([step.id for step in steps]), JobStep.state == "queued")
        .values(hinted_at=None, hint_count=0)
        .execution_options(synchronize_session=False)
    )


async def next_due_seconds(session: AsyncSession) -> float | None:
    """Seconds until the next postponed step is due; None when none waits."""
    seconds = await session.scalar(
        text(
            "SELECT extract(epoch FROM min(run_after) - clock_timestamp()) FROM job_steps"
            " WHERE state = 'queued' AND run_after > clock_timestamp()"
        )
    )
    return None if seconds is None else max(0.0, float(seconds))
