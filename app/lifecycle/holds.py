"""Legal holds: what they cover, who placed them, and how they end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import new_id
from app.lifecycle.errors import ErasureUnderWay, HeldByLegalHold, HoldIsOver, HoldNotFound
from app.lifecycle.states import OPEN, ErasureState
from app.lifecycle.tables import Erasure, LegalHold


@dataclass(frozen=True)
class HoldView:
    """A hold as administrators and auditors see it; `member_id` of None covers the whole tenant."""

    id: UUID
    member_id: UUID | None
    reason: str
    placed_by: UUID
    since: datetime
    until: datetime | None
    released_at: datetime | None
    released_by: UUID | None


_VIEW = tuple(HoldView.__dataclass_fields__)


@dataclass(frozen=True)
class Held:
    """What may not be deleted now: all of a tenant, or these members."""

    everything: bool
    members: frozenset[UUID]


def _active(tenant_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (
        LegalHold.tenant_id == tenant_id,
        LegalHold.released_at.is_(None),
        or_(LegalHold.until.is_(None), LegalHold.until > func.clock_timestamp()),
    )


async def held(session: AsyncSession, *, tenant_id: UUID) -> Held:
    """What holds cover now. Eraser and app role."""
    found = set(await session.scalars(select(LegalHold.member_id).where(*_active(tenant_id))))
    return Held(None in found, frozenset(one for one in found if one is not None))


async def refuse_held(session: AsyncSession, *, tenant_id: UUID, member_id: UUID | None) -> None:
    """Any hold covers a part of its tenant; a member is covered by its own and by the tenant's.

    Raises: `HeldByLegalHold`.
    """
    hold_id = await blocking(session, tenant_id=tenant_id, member_id=member_id)
    if hold_id is not None:
        raise HeldByLegalHold(hold_id)


async def blocking(session: AsyncSession, *, tenant_id: UUID, member_id: UUID | None) -> UUID | None:
    """The oldest hold that forbids to erase the tenant, or one of its members."""
    query = select(LegalHold.id).where(*_active(tenant_id)).order_by(LegalHold.id).limit(1)
    if member_id is not None:
        query = query.where(or_(LegalHold.member_id.is_(None), LegalHold.member_id == member_id))
    return await session.scalar(query)


async def place(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    member_id: UUID | None,
    reason: str,
    until: datetime | None,
    placed_by: UUID,
    actor: Actor,
) -> HoldView:
    """Hold a member or the whole tenant. The member exists. Raises: `ErasureUnderWay` if it came too late."""
    # A hold over an erasure that is only asked for is allowed: it keeps it from beginning; one over the whole
    # tenant also stops the erasure of a member that has begun, where it is. The lock says which
    # of two comes first, since neither sees the other's row before it is committed.
    asked = (
        select(Erasure.state, Erasure.member_id)
        .where(Erasure.tenant_id == tenant_id, Erasure.state.in_(OPEN))
        .order_by(Erasure.id)
        .with_for_update(read=True)
    )
    for state, of_member in (await session.execute(asked)).all():
        if state == ErasureState.RUNNING and of_member in {None, member_id}:
            raise ErasureUnderWay
    hold = LegalHold(
        tenant_id=tenant_id,
        id=new_id(),
        member_id=member_id,
        reason=reason,
        until=until,
        placed_by=placed_by,
    )
    session.add(hold)
    await session.flush()
    await session.refresh(hold)
    await _record(session, hold, actor, AuditAction.HOLD_PLACE)
    return _view(hold)


async def release(
    session: AsyncSession, *, tenant_id: UUID, hold_id: UUID, released_by: UUID, actor: Actor
) -> HoldView:
    """End a hold. Raises: `HoldNotFound`, `HoldIsOver`."""
    ended = await session.execute(
        update(LegalHold)
        .where(LegalHold.tenant_id == tenant_id, LegalHold.id == hold_id, LegalHold.released_at.is_(None))
        .values(released_at=func.clock_timestamp(), released_by=released_by)
        .returning(LegalHold)
    )
    hold = ended.scalar_one_or_none()
    if hold is not None:
        await _record(session, hold, actor, AuditAction.HOLD_RELEASE)
        return _view(hold)
    if await session.get(LegalHold, (tenant_id, hold_id)) is None:
        raise HoldNotFound(hold_id)
    raise HoldIsOver(hold_id)


async def page(
    session: AsyncSession, *, tenant_id: UUID, before: UUID | None, limit: int
) -> Sequence[HoldView]:
    """All holds, newest first, released ones too."""
    query = (
        select(LegalHold).where(LegalHold.tenant_id == tenant_id).order_by(LegalHold.id.desc()).limit(limit)
    )
    if before is not None:
        query = query.where(LegalHold.id < before)
    return [_view(row) for row in await session.scalars(query)]


async def _record(session: AsyncSession, hold: LegalHold, actor: Actor, action: AuditAction) -> None:
    await record(
        session,
        tenant_id=hold.tenant_id,
        actor=actor,
        action=action,
        target_type="tenant" if hold.member_id is None else "member",
        target_id=str(hold.member_id or hold.tenant_id),
        detail={"hold": str(hold.id)},
    )


def _view(row: LegalHold) -> HoldView:
    return HoldView(**{name: getattr(row, name) for name in _VIEW})
