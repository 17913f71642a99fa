"""Whose turn it is: fairness between tenants, within a tenant between members, within a member between jobs.

    tenants    persisted virtual time, by weight (start-time fair queueing: Goyal, Vin, Cheng, 1996, with a
               step as the unit of cost)
    members    a ring in the order of their ids, walked from whoever had the last turn
    jobs       a ring of each member's from the newest to the oldest, walked from the job that had the last turn

So a job of one step waits for a step of each other at most, never behind a colleague's or an own one of
thousands. A job that comes while its ring is walked has its turn in the next round: however many come, each
round ends and reaches the oldest.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.leases import SCHEMA_VERSION
from app.vocabulary import Lane, StepKind

RevisionOf = tuple[UUID, UUID]
"""A tenant, and a revision that serves it: what is full for one tenant may be free for another."""
RESERVED_SHARE = 8
"""Each lane keeps one slot in so many for itself; of a tenant's steps in flight interactive keeps as many."""
_NOBODY = UUID(int=0)
_NEWEST = UUID(int=2**128 - 1)
"""Where rings begin that nobody has walked yet."""
_LOOKED_AT = 4
"""So many times the steps that may start are looked at: tenants share them, their members, and their jobs."""


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
class Turn:
    """A step, what its tenant's turn costs, and how many steps the tenant may start in all its lanes."""

    step: ReadyStep
    virtual_time: float
    cost: float
    room: int


IN_FLIGHT = """
    SELECT tenant_id, lane FROM job_steps WHERE state = 'running' AND lease_expires_at > clock_timestamp()
    UNION ALL
    SELECT tenant_id, lane FROM job_steps
    WHERE state = 'queued' AND hinted_at > clock_timestamp() - make_interval(secs => :stale)
"""
"""Steps that take slots: live leases, and hints not yet claimed."""

_READY = """
    SELECT s.tenant_id, s.id, s.job_id, s.member_id, s.task_type, s.kind, s.lane, s.estimated_tokens, s.fencing,
           s.reservation, s.run_after
    FROM job_steps s
    WHERE s.state = 'queued' AND s.lane = :lane AND s.tenant_id = w.tenant_id AND s.member_id = w.member_id
      AND s.job_id = w.id AND s.run_after <= clock_timestamp() AND s.schema_version <= :version
      AND (NOT w.rests OR s.kind IN ('batch', 'fetch', 'plan'))
      AND (s.hinted_at IS NULL OR s.hinted_at < clock_timestamp()
           - make_interval(secs => :stale * power(2, least(s.hint_count - 1, 5))))
"""
"""Steps of the job `w` that may start now. A resting revision holds up only what calls models."""

_JOBS = f"""
    WITH RECURSIVE ring(job_id, place, wrapped) AS (
        SELECT m.last_job_id, 0, false
        UNION ALL
        SELECT n.job_id, r.place + 1, n.wrapped
        FROM ring r CROSS JOIN LATERAL (
            (SELECT s.job_id, r.wrapped FROM job_steps s
              WHERE s.state = 'queued' AND s.lane = :lane AND s.tenant_id = m.tenant_id
                AND s.member_id = m.member_id AND s.job_id < r.job_id ORDER BY s.job_id DESC LIMIT 1)
            UNION ALL
            (SELECT s.job_id, true FROM job_steps s
              WHERE s.state = 'queued' AND s.lane = :lane AND s.tenant_id = m.tenant_id
                AND s.member_id = m.member_id AND NOT r.wrapped ORDER BY s.job_id DESC LIMIT 1)
            LIMIT 1
        ) n
        WHERE NOT n.wrapped OR n.job_id >= m.last_job_id
    )
    SELECT w.*, r.place
    FROM ring r CROSS JOIN LATERAL (
        SELECT j.tenant_id, m.member_id, j.id, j.pool_revision_id, j.sticky_key, j.language, j.host,
               j.tenant_id || '/' || j.pool_revision_id = ANY (CAST(:resting AS text[])) AS rests
        FROM jobs j WHERE j.tenant_id = m.tenant_id AND j.id = r.job_id AND j.state <> 'waiting' OFFSET 0
    ) w
    WHERE r.place > 0 AND EXISTS ({_READY} ORDER BY s.id OFFSET 0)
"""  # noqa: S608 - put together from the constants above
"""Jobs of the member `m` with something ready, in the order of their turns."""

