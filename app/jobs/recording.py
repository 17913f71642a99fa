"""What the audit record says of a job's end: its state, and which model served. No content."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, DetailValue, record

_SERVED = ("deployment", "provider_name", "request_model")


async def record_end(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    job_id: UUID,
    state: str,
    decision: Mapping[str, Any] | None,
    error: Mapping[str, Any] | None,
) -> None:
    """Record that a job has ended, in the transaction that ends it. Who asked stands at its acceptance."""
    chosen = decision or {}
    served = chosen.get("member") or {}
    detail: dict[str, DetailValue] = {
        "state": state,
        "pool": chosen.get("pool"),
        "revision": chosen.get("revision"),
        **{name: served.get(name) for name in _SERVED},
        **{f"found_{kind}": count for kind, count in (chosen.get("findings") or {}).items()},
        "error": None if error is None else error.get("code"),
    }
    await record(
        session,
        tenant_id=tenant_id,
        actor=Actor(ActorKind.SYSTEM),
        action=AuditAction.JOB_FINISH,
        target_type="job",
        target_id=str(job_id),
        detail={name: value for name, value in detail.items() if value is not None},
    )
