"""Resuming a job that waits for its member: whoever comes back brings a token, and the job gets new ones by it."""

from uuid import UUID

from app.audit.record import Actor
from app.core.database import Database
from app.identity.graph_errors import GraphSessionNotFound
from app.identity.long_sessions import LongSessions
from app.identity.principal import Principal
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
    try:
        await sessions.renew(caller, raw_token, waiting.graph_session_id, actor=actor)
    except GraphSessionNotFound:
        return await sessions.start(caller, raw_token, actor=actor, days=_DAYS)
    return waiting.graph_session_id
