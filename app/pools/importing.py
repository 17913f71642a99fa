"""Bringing a tenant's own configuration to what a file says. Safe to repeat: what is so already is not written."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.record import Actor
from app.core.clock import new_id
from app.core.errors import ErrorDetail
from app.pools.deployments import check as check_deployment
from app.pools.file_schema import ConfigurationFile, FileDeployment, InvalidConfiguration
from app.pools.import_changes import Change, record_changes
from app.pools.import_judging import judge
from app.pools.import_publishing import ImportPublishing
from app.pools.import_rows import ImportRows
from app.pools.prompt_sets import check as check_prompts
from app.pools.prompt_sets import digest
from app.pools.providers import check as check_provider
from app.pools.tables import (
    Deployment,
    ModelPool,
    PromptSet,
    Provider,
    Route,
)
from app.tenants.policy import load_policy
from app.tenants.policy_changes import LISTS, TERMS, change_policy
from app.tenants.task_permissions import Permission, change_task_permission, load_task_permissions

_LOCK = 0x434F4E46
"""Namespace of the lock that imports of one tenant take turns with."""


async def import_configuration(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    file: ConfigurationFile,
    task_types: Iterable[str],
    actor: Actor,
) -> list[Change]:
    """Write what differs, in the caller's transaction, and record it; gives what was changed.

    Raises: `InvalidConfiguration` with every place; then the transaction must not be committed.
    """
    run = _Import(session, tenant_id, actor)
    run.check(file, set(task_types))
    try:
        await run.providers(file)
        await run.deployments(file)
        await run.prompt_sets(file)
        await run.policy(file)
        await run.pools(file)
        await run.routes(file)
        await run.archive(file)
    except (DataError, OverflowError):
        raise InvalidConfiguration(
            [ErrorDetail("not_storable", "a number or a date is too large to be kept", "")]
        ) from None
    await run.judge(file)
    changes = run.finish()
    await record_changes(session, tenant_id=tenant_id, actor=actor, changes=changes)
    return changes


async def lock_configuration(session: AsyncSession, *, tenant_id: UUID) -> None:
    """Let nobody change what is there, nor import, until the caller's transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(str(tenant_id)))))
    for table in (Provider, Deployment, ModelPool, Route):
        await session.execute(
            select(table.id).where(table.tenant_id == tenant_id).order_by(table.id).with_for_update()
        )


