"""Every query of the pools room for one tenant, which sees its own rows and the platform's."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.pools.tables import (
    ConfigurationRevision,
    Deployment,
    ModelPool,
    PoolMember,
    PoolRevision,
    PriceRevision,
    PromptSet,
    Provider,
    ProviderCredential,
    Route,
)
from app.pools.values import (
    DeploymentFacts,
    PoolMemberFacts,
    Price,
    ProviderFacts,
    RevisionFacts,
    RouteFacts,
)
from app.vocabulary import (
    PLATFORM,
    Authentication,
    Lifecycle,
    MemberPurpose,
    ModelClass,
    ProviderKind,
    Strategy,
)


async def configuration_number(session: AsyncSession) -> int:
    """The counter that every change of configuration raises."""
    return await session.scalar(select(ConfigurationRevision.number)) or 0


class PoolRepository:
    """Reads configuration as one tenant may see it."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._visible = (tenant_id, PLATFORM)

    async def routes(self) -> tuple[RouteFacts, ...]:
        """All routes, each with the revision that its pool has published."""
        rows = await self._session.execute(
            select(Route, ModelPool.name, ModelPool.published_revision_id)
            .join(ModelPool, and_(ModelPool.tenant_id == Route.pool_tenant_id, ModelPool.id == Route.pool_id))
            .where(self._seen(Route.tenant_id), self._seen(ModelPool.tenant_id))
            .order_by(Route.name)
        )
        return tuple(
            RouteFacts(
                id=route.id,
                tenant_id=route.tenant_id,
                name=route.name,
                task_type=route.task_type,
                conditions=route.conditions,
                pool_tenant_id=route.pool_tenant_id,
                pool_id=route.pool_id,
                pool_name=pool_name,
                published_revision_id=published,
            )
            for route, pool_name, published in rows
        )

    async def revision(self, revision_id: UUID) -> RevisionFacts | None:
        """One revision with its members as they are now; None if it is not there for this tenant."""
        return (await self.revisions([revision_id])).get(revision_id)

    async def revisions(self, revision_ids: Collection[UUID]) -> dict[UUID, RevisionFacts]:
        """Those of these revisions that are there for this tenant, in as many statements as for one."""
        found = (
            await self._session.execute(
                select(PoolRevision, ModelPool)
                .join(
                    ModelPool,
                    and_(ModelPool.tenant_id == PoolRevision.tenant_id, ModelPool.id == PoolRevision.pool_id),
                )
                .where(self._seen(PoolRevision.tenant_id), PoolRevision.id.in_(revision_ids))
            )
        ).all()
        if not found:
            return {}
        rows = (await self._session.execute(self._members(revision_ids))).all()
        prices = await self.newest_prices({row[1].id for row in rows})
        members: defaultdict[tuple[UUID, UUID], list[PoolMemberFacts]] = defaultdict(list)
        for row in rows:
            members[row[0].tenant_id, row[0].revision_id].append(_member_facts(row, prices))
        return {
            revision.id: RevisionFacts(
                id=revision.id,
                tenant_id=revision.tenant_id,
                pool_id=pool.id,
                pool_name=pool.name,
                number=revision.number,
                task_type=pool.task_type,
                strategy=Strategy(revision.strategy),
                members=tuple(members[revision.tenant_id, revision.id]),
            )
            for revision, pool in found
        }

    async def own_deployments(self) -> tuple[DeploymentFacts, ...]:
        """Deployments of this session's own tenant that are not archived, without their prices."""
        rows = await self._session.execute(
            select(Deployment, Provider)
            .join(
                Provider,
                and_(
                    Provider.tenant_id == Deployment.provider_tenant_id, Provider.id == Deployment.provider_id
                ),
            )
            .where(Deployment.tenant_id == self._visible[0], Deployment.archived_at.is_(None))
            .order_by(Deployment.name)
        )
        return tuple(deployment_facts(deployment, provider, None) for deployment, provider in rows)

    async def deployment_names(self, ids: Collection[UUID]) -> list[tuple[UUID, str, UUID]]:
        """Id, name and owner of those that this session may see."""
        rows = await self._session.execute(
            select(Deployment.id, Deployment.name, Deployment.tenant_id).where(
                self._seen(Deployment.tenant_id), Deployment.id.in_(ids)
            )
        )
        return [(id_, name, owner) for id_, name, owner in rows]

    async def own_providers(self) -> tuple[ProviderFacts, ...]:
        """Providers of this session's own tenant that are not archived."""
        rows = await self._session.scalars(
            select(Provider)
            .where(Provider.tenant_id == self._visible[0], Provider.archived_at.is_(None))
            .order_by(Provider.name)
        )
        return tuple(map(provider_facts, rows))

    async def credential(self, provider_id: UUID) -> ProviderCredential | None:
        """The key of a provider of this session's own tenant."""
        return await self._session.scalar(
            select(ProviderCredential).where(
                ProviderCredential.tenant_id == self._visible[0],
                ProviderCredential.provider_id == provider_id,
            )
        )

    def _seen(self, column: InstrumentedAttribute[UUID]) -> Any:
        return column.in_(self._visible)

    def _members(self, revision_ids: Collection[UUID]) -> Any:
        return (
            select(PoolMember, Deployment, Provider, PromptSet)
            .join(
                Deployment,
                and_(
                    Deployment.tenant_id == PoolMember.deployment_tenant_id,
                    Deployment.id == PoolMember.deployment_id,
                ),
            )
            .join(
                Provider,
                and_(
                    Provider.tenant_id == Deployment.provider_tenant_id, Provider.id == Deployment.provider_id
                ),
            )
            .join(
                PromptSet,
                and_(
                    PromptSet.tenant_id == PoolMember.prompt_set_tenant_id,
                    PromptSet.id == PoolMember.prompt_set_id,
                ),
            )
            .where(
                self._seen(PoolMember.tenant_id),
                PoolMember.revision_id.in_(revision_ids),
                self._seen(Deployment.tenant_id),
                self._seen(Provider.tenant_id),
                self._seen(PromptSet.tenant_id),
            )
            .order_by(PoolMember.tier, PoolMember.id)
        )

    async def newest_prices(self, deployment_ids: Iterable[UUID]) -> dict[UUID, PriceRevision]:
        """The price that counts for each of these deployments that has one."""
        rows = await self._session.scalars(
            select(PriceRevision)
            .ext(distinct_on(PriceRevision.deployment_id))
            .where(
                self._seen(PriceRevision.tenant_id),
                PriceRevision.deployment_id.in_(list(deployment_ids)),
                PriceRevision.withdrawn_at.is_(None),
            )
            .order_by(
                PriceRevision.deployment_id,
                # A tenant's own negotiated price counts before the platform's.
                (PriceRevision.tenant_id == PLATFORM),
                PriceRevision.created_at.desc(),
                PriceRevision.id.desc(),
            )
        )
        return {price.deployment_id: price for price in rows}


