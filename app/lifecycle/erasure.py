"""Asking for an erasure, and looking at it. `erasing.py` carries it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import new_id
from app.core.crypto import Sealer
from app.lifecycle.errors import ErasureNotFound, ErasureUnderWay
from app.lifecycle.holds import refuse_held
from app.lifecycle.states import OPEN, ErasureState, Phase
from app.lifecycle.tables import Erasure
from app.tenants import members


@dataclass(frozen=True)
class ErasureView:
    """An erasure as people see it; `member_id` of None is the whole tenant. `removed` counts rows by table."""

    id: UUID
    tenant_id: UUID
    member_id: UUID | None
    requested_by: UUID | None
    by_operator: bool
    state: ErasureState
    phase: Phase
    requested_at: datetime
    not_before: datetime
    finished_at: datetime | None
    removed: dict[str, Any]
    proof: dict[str, Any] | None


_VIEW = tuple(ErasureView.__dataclass_fields__)


async def request(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    member_id: UUID | None,
    sealer: Sealer | None = None,
    requested_by: UUID,
    by_operator: bool,
    wait_days: float,
    actor: Actor,
) -> ErasureView:
    """Ask for the erasure of a tenant, or of one of its members, after `wait_days`.

    In a session of the tenant concerned; with the tenant's `sealer` for a member, whose tombstone is written.
    Raises: `HeldByLegalHold`, `ErasureUnderWay`, `MemberNotFound`, `LastAdministrator`.
    """
    await refuse_held(session, tenant_id=tenant_id, member_id=member_id)
    if member_id is not None:
        if sealer is None:
            raise TypeError("the tenant's sealer is needed to erase a member")
        going = await session.scalars(
            select(Erasure.member_id).where(
                Erasure.tenant_id == tenant_id, Erasure.state.in_(OPEN), Erasure.member_id.is_not(None)
            )
        )
        await members.prepare_to_forget(
            session,
            sealer,
            tenant_id=tenant_id,
            member_id=member_id,
            going=[one for one in going if one is not None],
        )
    won = await session.execute(
        insert(Erasure)
        .values(
            tenant_id=tenant_id,
            id=new_id(),
            member_id=member_id,
            requested_by=requested_by,
            by_operator=by_operator,
            state=ErasureState.REQUESTED,
            phase=Phase.SHUT,
            not_before=func.clock_timestamp() + text(f"interval '{wait_days:.6f} days'"),
            removed={},
        )
        .on_conflict_do_nothing()
        .returning(Erasure)
    )
    row = won.scalar_one_or_none()
    if row is None:
        raise ErasureUnderWay
    await _record(session, row, actor, AuditAction.ERASURE_REQUEST)
    return _view(row)


async def cancel(session: AsyncSession, *, tenant_id: UUID, erasure_id: UUID, actor: Actor) -> ErasureView:
    """Take a request back before it has begun. Raises: `ErasureNotFound`, `ErasureUnderWay`.

    Only the operator's own door takes back what the operator asked for; that has no waiting time.
    """
    ended = await session.execute(
        update(Erasure)
        .where(
            Erasure.tenant_id == tenant_id,
            Erasure.id == erasure_id,
            Erasure.state == ErasureState.REQUESTED,
            Erasure.by_operator.is_(False),
        )
        .values(state=ErasureState.CANCELLED)
        .returning(Erasure)
    )
    row = ended.scalar_one_or_none()
    if row is not None:
        await _record(session, row, actor, AuditAction.ERASURE_CANCEL)
        return _view(row)
    if await session.get(Erasure, (tenant_id, erasure_id)) is None:
        raise ErasureNotFound(erasure_id)
    raise ErasureUnderWay


async def page(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    before: UUID | None,
    limit: int,
    whole_tenant_only: bool = False,
) -> Sequence[ErasureView]:
    """A tenant's erasures, newest first; those of its members too unless only the whole tenant's are asked for."""
    query = select(Erasure).where(Erasure.tenant_id == tenant_id).order_by(Erasure.id.desc()).limit(limit)
    if whole_tenant_only:
        query = query.where(Erasure.member_id.is_(None))
    if before is not None:
        query = query.where(Erasure.id < before)
    return [_view(row) for row in await session.scalars(query)]


async def _record(session: AsyncSession, row: Erasure, actor: Actor, action: AuditAction) -> None:
    await record(
        session,
        tenant_id=row.tenant_id,
        actor=actor,
        action=action,
        target_type="tenant" if row.member_id is None else "member",
        target_id=str(row.member_id or row.tenant_id),
        detail={"erasure": str(row.id)},
    )


def _view(row: Erasure) -> ErasureView:
    values = {name: getattr(row, name) for name in _VIEW}
    return ErasureView(**{**values, "state": ErasureState(row.state), "phase": Phase(row.phase)})