_MEMBERS = f"""
    WITH RECURSIVE ring(member_id, place, wrapped) AS (
        SELECT t.last_member_id, 0, false
        UNION ALL
        SELECT n.member_id, r.place + 1, n.wrapped
        FROM ring r CROSS JOIN LATERAL (
            (SELECT s.member_id, r.wrapped FROM job_steps s
              WHERE s.state = 'queued' AND s.lane = :lane AND s.tenant_id = t.tenant_id
                AND s.member_id > r.member_id ORDER BY s.member_id LIMIT 1)
            UNION ALL
            (SELECT s.member_id, true FROM job_steps s
              WHERE s.state = 'queued' AND s.lane = :lane AND s.tenant_id = t.tenant_id
                AND NOT r.wrapped ORDER BY s.member_id LIMIT 1)
            LIMIT 1
        ) n
        WHERE NOT n.wrapped OR n.member_id <= t.last_member_id
    )
    SELECT m.*, r.place
    FROM ring r CROSS JOIN LATERAL (
        SELECT a.tenant_id, a.id AS member_id, coalesce((
            SELECT d.last_job_id FROM dispatch_member_turns d
            WHERE d.tenant_id = a.tenant_id AND d.lane = :lane AND d.member_id = a.id), :newest) AS last_job_id
        FROM members a WHERE a.tenant_id = t.tenant_id AND a.id = r.member_id AND a.state = 'active' OFFSET 0
    ) m
    WHERE r.place > 0 AND EXISTS ({_JOBS})
"""  # noqa: S608 - put together from the constants above
"""Members of the tenant `t` with something ready, in the order of their turns."""

# Tenants, members and jobs with something queued are found by skipping through the index, one probe each, so
# that a job's hundred thousand steps are not read. Nothing sorts a ring: it is walked no further than its
# LIMIT asks. A job alone may take all that may start; of many each is read a share of it.
_PICK = text(
    f"""
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
        FROM ({IN_FLIGHT}) i GROUP BY tenant_id
    ),
    turns AS (
        SELECT w.tenant_id, coalesce(p.weight, 1) AS weight, m.room,
               greatest(0, least(:slots, m.room - CASE WHEN :lane = 'background' AND m.most > 1
                   THEN greatest(0, greatest(1, m.most / :reserved) - coalesce(b.interactive, 0)) ELSE 0 END)) AS allowed,
               greatest(coalesce(t.virtual_time, 0), f.floor) AS virtual_time,
               coalesce(t.last_member_id, :nobody) AS last_member_id
        FROM waiting w
        JOIN tenants o ON o.id = w.tenant_id AND o.state = 'active'
        LEFT JOIN tenant_policies p ON p.tenant_id = w.tenant_id
        LEFT JOIN busy b ON b.tenant_id = w.tenant_id
        CROSS JOIN LATERAL (SELECT coalesce(p.max_steps_in_flight, 32) AS most,
                                   coalesce(p.max_steps_in_flight, 32) - coalesce(b.steps, 0) AS room) m
        LEFT JOIN dispatch_turns t ON t.tenant_id = w.tenant_id AND t.lane = :lane
        CROSS JOIN (SELECT coalesce(min(d.virtual_time), 0) AS floor
                    FROM dispatch_turns d JOIN waiting x ON x.tenant_id = d.tenant_id
                    WHERE d.lane = :lane) f
    ),
    ready AS MATERIALIZED (
        SELECT t.tenant_id, t.weight, t.room, t.virtual_time, t.last_member_id,
               least(t.allowed, ceil(:looked_at * :slots * t.weight::float / sum(t.weight) OVER ())::int) AS allowed
        FROM turns t WHERE t.allowed > 0 AND EXISTS ({_MEMBERS})
    )
    SELECT s.*, extract(epoch FROM clock_timestamp() - s.run_after) AS seconds_waited
    FROM ready t
    CROSS JOIN LATERAL (
        SELECT p.*, t.weight, t.virtual_time, t.room, row_number() OVER (ORDER BY p.pass, p.member_place) AS turn
        FROM (SELECT m.*, ceil(:looked_at * t.allowed::float / count(*) OVER ())::int AS share
              FROM ({_MEMBERS} LIMIT t.allowed) m) m
        CROSS JOIN LATERAL (
            SELECT q.*, m.place AS member_place, row_number() OVER (ORDER BY q.round, q.place) AS pass
            FROM (
                SELECT s.*, w.place, w.pool_revision_id, w.sticky_key, w.language, w.host,
                       row_number() OVER (PARTITION BY w.id ORDER BY s.id) AS round
                FROM (SELECT w.*, ceil(:looked_at * t.allowed::float / count(*) OVER ())::int AS share
                      FROM ({_JOBS} LIMIT least(m.share, t.allowed)) w) w
                CROSS JOIN LATERAL ({_READY} ORDER BY s.id LIMIT least(w.share, m.share, t.allowed)) s
            ) q
            ORDER BY pass
            LIMIT t.allowed
        ) p
        ORDER BY turn
        LIMIT t.allowed
    ) s
    ORDER BY s.virtual_time + s.turn::float / s.weight, s.turn, s.id
    LIMIT :slots
    """  # noqa: S608 - put together from the constants above
)


