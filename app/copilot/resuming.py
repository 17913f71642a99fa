"""Resuming a job that waits for its member: whoever comes back brings a token, and the job gets new ones by it."""

from uuid import UUID

from app.audit.record import Actor
from app.core.database import Database
from app.identity.graph_errors import GraphSessionNotFound
from app.identity.long_sessions import LongSessions
from app.identity.principal import Principal
from app.jobs import batch_schedules
from app.jobs.resume import waiting_job
from app.jobs.waiting import NEEDS_USER

_DAYS = 1
"""How long a session is good that is begun for one job, because the job's own is over or was revoked."""


async def renewed_session(
    database: Database,
    sessions: LongSessions,
    caller: Principal,
    raw_token: str,
    job_id: UUID,
    *,
    actor: Actor,
) -> UUID | None:
    """The session by which a waiting job of the caller's can go on, with fresh tokens in it; None if it needs none.

    No transaction is open while Entra is asked. Raises: `JobNotFound`, `JobNotWaiting`, and as `LongSessions.start`.
    """
    async with database.tenant(caller.tenant_id) as session:
        waiting = await waiting_job(
            session, tenant_id=caller.tenant_id, member_id=caller.member_id, job_id=job_id
        )
    if waiting.reason != NEEDS_USER or waiting.graph_session_id is None:
        return None
    old = waiting.graph_session_id
    try:
        await sessions.renew(caller, raw_token, old, actor=actor)
    except GraphSessionNotFound:
        return await _replaced(database, sessions, caller, raw_token, old, actor=actor)
    return old


async def _replaced(
    database: Database,
    sessions: LongSessions,
    caller: Principal,
    raw_token: str,
    old: UUID,
    *,
    actor: Actor,
) -> UUID:
    """Another session: for a day, or for as long as may be where schedules went by the old one, and go by it now."""
    ids = {"tenant_id": caller.tenant_id, "member_id": caller.member_id}
    async with database.tenant(caller.tenant_id) as session:
        scheduled = await batch_schedules.needs_session(session, **ids, session_id=old)
    new = await sessions.start(caller, raw_token, actor=actor, days=None if scheduled else _DAYS)
    if scheduled:
        async with database.tenant(caller.tenant_id) as session:
            await batch_schedules.use_session(session, **ids, old=old, new=new)
    return new
