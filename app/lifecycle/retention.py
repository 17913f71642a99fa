"""Deleting what a tenant has kept for as long as it wants: finished jobs, documents, old entries of the ledger.

Per tenant, a bounded number of rows a transaction, oldest first; interrupted, the next run goes on. What
a legal hold covers stays. The tenant decides the days (`TenantPolicy.retention_days`), the operator
those of the ledger.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record_each
from app.core.database import Database
from app.core.logging import get_logger
from app.documents.erasure import delete_outdated_documents
from app.evaluation.erasure import delete_outdated_answers
from app.jobs.erasure import delete_outdated_jobs, documents_in_use
from app.lifecycle.holds import held
from app.lifecycle.tables import RetentionRun
from app.tenants.erasure import kept_days
from app.usage.erasure import delete_outdated_calls

_log = get_logger(__name__)


@dataclass(frozen=True)
class Retention:
    """Removes what is past its time. `batch` rows of a kind go in one transaction."""

    system: Database
    eraser: Database
    ledger_days: int
    batch: int = 500

    async def run(self, *, longest_seconds: float = 240.0) -> str | None:
        """One round over all tenants; gives figures, or None if nothing was due."""
        end = time.monotonic() + longest_seconds
        async with self.system.system() as session:
            tenants = await kept_days(session)
        total: Counter[str] = Counter()
        for tenant_id, days in tenants.items():
            if time.monotonic() > end:
                break
            total += await self.retain(tenant_id, days=days, end=end)
        return ", ".join(f"{count} {kind}" for kind, count in sorted(total.items())) or None

    async def retain(self, tenant_id: UUID, *, days: int, end: float | None = None) -> Counter[str]:
        """Remove what one tenant has kept longer than `days`; gives rows by kind."""
        removed: Counter[str] = Counter()
        while end is None or time.monotonic() < end:
            async with self.eraser.tenant(tenant_id) as session:
                batch = await self._some(session, tenant_id, days)
                removed += batch
                if batch:
                    await _note(session, tenant_id, removed)
            if not batch:
                break
        if removed:
            _log.info("retention", tenant_id=str(tenant_id), **removed)
        return removed

    async def _some(self, session: AsyncSession, tenant_id: UUID, days: int) -> Counter[str]:
        holds = await held(session, tenant_id=tenant_id)
        if holds.everything:
            return Counter()
        members, limit = holds.members, self.batch
        # A document goes when no job that is kept refers to it, so jobs go first.
        jobs = await delete_outdated_jobs(
            session, tenant_id=tenant_id, days=days, except_members=members, limit=limit
        )
        documents = await delete_outdated_documents(
            session,
            tenant_id=tenant_id,
            days=days,
            in_use=documents_in_use(tenant_id),
            except_members=members,
            limit=limit,
        )
        await _record(session, tenant_id, AuditAction.JOB_DELETE, "job", jobs, days)
        await _record(session, tenant_id, AuditAction.DOCUMENT_DELETE, "document", documents, days)
        found = {
            "jobs": len(jobs),
            "documents": len(documents),
            "model_calls": await delete_outdated_calls(
                session, tenant_id=tenant_id, days=self.ledger_days, except_members=members, limit=limit
            ),
            "evaluation_answers": await delete_outdated_answers(
                session, tenant_id=tenant_id, days=days, limit=limit
            ),
        }
        return Counter({kind: count for kind, count in found.items() if count})


async def _record(
    session: AsyncSession,
    tenant_id: UUID,
    action: AuditAction,
    target_type: str,
    gone: Sequence[UUID],
    days: int,
) -> None:
    await record_each(
        session,
        tenant_id=tenant_id,
        actor=Actor(ActorKind.SYSTEM),
        action=action,
        target_type=target_type,
        target_ids=[str(one) for one in gone],
        detail={"reason": "retention", "days": days},
    )


async def _note(session: AsyncSession, tenant_id: UUID, removed: Counter[str]) -> None:
    values = {"removed": dict(removed), "ran_at": func.clock_timestamp()}
    await session.execute(
        insert(RetentionRun)
        .values(tenant_id=tenant_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
    )
