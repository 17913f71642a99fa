"""Providers and deployments of a test's tenants that end some day, and the notices about them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.core.clock import new_id, now
from app.notices import service
from app.pools.tables import Deployment, ModelPool, PoolMember, PoolRevision, PromptSet, Provider, Route
from app.vocabulary import PLATFORM, ProviderKind
from tests.conftest import TestDatabase


async def add_provider(
    database: TestDatabase, tenant_id: UUID, name: str, *, until: datetime | None = None, **values: Any
) -> UUID:
    """A provider of the tenant (or of PLATFORM) whose contract ends."""
    given: dict[str, Any] = {"vendor": "acme", "region": "eu", "processor": "Acme", **values}
    row = Provider(
        tenant_id=tenant_id,
        id=new_id(),
        name=name,
        kind=ProviderKind.OPENAI_COMPATIBLE,
        contract_until=until,
        **given,
    )
    async with database.owner.system() as session:
        session.add(row)
    return row.id


async def add_deployment(
    database: TestDatabase, tenant_id: UUID, provider_id: UUID, name: str, **values: Any
) -> UUID:
    """A deployment at a provider of the same owner."""
    row = Deployment(
        tenant_id=tenant_id,
        id=new_id(),
        name=name,
        provider_tenant_id=tenant_id,
        provider_id=provider_id,
        model_name=name,
        capabilities=[],
        context_window=8192,
        max_output_tokens=1024,
        **values,
    )
    async with database.owner.system() as session:
        session.add(row)
    return row.id


async def add_pool(
    database: TestDatabase, tenant_id: UUID, name: str, members: dict[UUID, UUID], **conditions: Any
) -> None:
    """A published pool of (deployment, its owner) members, with a route to it."""
    pool, revision, prompts = new_id(), new_id(), new_id()
    async with database.owner.system() as session:
        session.add(ModelPool(tenant_id=tenant_id, id=pool, name=name, task_type="summarize"))
        session.add(
            PromptSet(
                tenant_id=tenant_id,
                id=prompts,
                task_type="summarize",
                name=name,
                revision=1,
                sha256="0",
                prompts={},
            )
        )
        await session.flush()
        session.add(PoolRevision(tenant_id=tenant_id, id=revision, pool_id=pool, number=1))
        await session.flush()
        for deployment_id, owner in members.items():
            session.add(
                PoolMember(
                    tenant_id=tenant_id,
                    revision_id=revision,
                    deployment_tenant_id=owner,
                    deployment_id=deployment_id,
                    prompt_set_tenant_id=tenant_id,
                    prompt_set_id=prompts,
                    parameters={},
                )
            )
        await session.flush()
        # Members are a draft's; from its publishing on they stay as they are.
        (await session.get_one(PoolRevision, (tenant_id, revision))).published_at = now()
        (await session.get_one(ModelPool, (tenant_id, pool))).published_revision_id = revision
        session.add(
            Route(
                tenant_id=tenant_id,
                id=new_id(),
                name=name,
                task_type="summarize",
                conditions=conditions,
                pool_tenant_id=tenant_id,
                pool_id=pool,
            )
        )


async def platform_pool(database: TestDatabase, *, lasting: bool, ends_at: datetime) -> UUID:
    """A platform pool that everybody's route leads to: one deployment that retires, perhaps one that does not."""
    provider = await add_provider(database, PLATFORM, "shared")
    ending = await add_deployment(database, PLATFORM, provider, "old-model", retired_at=ends_at)
    members: dict[UUID, UUID] = {ending: PLATFORM}
    if lasting:
        members[await add_deployment(database, PLATFORM, provider, "new-model")] = PLATFORM
    await add_pool(database, PLATFORM, "everybodys", members)
    return ending


async def told(database: TestDatabase, tenant_id: UUID, *, name: str = "acme") -> UUID:
    """The id of a fresh notice that the tenant's contract with a provider ends."""
    await add_provider(database, tenant_id, f"{name}-{new_id()}", until=now() + timedelta(days=20))
    async with database.app.tenant(tenant_id) as session:
        (notice,) = await service.write(session, tenant_id=tenant_id, now=now())
    return notice.id
