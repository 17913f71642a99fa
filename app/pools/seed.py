"""Import of the platform's configuration: `platform:` of the file, the prompt files, and what is offered
by the environment of a development machine. Safe to repeat: what has not changed is not written.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.pools.publishing import ENVIRONMENT_TIER, NewMember, publish, published_members, put, put_price
from app.pools.seed_schema import (
    SeedDeployment,
    SeedPlatform,
    SeedPool,
    SeedProvider,
    parse,
    with_rest,
    wrong,
)
from app.pools.tables import Deployment, ModelPool, PromptSet, Provider, ProviderCredential, Route
from app.vocabulary import PLATFORM, Strategy

_PLACEHOLDER = re.compile(r"^\$\{([A-Z][A-Z0-9_]*)\}$")
_IMPORTING = 7_203_004
"""Advisory lock: two imports at once run one after the other."""


class PromptFile(Protocol):
    """All prompts of a task type, one revision, as the copilot room reads them from its files."""

    @property
    def task_type(self) -> str:
        """The task type they are for."""

    @property
    def name(self) -> str:
        """The prompt set's name."""

    @property
    def revision(self) -> int:
        """Raised with every change."""

    @property
    def sha256(self) -> str:
        """Hash of the prompts."""

    @property
    def prompts(self) -> Mapping[str, str]:
        """Prompts by name."""


async def import_platform(
    session: AsyncSession,
    platform: dict[str, Any],
    prompt_files: Sequence[PromptFile],
    *,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Bring the platform's rows to what the file says; in the owner's role.

    A provider whose base URL stands for an environment variable that is not set is left out, with its
    deployments and members. Members that the environment offers stay (`import_offers`).

    Raises: `SeedError` naming the place and the way out.
    """
    seed = with_rest(parse(platform), {file.task_type for file in prompt_files})
    await lock(session)
    prompt_sets = await _import_prompts(session, prompt_files)
    _check_prompts(seed, prompt_sets)
    variables = os.environ if variables is None else variables
    providers = await _import_providers(session, seed, variables)
    deployments = await _import_deployments(session, seed, providers)
    pools = {pool.name: await _import_pool(session, pool, deployments, prompt_sets) for pool in seed.pools}
    await _import_routes(session, seed, pools)


async def lock(session: AsyncSession) -> None:
    """Wait for other imports; held until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(_IMPORTING)))


async def write_provider(session: AsyncSession, provider: SeedProvider, base_url: str | None) -> UUID:
    """A provider and the reference to its key."""
    row = await put(
        session,
        Provider,
        {"name": provider.name},
        **provider.model_dump(exclude={"name", "base_url", "credential"}),
        base_url=base_url,
    )
    if provider.credential is not None:
        credential = {"reference": provider.credential, "sealed": None, "last4": None}
        await put(session, ProviderCredential, {"provider_id": row.id}, **credential)
    else:
        await _forget_reference(session, row.id)
    return row.id


async def _forget_reference(session: AsyncSession, provider_id: UUID) -> None:
    row = await session.scalar(
        select(ProviderCredential).where(
            ProviderCredential.tenant_id == PLATFORM,
            ProviderCredential.provider_id == provider_id,
            ProviderCredential.reference.is_not(None),
        )
    )
    if row is not None:
        await session.delete(row)
        await session.flush()


async def write_deployment(session: AsyncSession, deployment: SeedDeployment, provider_id: UUID) -> UUID:
    """A deployment and its price."""
    row = await put(
        session,
        Deployment,
        {"name": deployment.name},
        **deployment.model_dump(exclude={"name", "provider", "price"}),
        provider_tenant_id=PLATFORM,
        provider_id=provider_id,
    )
    if deployment.price is not None:
        await put_price(session, row.id, **deployment.price.model_dump())
    return row.id


async def _import_prompts(
    session: AsyncSession, prompt_files: Sequence[PromptFile]
) -> dict[tuple[str, str], UUID]:
    """The newest revision of each (task type, name)."""
    newest: dict[tuple[str, str], UUID] = {}
    for file in sorted(prompt_files, key=lambda file: file.revision):
        name = {"task_type": file.task_type, "name": file.name, "revision": file.revision}
        row = await session.scalar(select(PromptSet).filter_by(tenant_id=PLATFORM, **name))
        if row is None:
            row = await put(session, PromptSet, name, sha256=file.sha256, prompts=dict(file.prompts))
        elif row.sha256 != file.sha256:
            raise wrong(
                "",
                f"the prompts {file.task_type}/{file.name} changed and are still revision {file.revision};"
                " raise `revision` in their file",
            )
        newest[file.task_type, file.name] = row.id
    return newest


def _check_prompts(seed: SeedPlatform, prompt_sets: Mapping[tuple[str, str], UUID]) -> None:
    for index, pool in enumerate(seed.pools):
        for position, member in enumerate(pool.members):
            if (pool.task_type, member.prompt_set) not in prompt_sets:
                known = ", ".join(sorted(name for task, name in prompt_sets if task == pool.task_type))
                raise wrong(
                    f"pools[{index}].members[{position}].prompt_set",
                    f"there are no prompts {pool.task_type}/{member.prompt_set}; known are: {known or 'none'}",
                )


async def _import_providers(
    session: AsyncSession, seed: SeedPlatform, variables: Mapping[str, str]
) -> dict[str, UUID]:
    providers = {}
    for provider in seed.providers:
        base_url, placeholder = provider.base_url, _PLACEHOLDER.match(provider.base_url or "")
        if placeholder is not None:
            base_url = variables.get(placeholder[1])
            if not base_url:
                continue
        providers[provider.name] = await write_provider(session, provider, base_url)
    return providers


async def _import_deployments(
    session: AsyncSession, seed: SeedPlatform, providers: Mapping[str, UUID]
) -> dict[str, UUID]:
    return {
        deployment.name: await write_deployment(session, deployment, providers[deployment.provider])
        for deployment in seed.deployments
        if deployment.provider in providers
    }


async def _import_pool(
    session: AsyncSession,
    seed: SeedPool,
    deployments: Mapping[str, UUID],
    prompt_sets: Mapping[tuple[str, str], UUID],
) -> UUID:
    pool = await put(session, ModelPool, {"name": seed.name}, task_type=seed.task_type)
    offered = [member for member in await published_members(session, pool) if member.tier == ENVIRONMENT_TIER]
    named = [
        NewMember(
            deployment_id=deployments[member.deployment],
            prompt_set_id=prompt_sets[seed.task_type, member.prompt_set],
            parameters=member.parameters.model_dump(exclude_none=True),
            tier=member.tier,
            weight=member.weight,
            purpose=member.purpose,
        )
        for member in seed.members
        if member.deployment in deployments
    ]
    await publish(session, pool, Strategy(seed.strategy), [*offered, *named])
    return pool.id


async def _import_routes(session: AsyncSession, seed: SeedPlatform, pools: Mapping[str, UUID]) -> None:
    """The file is all there is: a platform route that it no longer names is removed."""
    for route in seed.routes:
        await put(
            session,
            Route,
            {"name": route.name},
            task_type=route.task_type,
            conditions=route.conditions.model_dump(exclude_none=True, mode="json"),
            pool_tenant_id=PLATFORM,
            pool_id=pools[route.pool],
        )
    names = [route.name for route in seed.routes]
    stale = await session.scalars(select(Route).where(Route.tenant_id == PLATFORM, Route.name.not_in(names)))
    for row in stale:
        await session.delete(row)
    await session.flush()
