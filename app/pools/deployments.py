"""Models at vendor accounts as administrators keep them. What they cost stands in prices.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor
from app.core.clock import new_id, now
from app.core.errors import ErrorDetail
from app.pools import owned, prices
from app.pools.errors import DeploymentNotFound, ProviderNotFound, StillInUse, WrongConfiguration
from app.pools.filling import UNSAID, Unsaid, fill
from app.pools.repository import PoolRepository, deployment_facts
from app.pools.tables import Deployment, ModelPool, PoolMember, Provider
from app.pools.values import DeploymentFacts
from app.vocabulary import PLATFORM, ProviderKind

_WHAT = "deployment"


@dataclass(frozen=True)
class DeploymentView:
    """A deployment with its provider and the price that counts, and what administration adds."""

    facts: DeploymentFacts
    version: int
    archived_at: datetime | None
    deprecated_at: datetime | None


async def page(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    after: UUID | None,
    limit: int,
    archived: bool = False,
    provider_id: UUID | None = None,
) -> list[DeploymentView]:
    """The tenant's deployments and the platform's, the oldest first, after the one with that id."""
    query = _query(tenant_id).order_by(Deployment.id).limit(limit)
    if after is not None:
        query = query.where(Deployment.id > after)
    if not archived:
        query = query.where(Deployment.archived_at.is_(None))
    if provider_id is not None:
        query = query.where(Deployment.provider_id == provider_id)
    rows = (await session.execute(query)).all()
    return await _views(session, tenant_id, rows)


async def find(session: AsyncSession, *, tenant_id: UUID, deployment_id: UUID) -> DeploymentView:
    """One of them. Raises: `DeploymentNotFound`."""
    rows = (await session.execute(_query(tenant_id).where(Deployment.id == deployment_id))).all()
    if not rows:
        raise DeploymentNotFound
    return (await _views(session, tenant_id, rows))[0]


async def create(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    provider_id: UUID,
    values: Mapping[str, Any],
    price: Mapping[str, Any] | Unsaid | None,
    actor: Actor,
) -> tuple[DeploymentView, tuple[str, ...]]:
    """Set up a model at a provider of one's own; gives with it which values are facts about the model.

    `values` are those that were said: what is left out is filled (`filling.fill`), and so is a price that is
    unsaid; None means that there is none.

    Raises: `Archived`, `NameTaken`, `PlatformOwned`, `ProviderNotFound`, `WrongConfiguration`.
    """
    provider = await owned.changeable(
        session, Provider, provider_id, tenant_id=tenant_id, missing=ProviderNotFound, what="provider"
    )
    filled = fill(ProviderKind(provider.kind), provider.vendor, values, price_said=price is not UNSAID)
    row = Deployment(
        tenant_id=tenant_id,
        id=new_id(),
        provider_tenant_id=provider.tenant_id,
        provider_id=provider.id,
        **await _resolved(session, tenant_id, filled.values),
    )
    check(row)
    await owned.write(session, row, what=_WHAT)
    named = {"provider": provider.name, **filled.values, "from_facts": filled.from_facts}
    await owned.note(session, row, AuditAction.DEPLOYMENT_CREATE, actor, named)
    counts = filled.price if isinstance(price, Unsaid) else price
    if counts is not None:
        await prices.add(session, tenant_id=tenant_id, deployment_id=row.id, values=counts, actor=actor)
    return await find(session, tenant_id=tenant_id, deployment_id=row.id), filled.from_facts


async def change(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    deployment_id: UUID,
    version: int,
    values: Mapping[str, Any],
    actor: Actor,
) -> DeploymentView:
    """Change some values; the same again changes and records nothing.

    Raises: `Archived`, `ChangedMeanwhile`, `DeploymentNotFound`, `NameTaken`, `PlatformOwned`,
    `WrongConfiguration`.
    """
    row = await _changeable(session, tenant_id, deployment_id, version)
    changes = owned.differing(row, await _resolved(session, tenant_id, values))
    if changes:
        for name, value in changes.items():
            setattr(row, name, value)
        check(row)
        row.version += 1
        await owned.write(session, row, what=_WHAT)
        await owned.note(session, row, AuditAction.DEPLOYMENT_CHANGE, actor, changes)
    return await find(session, tenant_id=tenant_id, deployment_id=deployment_id)


async def archive(
    session: AsyncSession, *, tenant_id: UUID, deployment_id: UUID, version: int, actor: Actor
) -> DeploymentView:
    """Put a deployment away that no published pool of its owner uses any more. Raises: as `change`, `StillInUse`."""
    row = await _changeable(session, tenant_id, deployment_id, version)
    pools = await session.scalars(
        select(ModelPool.name)
        .join(
            PoolMember,
            and_(
                PoolMember.tenant_id == ModelPool.tenant_id,
                PoolMember.revision_id == ModelPool.published_revision_id,
            ),
        )
        .where(
            ModelPool.tenant_id == tenant_id,
            ModelPool.archived_at.is_(None),
            PoolMember.deployment_tenant_id == row.tenant_id,
            PoolMember.deployment_id == row.id,
        )
        .distinct()
        .order_by(ModelPool.name)
    )
    names = ", ".join(pools)
    if names:
        raise StillInUse(f"Published pools use the deployment: {names}. Publish them without it first.")
    row.archived_at = now()
    row.version += 1
    await owned.write(session, row, what=_WHAT)
    await owned.note(session, row, AuditAction.DEPLOYMENT_ARCHIVE, actor)
    return await find(session, tenant_id=tenant_id, deployment_id=deployment_id)


def _query(tenant_id: UUID) -> Any:
    return (
        select(Deployment, Provider)
        .join(
            Provider,
            and_(Provider.tenant_id == Deployment.provider_tenant_id, Provider.id == Deployment.provider_id),
        )
        .where(Deployment.tenant_id.in_((tenant_id, PLATFORM)))
    )


async def _views(session: AsyncSession, tenant_id: UUID, rows: Sequence[Any]) -> list[DeploymentView]:
    counting = await PoolRepository(session, tenant_id).newest_prices(row[0].id for row in rows)
    return [
        DeploymentView(
            deployment_facts(deployment, provider, counting.get(deployment.id)),
            deployment.version,
            deployment.archived_at,
            deployment.deprecated_at,
        )
        for deployment, provider in rows
    ]


async def _changeable(
    session: AsyncSession, tenant_id: UUID, deployment_id: UUID, version: int
) -> Deployment:
    return await owned.changeable(
        session,
        Deployment,
        deployment_id,
        tenant_id=tenant_id,
        missing=DeploymentNotFound,
        what=_WHAT,
        version=version,
    )


async def _resolved(session: AsyncSession, tenant_id: UUID, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with whose the successor is."""
    resolved = dict(values)
    if "successor_id" in values:
        successor_id, owner = values["successor_id"], None
        if successor_id is not None:
            owner = await session.scalar(
                select(Deployment.tenant_id).where(
                    Deployment.tenant_id.in_((tenant_id, PLATFORM)), Deployment.id == successor_id
                )
            )
            if owner is None:
                raise _wrong("successor_not_found", "There is no deployment with this id.", "successor_id")
        resolved["successor_tenant_id"] = owner
    return resolved


def check(row: Deployment) -> None:
    """What contradicts itself. Raises: `WrongConfiguration`."""
    if row.max_output_tokens > row.context_window:
        raise _wrong(
            "more_than_the_window",
            "What is written at most cannot be more than what fits in all.",
            "max_output_tokens",
        )
    if row.deprecated_at is not None and row.retired_at is not None and row.deprecated_at > row.retired_at:
        raise _wrong("dates_reversed", "A deployment is deprecated before it is retired.", "retired_at")
    if row.successor_id is not None and row.successor_id == row.id:
        raise _wrong("own_successor", "A deployment cannot follow itself.", "successor_id")


def _wrong(code: str, message: str, target: str) -> WrongConfiguration:
    return WrongConfiguration(ErrorDetail(code, message, target=target))
