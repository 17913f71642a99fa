"""What a policy would do to the pools in use, before it does."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.pools.endings import published_revisions
from app.pools.repository import PoolRepository
from app.pools.selection import Exclusion, standing_exclusion
from app.pools.values import RevisionFacts
from app.tenants.policy import Policy


@dataclass(frozen=True)
class EmptiedPool:
    """A pool that a route leads to, in which nobody may serve under a policy; `excluded` says why, by deployment."""

    tenant_id: UUID
    pool_id: UUID
    name: str
    task_type: str
    is_empty_already: bool
    """Under the policy that holds now, too."""
    excluded: tuple[tuple[str, Exclusion], ...]


async def emptied_pools(
    session: AsyncSession, *, tenant_id: UUID, present: Policy, wanted: Policy
) -> list[EmptiedPool]:
    """The pools of the tenant's routes that the wanted policy leaves without anybody who may serve."""
    pools = PoolRepository(session, tenant_id)
    at, found = now(), []
    for revision_id in published_revisions(await pools.routes()):
        revision = await pools.revision(revision_id)
        if revision is not None and (emptied := _emptied(revision, present, wanted, at)) is not None:
            found.append(emptied)
    return found


def _emptied(revision: RevisionFacts, present: Policy, wanted: Policy, at: datetime) -> EmptiedPool | None:
    reasons = [(one, standing_exclusion(one, wanted, now=at)) for one in revision.members]
    excluded = tuple((one.deployment.name, reason) for one, reason in reasons if reason is not None)
    if len(excluded) < len(reasons):
        return None
    return EmptiedPool(
        tenant_id=revision.tenant_id,
        pool_id=revision.pool_id,
        name=revision.pool_name,
        task_type=revision.task_type,
        is_empty_already=all(standing_exclusion(one, present, now=at) for one in revision.members),
        excluded=excluded,
    )
