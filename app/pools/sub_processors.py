"""Which vendor accounts process a tenant's text: those that its routes lead to and its policy allows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.pools.configuration import Configuration
from app.pools.selection import may_process
from app.pools.tables import Deployment, PoolMember, PoolRevision
from app.pools.values import ProviderFacts, RouteFacts
from app.vocabulary import PLATFORM


@dataclass(frozen=True)
class SubProcessor:
    """An account in use, for which task types, and since when a revision with it has been published."""

    provider: ProviderFacts
    task_types: tuple[str, ...]
    since: datetime | None


async def in_use(
    session: AsyncSession, configuration: Configuration, *, tenant_id: UUID
) -> list[SubProcessor]:
    """By processor and name. Watched members (canaries, shadows) count: they see the text as well."""
    policy = await configuration.policy(tenant_id)
    accounts: dict[UUID, ProviderFacts] = {}
    task_types: dict[UUID, set[str]] = {}
    pools: set[UUID] = set()
    for route in _reachable(await configuration.routes(tenant_id)):
        if route.published_revision_id is None:
            continue
        pools.add(route.pool_id)
        revision = await configuration.revision(tenant_id, route.published_revision_id)
        for member in revision.members:
            if may_process(member, policy, now=now()):
                provider = member.deployment.provider
                accounts[provider.id] = provider
                task_types.setdefault(provider.id, set()).add(route.task_type)
    since = await _first_published(session, tenant_id, pools)
    return [
        SubProcessor(one, tuple(sorted(task_types[one.id])), since.get(one.id))
        for one in sorted(accounts.values(), key=lambda one: (one.processor, one.name))
    ]


def _reachable(routes: Iterable[RouteFacts]) -> list[RouteFacts]:
    """Without what always loses: the platform's routes of a task type that a route of the tenant's takes whole."""
    routes = list(routes)
    taken = {
        one.task_type
        for one in routes
        if one.tenant_id != PLATFORM and not one.conditions and one.published_revision_id is not None
    }
    return [one for one in routes if one.tenant_id != PLATFORM or one.task_type not in taken]


async def _first_published(
    session: AsyncSession, tenant_id: UUID, pools: Iterable[UUID]
) -> dict[UUID, datetime]:
    """When one of these pools first had an account in a published revision, by the account."""
    rows = await session.execute(
        select(Deployment.provider_id, func.min(PoolRevision.published_at))
        .join(
            PoolMember,
            and_(
                PoolMember.deployment_tenant_id == Deployment.tenant_id,
                PoolMember.deployment_id == Deployment.id,
            ),
        )
        .join(
            PoolRevision,
            and_(PoolRevision.tenant_id == PoolMember.tenant_id, PoolRevision.id == PoolMember.revision_id),
        )
        .where(
            PoolRevision.tenant_id.in_((tenant_id, PLATFORM)),
            PoolRevision.pool_id.in_(list(pools)),
            PoolRevision.published_at.is_not(None),
        )
        .group_by(Deployment.provider_id)
    )
    return {provider_id: at for provider_id, at in rows if at is not None}
