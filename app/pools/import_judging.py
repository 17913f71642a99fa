"""What an import leaves behind, judged as a whole: nothing that serves stands in the archive, what is new is sound."""

from collections.abc import Set as AbstractSet
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.pools.file_schema import ConfigurationFile
from app.pools.import_rows import ImportRows
from app.pools.pool_repository import PoolAdministration
from app.pools.repository import PoolRepository
from app.pools.tables import Deployment, ModelPool, Provider, Route
from app.pools.validating import problems_of
from app.tenants.policy import load_policy

_ARCHIVED = frozenset({"archived_deployment", "archived_provider"})


async def judge(
    session: AsyncSession,
    rows: ImportRows,
    file: ConfigurationFile,
    *,
    tenant_id: UUID,
    changed: AbstractSet[UUID],
) -> None:
    """What would serve afterwards: nothing of it may be in the archive, and what is new must be sound."""
    places = {one.name: f"pools[{position}].members" for position, one in enumerate(file.pools)}
    pools = {row.id: row for row in await rows.own(ModelPool)}
    served = {
        pool.published_revision_id: pool
        for pool in pools.values()
        if pool.archived_at is None and pool.published_revision_id is not None
    }
    policy, at = await load_policy(session, tenant_id), now()
    revisions = await PoolRepository(session, tenant_id).revisions(served.keys())
    made_of = await PoolAdministration(session, tenant_id).made_of(tenant_id, served.keys())
    for revision_id, pool in served.items():
        for problem in problems_of(revisions[revision_id], made_of, policy, at=at):
            if pool.id in changed or problem.code in _ARCHIVED:
                rows.say(problem.code, problem.message, places.get(pool.name, "pools"))
    for row in await rows.own(Route):
        led_to = pools.get(row.pool_id)
        if led_to is not None and led_to.archived_at is not None:
            rows.say("archived_pool", f"the route {row.name} leads to {led_to.name}, archived", "pools")
    providers = {row.id: row for row in await rows.own(Provider)}
    for row in await rows.own(Deployment):
        account = providers.get(row.provider_id)
        if row.archived_at is None and account is not None and account.archived_at is not None:
            rows.say(
                "archived_provider", f"the provider {account.name} of {row.name} is archived", "providers"
            )
