"""What the environment of a development machine offers: deployments that stand first in every platform pool."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.pools.publishing import ENVIRONMENT_TIER, NewMember, publish, published_members
from app.pools.seed import lock, write_deployment, write_provider
from app.pools.seed_schema import SeedDeployment, SeedParameters, SeedProvider
from app.pools.tables import ModelPool, PoolRevision, PromptSet
from app.vocabulary import PLATFORM, Strategy

_PROMPTS = "default"


@dataclass(frozen=True)
class Offer:
    """A provider that was found, with one deployment of it, and what its members send along."""

    provider: SeedProvider
    deployment: SeedDeployment
    parameters: SeedParameters = field(default_factory=SeedParameters)


async def import_offers(session: AsyncSession, offers: Sequence[Offer]) -> None:
    """Put these deployments first in every platform pool, and take out those no longer offered."""
    await lock(session)
    deployments = []
    for offer in offers:
        provider_id = await write_provider(session, offer.provider, offer.provider.base_url)
        deployment_id = await write_deployment(session, offer.deployment, provider_id)
        deployments.append((deployment_id, offer.parameters.model_dump(exclude_none=True)))
    pools = await session.execute(
        select(ModelPool, PoolRevision.strategy)
        .outerjoin(
            PoolRevision,
            and_(PoolRevision.tenant_id == PLATFORM, PoolRevision.id == ModelPool.published_revision_id),
        )
        .where(ModelPool.tenant_id == PLATFORM)
    )
    for pool, strategy in pools.all():
        prompt_set_id = await session.scalar(
            select(PromptSet.id)
            .where(
                PromptSet.tenant_id == PLATFORM,
                PromptSet.task_type == pool.task_type,
                PromptSet.name == _PROMPTS,
            )
            .order_by(PromptSet.revision.desc())
            .limit(1)
        )
        if prompt_set_id is None:
            continue
        named = [
            member for member in await published_members(session, pool) if member.tier != ENVIRONMENT_TIER
        ]
        offered = [NewMember(id_, prompt_set_id, sent, ENVIRONMENT_TIER) for id_, sent in deployments]
        await publish(session, pool, Strategy(strategy or Strategy.WEIGHTED), [*offered, *named])
