"""A member to try: any deployment with any prompt set that a tenant may see, in a pool or not yet."""

from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.pools.repository import PoolRepository, deployment_facts
from app.pools.tables import Deployment, ModelPool, PoolMember, PromptSet, Provider
from app.pools.values import PoolMemberFacts
from app.vocabulary import PLATFORM

_DEFAULT = "default"


async def trial_member(
    session: AsyncSession, *, tenant_id: UUID, task_type: str, deployment: str, prompt_set: str | None
) -> PoolMemberFacts | None:
    """The member of a published pool of the task type that has this deployment and prompt set, else one made of both.

    Without a prompt set it is that of the published member, else `default`; the newest revision counts, and what is
    the tenant's own comes before the platform's. None where there is no such deployment or prompt set.
    """
    found = await _deployment(session, tenant_id, deployment)
    if found is None:
        return None
    served = await _published(session, tenant_id, task_type, found[0], prompt_set)
    prompts = served[1] if served else await _prompts(session, tenant_id, task_type, prompt_set or _DEFAULT)
    if prompts is None:
        return None
    prices = await PoolRepository(session, tenant_id).newest_prices([found[0].id])
    member = served[0] if served else None
    return PoolMemberFacts(
        # The same combination is the same member in every run.
        id=member.id if member else uuid5(found[0].id, str(prompts.id)),
        deployment=deployment_facts(found[0], found[1], prices.get(found[0].id)),
        prompt_set_id=prompts.id,
        prompts=prompts.prompts,
        prompt_name=prompts.name,
        prompt_revision=prompts.revision,
        parameters=member.parameters if member else {},
    )


async def deployment_names(session: AsyncSession, *, tenant_id: UUID) -> list[str]:
    """Names of the deployments that a tenant may try."""
    names = await session.scalars(
        select(Deployment.name).where(
            Deployment.tenant_id.in_((tenant_id, PLATFORM)), Deployment.archived_at.is_(None)
        )
    )
    return sorted(set(names))


async def _deployment(session: AsyncSession, tenant_id: UUID, name: str) -> Any:
    rows = await session.execute(
        select(Deployment, Provider)
        .join(
            Provider,
            and_(Provider.tenant_id == Deployment.provider_tenant_id, Provider.id == Deployment.provider_id),
        )
        .where(
            Deployment.tenant_id.in_((tenant_id, PLATFORM)),
            Provider.tenant_id.in_((tenant_id, PLATFORM)),
            Deployment.name == name,
            Deployment.archived_at.is_(None),
        )
        .order_by(Deployment.tenant_id == PLATFORM)
        .limit(1)
    )
    return rows.one_or_none()


async def _published(
    session: AsyncSession, tenant_id: UUID, task_type: str, deployment: Deployment, prompt_set: str | None
) -> Any:
    query = (
        select(PoolMember, PromptSet)
        .join(
            ModelPool,
            and_(
                ModelPool.tenant_id == PoolMember.tenant_id,
                ModelPool.published_revision_id == PoolMember.revision_id,
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
            PoolMember.tenant_id.in_((tenant_id, PLATFORM)),
            PoolMember.deployment_tenant_id == deployment.tenant_id,
            PoolMember.deployment_id == deployment.id,
            ModelPool.task_type == task_type,
        )
        .order_by(PoolMember.tenant_id == PLATFORM, PromptSet.revision.desc(), PoolMember.id)
        .limit(1)
    )
    if prompt_set is not None:
        query = query.where(PromptSet.name == prompt_set)
    return (await session.execute(query)).one_or_none()


async def _prompts(session: AsyncSession, tenant_id: UUID, task_type: str, name: str) -> PromptSet | None:
    return await session.scalar(
        select(PromptSet)
        .where(
            PromptSet.tenant_id.in_((tenant_id, PLATFORM)),
            PromptSet.task_type == task_type,
            PromptSet.name == name,
        )
        .order_by(PromptSet.tenant_id == PLATFORM, PromptSet.revision.desc())
        .limit(1)
    )
