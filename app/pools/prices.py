"""What models cost from when on: revisions that stay, the newest counts until it is withdrawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import new_id, now
from app.core.errors import ChangedMeanwhile
from app.pools import owned
from app.pools.errors import Archived, DeploymentNotFound
from app.pools.tables import Deployment, PriceRevision
from app.vocabulary import PLATFORM

_WHAT = "deployment"
_SHOWN = 200


@dataclass(frozen=True)
class PriceView:
    """A price revision: micros of the currency per million tokens, whose it is, since when and until when."""

    id: UUID
    tenant_id: UUID
    currency: str
    input_micros: int
    cached_input_micros: int
    output_micros: int
    reasoning_micros: int
    created_at: datetime
    withdrawn_at: datetime | None


@dataclass(frozen=True)
class Prices:
    """The newest revisions of a deployment's prices; `version` rises with each change of the tenant's own."""

    revisions: Sequence[PriceView]
    version: int


async def look(session: AsyncSession, *, tenant_id: UUID, deployment_id: UUID) -> Prices:
    """Price revisions of a deployment, the newest first; the tenant's own count before the platform's.

    Raises: `DeploymentNotFound`.
    """
    await _deployment(session, tenant_id, deployment_id)
    rows = await session.scalars(
        select(PriceRevision)
        .where(
            PriceRevision.tenant_id.in_((tenant_id, PLATFORM)), PriceRevision.deployment_id == deployment_id
        )
        .order_by(PriceRevision.created_at.desc(), PriceRevision.id.desc())
        .limit(_SHOWN)
    )
    counted = await session.execute(
        select(func.count(), func.count(PriceRevision.withdrawn_at)).where(*_own(tenant_id, deployment_id))
    )
    return Prices([_view(row) for row in rows], sum(counted.one()))


async def add(
    session: AsyncSession, *, tenant_id: UUID, deployment_id: UUID, values: Mapping[str, Any], actor: Actor
) -> PriceView:
    """Let a price count from now on; calls of before keep theirs. Also a tenant's own for the platform's deployment.

    Raises: `Archived`, `DeploymentNotFound`.
    """
    deployment = await _deployment(session, tenant_id, deployment_id)
    if deployment.archived_at is not None:
        raise Archived(_WHAT)
    row = PriceRevision(
        tenant_id=tenant_id,
        id=new_id(),
        deployment_tenant_id=deployment.tenant_id,
        deployment_id=deployment_id,
        created_at=now(),
        **values,
    )
    session.add(row)
    await session.flush()
    await _record(session, tenant_id, actor, AuditAction.PRICE_ADD, deployment, values)
    return _view(row)


async def withdraw(
    session: AsyncSession, *, tenant_id: UUID, deployment_id: UUID, version: int, actor: Actor
) -> Prices:
    """Let none of the tenant's own prices count any more: then the platform's does, or none, and calls are free.

    Calls keep the revision they were made at. Where none counts nothing is changed or recorded.

    Raises: `ChangedMeanwhile` if another price was added or withdrawn since `version`, `DeploymentNotFound`.
    """
    deployment = await _deployment(session, tenant_id, deployment_id)
    # Locked: of two who withdraw at once the second sees what the first has done.
    rows = (
        await session.scalars(
            select(PriceRevision)
            .where(*_own(tenant_id, deployment_id))
            .order_by(PriceRevision.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).all()
    counting = [row for row in rows if row.withdrawn_at is None]
    if 2 * len(rows) - len(counting) != version:
        raise ChangedMeanwhile("prices")
    if counting:
        end(counting)
        await session.flush()
        values = {"currency": counting[-1].currency, "revisions": len(counting)}
        await _record(session, tenant_id, actor, AuditAction.PRICE_WITHDRAW, deployment, values)
    return await look(session, tenant_id=tenant_id, deployment_id=deployment_id)


def end(rows: Iterable[PriceRevision]) -> None:
    """Let these revisions count no more from now on."""
    at = now()
    for row in rows:
        row.withdrawn_at = at


def _own(tenant_id: UUID, deployment_id: UUID) -> tuple[Any, Any]:
    return PriceRevision.tenant_id == tenant_id, PriceRevision.deployment_id == deployment_id


async def _deployment(session: AsyncSession, tenant_id: UUID, deployment_id: UUID) -> Deployment:
    return await owned.visible(
        session, Deployment, deployment_id, tenant_id=tenant_id, missing=DeploymentNotFound
    )


async def _record(
    session: AsyncSession,
    tenant_id: UUID,
    actor: Actor,
    action: AuditAction,
    deployment: Deployment,
    values: Mapping[str, Any],
) -> None:
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=action,
        target_type=_WHAT,
        target_id=str(deployment.id),
        detail={"name": deployment.name, **values},
    )


def _view(row: PriceRevision) -> PriceView:
    return PriceView(
        id=row.id,
        tenant_id=row.tenant_id,
        currency=row.currency,
        input_micros=row.input_micros,
        cached_input_micros=row.cached_input_micros,
        output_micros=row.output_micros,
        reasoning_micros=row.reasoning_micros,
        created_at=row.created_at,
        withdrawn_at=row.withdrawn_at,
    )
