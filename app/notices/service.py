"""Notices as they are written, listed and acknowledged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import new_id
from app.notices.errors import NoticeNotFound
from app.notices.outbox import post
from app.notices.tables import Notice
from app.pools.endings import endings
from app.pools.in_use import in_use
from app.tenants.policy import load_policy
from app.vocabulary import PLATFORM, NoticeKind

THRESHOLDS_DAYS = (0, 7, 30, 90)
"""How long before the end a notice is written; 0: at the end."""
_LOOK_BACK = timedelta(days=30)
"""What ended longer ago is no news to a tenant that begins to use it."""


@dataclass(frozen=True)
class NoticeView:
    """A notice as administrators and auditors see it."""

    id: UUID
    kind: NoticeKind
    subject_id: UUID
    subject_name: str
    owner: str
    threshold_days: int
    ends_at: datetime
    pools: Sequence[dict[str, Any]]
    money: dict[str, Any] | None
    created_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None

    def as_json(self) -> dict[str, Any]:
        """As webhooks send it."""
        return {
            "id": str(self.id),
            "subject_id": str(self.subject_id),
            "subject_name": self.subject_name,
            "owner": self.owner,
            "threshold_days": self.threshold_days,
            "ends_at": self.ends_at.isoformat(),
            "pools": list(self.pools),
            "money": self.money,
        }


_VIEW = tuple(NoticeView.__dataclass_fields__)


def threshold(ends_at: datetime, now: datetime) -> int | None:
    """The smallest of `THRESHOLDS_DAYS` that the end is within; None while it is further off."""
    return next((days for days in THRESHOLDS_DAYS if ends_at - now <= timedelta(days=days)), None)


async def write(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> list[NoticeView]:
    """Write what a tenant must know now and has not been told; gives what is new. In the tenant's session.

    Who hears of an end late is told once, not once for every day that has passed.
    """
    policy = await load_policy(session, tenant_id)
    soon = endings(
        await in_use(session, tenant_id=tenant_id),
        policy,
        after=now - _LOOK_BACK,
        before=now + timedelta(days=max(THRESHOLDS_DAYS)),
    )
    told = [
        await announce(
            session,
            tenant_id=tenant_id,
            kind=ending.kind,
            subject_id=ending.subject_id,
            subject_name=ending.subject_name,
            owner="platform" if ending.owner_tenant_id == PLATFORM else "tenant",
            threshold_days=days,
            ends_at=ending.ends_at,
            pools=[pool.as_json() for pool in ending.pools],
        )
        for ending in soon
        if (days := threshold(ending.ends_at, now)) is not None
    ]
    return [one for one in told if one is not None]


async def announce(session: AsyncSession, *, tenant_id: UUID, **values: Any) -> NoticeView | None:
    """Write a notice, and a message to each webhook that wants it; None if it was written before."""
    # Two processes that run the schedule at once write one row: the key decides.
    row = await session.scalar(
        insert(Notice)
        .values(tenant_id=tenant_id, id=new_id(), **values)
        .on_conflict_do_nothing()
        .returning(Notice)
    )
    if row is None:
        return None
    view = _view(row)
    await post(
        session,
        tenant_id=tenant_id,
        event_type=view.kind,
        data=view.as_json(),
        created_at=view.created_at,
        notice_id=view.id,
    )
    return view


async def page(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    before: UUID | None,
    limit: int,
    acknowledged: bool | None = None,
) -> list[NoticeView]:
    """The tenant's notices, newest first."""
    query = select(Notice).where(Notice.tenant_id == tenant_id).order_by(Notice.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Notice.id < before)
    if acknowledged is not None:
        query = query.where(Notice.acknowledged_at.is_not(None) == acknowledged)
    return [_view(row) for row in await session.scalars(query)]


async def acknowledge(
    session: AsyncSession, *, tenant_id: UUID, notice_id: UUID, member_id: UUID, actor: Actor
) -> NoticeView:
    """Say that somebody has seen it; the first one stays. Raises: `NoticeNotFound`."""
    seen = await session.scalar(
        update(Notice)
        .where(Notice.tenant_id == tenant_id, Notice.id == notice_id, Notice.acknowledged_at.is_(None))
        .values(acknowledged_at=func.now(), acknowledged_by=member_id)
        .returning(Notice)
    )
    if seen is not None:
        await record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action=AuditAction.NOTICE_ACKNOWLEDGE,
            target_type="notice",
            target_id=str(notice_id),
        )
        return _view(seen)
    found = await session.get(Notice, (tenant_id, notice_id))
    if found is None:
        raise NoticeNotFound(notice_id)
    return _view(found)


def _view(row: Notice) -> NoticeView:
    return NoticeView(**{name: getattr(row, name) for name in _VIEW} | {"kind": NoticeKind(row.kind)})
