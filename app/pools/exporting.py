"""A tenant's own configuration as a file: what is set up now, without keys, drafts and history."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.pools.file_schema import (
    ConfigurationFile,
    FileDeployment,
    FileMember,
    FilePermission,
    FilePolicy,
    FilePool,
    FilePrice,
    FilePromptSet,
    FileProvider,
)
from app.pools.seed_schema import SeedConditions, SeedPrice, SeedRoute
from app.pools.tables import (
    Deployment,
    ModelPool,
    PoolMember,
    PoolRevision,
    PriceRevision,
    PromptSet,
    Provider,
    Route,
)
from app.tenants.policy import load_policy
from app.tenants.policy_changes import LISTS, TERMS
from app.tenants.task_permissions import load_task_permissions
from app.vocabulary import PLATFORM

PLATFORMS = "platform/"
_PRICES = ("currency", "input_micros", "cached_input_micros", "output_micros", "reasoning_micros")


async def export_configuration(session: AsyncSession, *, tenant_id: UUID) -> ConfigurationFile:
    """The tenant's own configuration, in an order that depends on names only.

    What is archived is left out, unless something that is not refers to it.
    """
    return await _Export(session, tenant_id).file()


class _Export:
    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def file(self) -> ConfigurationFile:
        deployments = await self._visible(Deployment)
        providers = await self._visible(Provider)
        prompt_sets = await self._visible(PromptSet)
        pools = await self._visible(ModelPool)
        shown_pools = await self._pools(self._own(pools.values()), deployments, prompt_sets)
        used = {member.deployment for pool in shown_pools for member in pool.members}
        written_by = {(pool.task_type, one.prompt_set) for pool in shown_pools for one in pool.members}
        prices = await self._prices()
        shown = [
            one for one in self._own(deployments.values()) if one.archived_at is None or one.name in used
        ]
        while len(shown) < len(
            more := [
                one
                for one in self._own(deployments.values())
                if one in shown or any(other.successor_id == one.id for other in shown)
            ]
        ):
            shown = more
        hosts = {one.provider_id for one in shown}
        policy = await load_policy(self._session, self._tenant_id)
        return ConfigurationFile(
            providers=[
                _provider(one)
                for one in self._own(providers.values())
                if one.archived_at is None or one.id in hosts
            ],
            deployments=[_deployment(one, providers, deployments, prices) for one in shown],
            prices=[
                FilePrice(deployment=f"{PLATFORMS}{deployments[id_].name}", **price)
                for id_, price in sorted(prices.items(), key=lambda item: deployments[item[0]].name)
                if deployments[id_].tenant_id == PLATFORM
            ],
            prompt_sets=[
                FilePromptSet(
                    task_type=one.task_type, name=one.name, revision=one.revision, prompts=one.prompts
                )
                for one in sorted(
                    self._own(prompt_sets.values()), key=lambda one: (one.task_type, one.name, one.revision)
                )
                if one.archived_at is None or (one.task_type, prompts_reference(one)) in written_by
            ],
            pools=shown_pools,
            routes=await self._routes(pools),
            policy=FilePolicy.model_validate({name: getattr(policy, name) for name in (*LISTS, *TERMS)}),
            task_permissions=await self._permissions(),
        )

    def _own(self, rows: Iterable[Any]) -> list[Any]:
        return sorted((one for one in rows if one.tenant_id == self._tenant_id), key=lambda one: one.name)

    async def _visible(self, table: Any) -> dict[UUID, Any]:
        rows = await self._session.scalars(
            select(table)
            .where(table.tenant_id.in_((self._tenant_id, PLATFORM)))
            .execution_options(populate_existing=True)
        )
        return {row.id: row for row in rows}

    async def _prices(self) -> dict[UUID, dict[str, Any]]:
        """The tenant's newest own price of each deployment."""
        rows = await self._session.scalars(
            select(PriceRevision)
            .where(PriceRevision.tenant_id == self._tenant_id, PriceRevision.withdrawn_at.is_(None))
            .order_by(PriceRevision.created_at, PriceRevision.id)
        )
        return {row.deployment_id: {name: getattr(row, name) for name in _PRICES} for row in rows}

    async def _pools(
        self, pools: list[Any], deployments: dict[UUID, Any], prompt_sets: dict[UUID, Any]
    ) -> list[FilePool]:
        revisions = await self._visible(PoolRevision)
        members = await self._visible(PoolMember)
        shown = []
        for pool in pools:
            if pool.archived_at is not None:
                continue
            published = revisions.get(pool.published_revision_id)
            own = [
                _member(one, deployments, prompt_sets)
                for one in members.values()
                if published is not None and one.revision_id == published.id
            ]
            strategy = {} if published is None else {"strategy": published.strategy}
            own.sort(key=lambda one: (one.tier, json.dumps(one.model_dump(mode="json"), sort_keys=True)))
            shown.append(FilePool(name=pool.name, task_type=pool.task_type, members=own, **strategy))
        return shown

    async def _routes(self, pools: dict[UUID, Any]) -> list[SeedRoute]:
        rows = await self._session.scalars(
            select(Route).where(Route.tenant_id == self._tenant_id).order_by(Route.name)
        )
        return [
            SeedRoute(
                name=row.name,
                task_type=row.task_type,
                conditions=SeedConditions.model_validate(row.conditions),
                pool=reference(pools[row.pool_id]),
            )
            for row in rows
        ]

    async def _permissions(self) -> list[FilePermission]:
        found = await load_task_permissions(self._session, self._tenant_id)
        return [
            FilePermission.model_validate(
                {
                    "task_type": one.task_type,
                    "groups": one.groups,
                    "departments": one.departments,
                    "roles": one.roles,
                    "programs": one.programs,
                }
            )
            for _, one in sorted(found.items())
            if not (one.is_open and one.programs)
        ]


def reference(row: Any) -> str:
    """How a file names a row: the platform's with a prefix that no own name can have."""
    return f"{PLATFORMS}{row.name}" if row.tenant_id == PLATFORM else str(row.name)


def prompts_reference(row: Any) -> str:
    """How a file names a prompt set."""
    return f"{reference(row)}@{row.revision}"


def _provider(row: Any) -> FileProvider:
    names = FileProvider.model_fields.keys() - {"archived"}
    return FileProvider.model_validate(
        {name: getattr(row, name) for name in names} | {"archived": row.archived_at is not None}
    )


def _deployment(
    row: Any, providers: dict[UUID, Any], deployments: dict[UUID, Any], prices: dict[UUID, dict[str, Any]]
) -> FileDeployment:
    names = FileDeployment.model_fields.keys() - {"provider", "price", "successor", "archived"}
    price = prices.get(row.id)
    return FileDeployment.model_validate(
        {name: getattr(row, name) for name in names}
        | {
            "provider": reference(providers[row.provider_id]),
            "price": None if price is None else SeedPrice(**price),
            "successor": None if row.successor_id is None else reference(deployments[row.successor_id]),
            "archived": row.archived_at is not None,
        }
    )


def _member(row: Any, deployments: dict[UUID, Any], prompt_sets: dict[UUID, Any]) -> FileMember:
    return FileMember.model_validate(
        {
            "deployment": reference(deployments[row.deployment_id]),
            "prompt_set": prompts_reference(prompt_sets[row.prompt_set_id]),
            "parameters": row.parameters,
            "tier": row.tier,
            "weight": row.weight,
            "purpose": row.purpose,
        }
    )
