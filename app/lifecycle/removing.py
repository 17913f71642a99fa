"""A member removes an own job with its content; the ledger keeps what it cost."""

from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.documents.erasure import delete_unused
from app.jobs.erasure import documents_in_use
from app.jobs.events import erase_streams
from app.jobs.removing import remove
from app.lifecycle.holds import refuse_held


async def remove_job(
    session: AsyncSession, redis: Redis, *, tenant_id: UUID, member_id: UUID, job_id: UUID, actor: Actor
) -> None:
    """Remove an own job that has ended, its events, and those of its documents that no other job reads; a batch
    with its jobs.

    Raises: `JobNotFound`, `JobNotFinished`, `HeldByLegalHold`; Redis's errors, and then nothing is removed.
    """
    removed = await remove(session, tenant_id=tenant_id, member_id=member_id, job_id=job_id)
    # After what is nobody else's to know: that there is a hold at all.
    await refuse_held(session, tenant_id=tenant_id, member_id=member_id)
    gone = await delete_unused(
        session,
        tenant_id=tenant_id,
        member_id=member_id,
        document_ids=sorted(removed.documents),
        in_use=documents_in_use(tenant_id),
    )
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.JOB_REMOVE,
        target_type="job",
        target_id=str(job_id),
        detail={"documents": len(gone)},
    )
    await erase_streams(redis, tenant_id, sorted(removed.jobs))
