"""What a tenant depends on, read in its session: for those who look ahead, not for requests."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.pools.endings import InUse, published_revisions
from app.pools.repository import PoolRepository
from app.vocabulary import PLATFORM


async def in_use(session: AsyncSession, *, tenant_id: UUID) -> InUse:
    """The tenant's own deployments and providers, and the published pools that its routes lead to."""
    pools = PoolRepository(session, tenant_id)
    found = [await pools.revision(one) for one in published_revisions(await pools.routes())]
    return InUse(
        revisions=tuple(one for one in found if one is not None),
        deployments=await pools.own_deployments(),
        providers=await pools.own_providers(),
    )


async def deployment_names(
    session: AsyncSession, tenant_id: UUID, deployment_ids: Collection[UUID]
) -> dict[UUID, tuple[str, str]]:
    """What these are called, and whose they are (`platform` or `tenant`); archived ones too."""
    return {
        id_: (name, "platform" if owner == PLATFORM else "tenant")
        for id_, name, owner in await PoolRepository(session, tenant_id).deployment_names(deployment_ids)
    }