class _Import:
    def __init__(self, session: AsyncSession, tenant_id: UUID, actor: Actor) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._actor = actor
        self._rows = ImportRows(session, tenant_id, actor)
        self._changed_pools: set[UUID] = set()

    def finish(self) -> list[Change]:
        """What was changed. Raises: `InvalidConfiguration`."""
        self._rows.stop_if_wrong()
        return self._rows.changes

    def check(self, file: ConfigurationFile, task_types: set[str]) -> None:
        """What can be said without looking: names that are there twice, task types that are not."""
        for kind, names in (
            ("providers", [one.name for one in file.providers]),
            ("deployments", [one.name for one in file.deployments]),
            ("prices", [one.deployment for one in file.prices]),
            ("prompt_sets", [f"{one.task_type}/{one.name}@{one.revision}" for one in file.prompt_sets]),
            ("pools", [one.name for one in file.pools]),
            ("routes", [one.name for one in file.routes]),
            ("task_permissions", [one.task_type for one in file.task_permissions]),
        ):
            for position, name in enumerate(names):
                if name in names[:position]:
                    self._rows.say("twice", f"{name} is there twice", f"{kind}[{position}]")
        priced = {one.name for one in file.deployments if one.price is not None}
        for position, one in enumerate(file.prices):
            if one.deployment in priced:
                self._rows.say("twice", f"{one.deployment} has a price already", f"prices[{position}]")
        for kind, found in (
            ("prompt_sets", [one.task_type for one in file.prompt_sets]),
            ("pools", [one.task_type for one in file.pools]),
            ("routes", [one.task_type for one in file.routes]),
            ("task_permissions", [one.task_type for one in file.task_permissions]),
        ):
            for position, name in enumerate(found):
                if name not in task_types:
                    self._rows.say(
                        "unknown_task_type", f"no task type {name}", f"{kind}[{position}].task_type"
                    )
        self._rows.stop_if_wrong()

    async def providers(self, file: ConfigurationFile) -> None:
        """Vendor accounts; the keys that they have stay."""
        for one in file.providers:
            values = one.model_dump(exclude={"name", "archived"})
            await self._rows.put(Provider, "provider", one.name, values, archived=one.archived)
        await self._session.flush()
        accounts = await self._rows.by_reference(Provider)
        for position, one in enumerate(file.providers):
            row = accounts[one.name]
            with self._rows.checked(f"providers[{position}]"):
                check_provider(row)

    async def deployments(self, file: ConfigurationFile) -> None:
        """Deployments with their prices; successors when all are there."""
        providers = await self._rows.by_reference(Provider)
        for position, one in enumerate(file.deployments):
            provider = self._rows.found(
                providers, one.provider, "unknown_provider", f"deployments[{position}].provider"
            )
            if provider is None:
                continue
            if provider.tenant_id != self._tenant_id:
                self._rows.say(
                    "platform_owned",
                    f"{one.provider} is an account of the platform's; a deployment needs one of your own",
                    f"deployments[{position}].provider",
                )
                continue
            values = _deployment_values(one) | {
                "provider_tenant_id": provider.tenant_id,
                "provider_id": provider.id,
            }
            await self._rows.put(
                Deployment, "deployment", one.name, values, archived=one.archived, provider=one.provider
            )
        await self._session.flush()
        await self._followers_and_prices(file)

    async def _followers_and_prices(self, file: ConfigurationFile) -> None:
        known = await self._rows.by_reference(Deployment)
        for position, one in enumerate(file.deployments):
            row = known.get(one.name)
            if row is None:
                continue
            successor = None
            if one.successor is not None:
                place = f"deployments[{position}].successor"
                successor = self._rows.found(known, one.successor, "unknown_deployment", place)
            ids = (None, None) if successor is None else (successor.tenant_id, successor.id)
            if (row.successor_tenant_id, row.successor_id) != ids:
                row.successor_tenant_id, row.successor_id = ids
                self._rows.touched(row, "deployment", successor=one.successor)
            with self._rows.checked(f"deployments[{position}]"):
                check_deployment(row)
            if one.price is not None:
                await self._rows.price(row, one.price.model_dump(), one.name)
        for position, price in enumerate(file.prices):
            row = self._rows.found(
                known, price.deployment, "unknown_deployment", f"prices[{position}].deployment"
            )
            if row is not None:
                await self._rows.price(row, price.model_dump(exclude={"deployment"}), price.deployment)
        await self._rows.withdraw_prices({one.name for one in file.deployments})
        await self._session.flush()

    async def prompt_sets(self, file: ConfigurationFile) -> None:
        """Prompt sets are history: one that is there stays as it is, and another revision is another row.

        Which of them are put away is known when the pools are published.
        """
        own = {(row.task_type, row.name, row.revision): row for row in await self._rows.own(PromptSet)}
        sound: set[tuple[str, frozenset[str]]] = set()
        for position, one in enumerate(file.prompt_sets):
            key: dict[str, Any] = {"task_type": one.task_type, "name": one.name, "revision": one.revision}
            row = own.get((one.task_type, one.name, one.revision))
            shape = (one.task_type, frozenset(one.prompts))
            with self._rows.checked(f"prompt_sets[{position}]"):
                if shape not in sound:
                    await check_prompts(self._session, one.task_type, one.prompts)
                    sound.add(shape)
            if row is None:
                hashed = digest(one.prompts)
                row = PromptSet(
                    tenant_id=self._tenant_id, id=new_id(), **key, sha256=hashed, prompts=dict(one.prompts)
                )
                self._session.add(row)
                self._rows.changes.append(
                    Change(
                        "prompt_set",
                        f"{one.name}@{one.revision}",
                        "created",
                        row.id,
                        {**key, "sha256": hashed},
                    )
                )
            elif row.prompts != one.prompts:
                self._rows.say(
                    "prompts_differ",
                    f"{one.name}@{one.revision} is there with other prompts: raise its revision",
                    f"prompt_sets[{position}].revision",
                )
        await self._session.flush()

    async def policy(self, file: ConfigurationFile) -> None:
        """Before the pools, which are judged by it."""
        present = await load_policy(self._session, self._tenant_id)
        wanted: dict[str, Any] = {name: getattr(file.policy, name) for name in TERMS}
        for name in LISTS:
            list_ = getattr(file.policy, name)
            wanted[name] = None if list_ is None else tuple(map(str, list_))
        after = await change_policy(
            self._session, tenant_id=self._tenant_id, wanted=replace(present, **wanted), actor=self._actor
        )
        if after.version != present.version:
            self._rows.changes.append(Change("policy", "policy", "changed"))
        named = {one.task_type: one for one in file.task_permissions}
        said = await load_task_permissions(self._session, self._tenant_id)
        for task_type in sorted(named.keys() | said.keys()):
            before = said.get(task_type, Permission(task_type))
            one = named.get(task_type)
            permission = Permission(task_type, version=before.version)
            if one is not None:
                permission = Permission(
                    task_type,
                    None if one.groups is None else tuple(map(str, one.groups)),
                    None if one.departments is None else tuple(one.departments),
                    None if one.roles is None else tuple(one.roles),
                    one.programs,
                    before.version,
                )
            written = await change_task_permission(
                self._session, tenant_id=self._tenant_id, wanted=permission, actor=self._actor
            )
            if written.version != before.version:
                self._rows.changes.append(Change("task_permission", task_type, "changed"))

    async def pools(self, file: ConfigurationFile) -> None:
        """Pools; a revision is published where the published one differs, after it was judged."""
        deployments = await self._rows.by_reference(Deployment)
        prompt_sets = await self._rows.prompts_by_reference()
        publishing = ImportPublishing(self._session, self._rows, self._tenant_id)
        for position, one in enumerate(file.pools):
            place = f"pools[{position}]"
            row = await self._rows.put(ModelPool, "pool", one.name, {"task_type": one.task_type}, fixed=place)
            members = [
                self._member(member, f"{place}.members[{at}]", one.task_type, deployments, prompt_sets)
                for at, member in enumerate(one.members)
            ]
            if row is not None and None not in members:
                await publishing.want(row, one.strategy, [found for found in members if found is not None])
        self._changed_pools = await publishing.publish()

    async def judge(self, file: ConfigurationFile) -> None:
        """Say what would serve afterwards and may not."""
        await judge(self._session, self._rows, file, tenant_id=self._tenant_id, changed=self._changed_pools)

    async def routes(self, file: ConfigurationFile) -> None:
        """Routes; those that the file does not name are deleted."""
        pools = await self._rows.by_reference(ModelPool)
        for position, one in enumerate(file.routes):
            pool = self._rows.found(pools, one.pool, "unknown_pool", f"routes[{position}].pool")
            if pool is None:
                continue
            if pool.task_type != one.task_type:
                self._rows.say(
                    "other_task_type",
                    f"the pool {one.pool} is for {pool.task_type}",
                    f"routes[{position}].task_type",
                )
            values = {
                "task_type": one.task_type,
                "conditions": one.conditions.model_dump(exclude_none=True, mode="json"),
                "pool_tenant_id": pool.tenant_id,
                "pool_id": pool.id,
            }
            await self._rows.put(Route, "route", one.name, values, pool=one.pool)
        await self._session.flush()
        named = {one.name for one in file.routes}
        for row in await self._rows.own(Route):
            if row.name not in named:
                await self._session.delete(row)
                self._rows.changes.append(Change("route", row.name, "deleted", row.id))
        await self._session.flush()

    async def archive(self, file: ConfigurationFile) -> None:
        """What the file does not name serves nothing any more."""
        for table, kind, items in (
            (ModelPool, "pool", file.pools),
            (Deployment, "deployment", file.deployments),
            (Provider, "provider", file.providers),
        ):
            named = {one.name for one in items}
            for row in await self._rows.own(table):
                if row.name not in named and row.archived_at is None:
                    await self._rows.archive(row, kind)
        await self._session.flush()
        named_prompts = {(one.task_type, one.name, one.revision) for one in file.prompt_sets}
        await self._rows.archive_prompts(named_prompts)
        await self._session.flush()

    def _member(
        self,
        member: Any,
        place: str,
        task_type: str,
        deployments: Mapping[str, Any],
        prompt_sets: Mapping[tuple[str, str], Any],
    ) -> dict[str, Any] | None:
        deployment = self._rows.found(
            deployments, member.deployment, "unknown_deployment", f"{place}.deployment"
        )
        prompts = prompt_sets.get((task_type, member.prompt_set))
        if prompts is None:
            known = ", ".join(sorted(name for task, name in prompt_sets if task == task_type)) or "none"
            self._rows.say(
                "unknown_prompt_set",
                f"no prompt set {member.prompt_set} for {task_type}; known are: {known}",
                f"{place}.prompt_set",
            )
        if deployment is None or prompts is None:
            return None
        return {
            "deployment_tenant_id": deployment.tenant_id,
            "deployment_id": deployment.id,
            "prompt_set_tenant_id": prompts.tenant_id,
            "prompt_set_id": prompts.id,
            "parameters": member.parameters.model_dump(exclude_none=True),
            "tier": member.tier,
            "weight": member.weight,
            "purpose": member.purpose.value,
        }


def _deployment_values(one: FileDeployment) -> dict[str, Any]:
    return one.model_dump(exclude={"name", "provider", "price", "successor", "archived"})
