"""What a tenant depends on, read in its session: for those who look ahead, not for requests."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.pools.endings import InUse, published_revisions
from app.pools.repository import PoolRepository


async def in_use(session: AsyncSession, *, tenant_id: UUID) -> InUse:
    """The tenant's own deployments and providers, and the published pools that its routes lead to."""
    pools = PoolRepository(session, tenant_id)
    found = [await pools.revision(one) for one in published_revisions(await pools.routes())]
    return InUse(
        revisions=tuple(one for one in found if one is not None),
        deployments=await pools.own_deployments(),
        providers=await pools.own_providers(),
    )