BY_INDEX = text(
    "SELECT set_config(name, 'off', true) FROM unnest(ARRAY['enable_seqscan', 'enable_bitmapscan', 'enable_sort', 'jit'])"
    " AS name"
)
"""Statistics are older than the flood that they should tell of: without them a ring would be sorted for each probe."""


async def turns(
    session: AsyncSession,
    *,
    lane: Lane,
    slots: int,
    stale_hint_seconds: float,
    resting: Collection[RevisionOf] = (),
) -> list[Turn]:
    """The next steps of a lane in fair order, at most `slots`. Nobody has had a turn before `take` says so."""
    if slots <= 0:
        return []
    await session.execute(BY_INDEX)
    rows = await session.execute(
        _PICK,
        {
            "lane": lane,
            "slots": slots,
            "stale": stale_hint_seconds,
            "version": SCHEMA_VERSION,
            "reserved": RESERVED_SHARE,
            "nobody": _NOBODY,
            "newest": _NEWEST,
            "looked_at": _LOOKED_AT,
            "resting": [f"{tenant_id}/{revision_id}" for tenant_id, revision_id in resting],
        },
    )
    return [Turn(_step(row), float(row.virtual_time), 1 / row.weight, row.room) for row in rows]


def _step(row: Any) -> ReadyStep:
    return ReadyStep(
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


async def take(session: AsyncSession, taken: Sequence[Turn]) -> None:
    """These turns of one lane are had: move the virtual times on, and the rings to whoever is next."""
    if not taken:
        return
    lane = taken[0].step.lane
    tenants: dict[UUID, dict[str, Any]] = {}
    members: dict[tuple[UUID, UUID], UUID] = {}
    for turn in taken:
        step = turn.step
        time = tenants.get(step.tenant_id, {}).get("time", turn.virtual_time) + turn.cost
        tenants[step.tenant_id] = {"time": time, "member": step.member_id}
        members[step.tenant_id, step.member_id] = step.job_id
    await session.execute(
        text(
            "INSERT INTO dispatch_turns (tenant_id, lane, virtual_time, last_member_id)"
            " VALUES (:tenant, :lane, :time, :member) ON CONFLICT (tenant_id, lane) DO UPDATE"
            " SET virtual_time = excluded.virtual_time, last_member_id = excluded.last_member_id"
        ),
        [{"tenant": tenant, "lane": lane, **values} for tenant, values in tenants.items()],
    )
    await session.execute(
        text(
            "INSERT INTO dispatch_member_turns (tenant_id, lane, member_id, last_job_id)"
            " VALUES (:tenant, :lane, :member, :job) ON CONFLICT (tenant_id, lane, member_id) DO UPDATE"
            " SET last_job_id = excluded.last_job_id"
        ),
        [
            {"tenant": tenant, "lane": lane, "member": member, "job": job}
            for (tenant, member), job in members.items()
        ],
    )
