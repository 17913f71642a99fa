"""Telling administrators of money that went past what was reserved, or past a budget's hard limit."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record
from app.notices.service import NoticeView, announce
from app.pools.in_use import deployment_names
from app.usage import overruns
from app.usage.overruns import Overrun
from app.vocabulary import NoticeKind

_LOOK_BACK = timedelta(days=30)
_RECORDED = {
    NoticeKind.OVERRUN: (AuditAction.COST_OVERRUN, "deployment"),
    NoticeKind.BUDGET_EXCEEDED: (AuditAction.BUDGET_EXCEED, "budget"),
}


async def write(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> list[NoticeView]:
    """Write what a tenant has not been told of; gives what is new. In the tenant's session.

    Once for a deployment and day, and once for a budget and period; the figures are those of that moment.
    """
    since = now - _LOOK_BACK
    models = await overruns.of_deployments(session, tenant_id=tenant_id, since=since)
    if not models:
        return []
    names = await deployment_names(session, tenant_id, {one.subject_id for one in models})
    told = []
    for one in models:
        name, owner = names.get(one.subject_id, (one.subject_name, "tenant"))
        told.append(await _tell(session, tenant_id, NoticeKind.OVERRUN, one, name, owner))
    for one in await overruns.of_budgets(session, tenant_id=tenant_id, since=since):
        kind = NoticeKind.BUDGET_EXCEEDED
        told.append(await _tell(session, tenant_id, kind, one, one.subject_name, "tenant"))
    return [one for one in told if one is not None]


async def _tell(
    session: AsyncSession, tenant_id: UUID, kind: NoticeKind, one: Overrun, name: str, owner: str
) -> NoticeView | None:
    money: dict[str, int | str] = {
        "calls": one.calls,
        "limit_micros": one.limit_micros,
        "cost_micros": one.cost_micros,
        "currency": one.currency,
    }
    notice = await announce(
        session,
        tenant_id=tenant_id,
        kind=kind,
        subject_id=one.subject_id,
        subject_name=name,
        owner=owner,
        threshold_days=0,
        ends_at=one.until,
        pools=[],
        money=money,
    )
    if notice is not None:
        action, target_type = _RECORDED[kind]
        await record(
            session,
            tenant_id=tenant_id,
            actor=Actor(ActorKind.SYSTEM),
            action=action,
            target_type=target_type,
            target_id=str(one.subject_id),
            detail={"name": name, **money},
        )
    return notice