def _member_facts(row: Any, prices: dict[UUID, PriceRevision]) -> PoolMemberFacts:
    member, deployment, provider, prompt_set = row
    return PoolMemberFacts(
        id=member.id,
        deployment=deployment_facts(deployment, provider, prices.get(deployment.id)),
        prompt_set_id=prompt_set.id,
        prompts=prompt_set.prompts,
        prompt_name=prompt_set.name,
        prompt_revision=prompt_set.revision,
        parameters=member.parameters,
        tier=member.tier,
        weight=member.weight,
        purpose=MemberPurpose(member.purpose),
    )


def provider_facts(row: Provider) -> ProviderFacts:
    """A provider as the rest of the product knows it."""
    return ProviderFacts(
        tenant_id=row.tenant_id,
        id=row.id,
        name=row.name,
        kind=ProviderKind(row.kind),
        vendor=row.vendor,
        base_url=row.base_url,
        region=row.region,
        processor=row.processor,
        no_training=row.no_training,
        zero_retention=row.zero_retention,
        contract_until=row.contract_until,
        authentication=Authentication(row.authentication),
        api_version=row.api_version,
        credential_version=row.credential_version,
    )


def deployment_facts(
    deployment: Deployment, provider: Provider, price: PriceRevision | None
) -> DeploymentFacts:
    """A deployment with its provider and the price that counts."""
    return DeploymentFacts(
        tenant_id=deployment.tenant_id,
        id=deployment.id,
        name=deployment.name,
        provider=provider_facts(provider),
        model_name=deployment.model_name,
        model_class=ModelClass(deployment.model_class),
        capabilities=frozenset(deployment.capabilities),
        languages=None if deployment.languages is None else tuple(deployment.languages),
        context_window=deployment.context_window,
        max_output_tokens=deployment.max_output_tokens,
        requests_per_minute=deployment.requests_per_minute,
        tokens_per_minute=deployment.tokens_per_minute,
        concurrency=deployment.concurrency,
        lifecycle=Lifecycle(deployment.lifecycle),
        deprecated_at=deployment.deprecated_at,
        retired_at=deployment.retired_at,
        price=None if price is None else _price(price),
        supported_parameters=(
            None if deployment.supported_parameters is None else frozenset(deployment.supported_parameters)
        ),
        successor_id=deployment.successor_id,
        archived=deployment.archived_at is not None or provider.archived_at is not None,
    )


def _price(price: PriceRevision) -> Price:
    return Price(
        id=price.id,
        currency=price.currency,
        input_micros=price.input_micros,
        cached_input_micros=price.cached_input_micros,
        output_micros=price.output_micros,
        reasoning_micros=price.reasoning_micros,
    )
