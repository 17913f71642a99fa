"""Queries of the administration of pools and routes: a tenant sees its own and the platform's, locks its own."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.pools.pool_errors import OwnedByPlatform, PoolNotFound, RevisionNotFound, RouteNotFound
from app.pools.pool_views import MemberView, PoolView, RevisionView, RouteView
from app.pools.tables import Deployment, ModelPool, PoolMember, PoolRevision, PromptSet, Provider, Route
from app.vocabulary import PLATFORM, MemberPurpose, Strategy


class PoolAdministration:
    """Pools, revisions and routes of one tenant. `lock_...` gives a row that may be changed."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._visible = (tenant_id, PLATFORM)

    async def pools(self, *, task_type: str | None, archived: bool) -> list[PoolView]:
        """Pools by name, own ones first."""
        query = self._pools().order_by(ModelPool.tenant_id == PLATFORM, ModelPool.name)
        if task_type is not None:
            query = query.where(ModelPool.task_type == task_type)
        if not archived:
            query = query.where(ModelPool.archived_at.is_(None))
        return [_pool_view(row) for row in await self._session.execute(query)]

    async def pool(self, pool_id: UUID) -> PoolView:
        """A pool. Raises: `PoolNotFound`."""
        row = (await self._session.execute(self._pools().where(ModelPool.id == pool_id))).one_or_none()
        if row is None:
            raise PoolNotFound
        return _pool_view(row)

    async def lock_pool(self, pool_id: UUID) -> ModelPool:
        """An own pool, locked. Raises: `PoolNotFound`, `OwnedByPlatform`."""
        row = await self._session.scalar(
            select(ModelPool)
            .where(ModelPool.tenant_id == self._tenant_id, ModelPool.id == pool_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if row is None:
            await self.pool(pool_id)
            raise OwnedByPlatform("pool")
        return row

    async def count_pools(self) -> int:
        """Own pools, archived ones too."""
        return await self._count(ModelPool.id, ModelPool.tenant_id == self._tenant_id)

    async def count_drafts(self, pool_id: UUID) -> int:
        """Drafts of an own pool."""
        return await self._count(
            PoolRevision.id,
            PoolRevision.tenant_id == self._tenant_id,
            PoolRevision.pool_id == pool_id,
            PoolRevision.published_at.is_(None),
        )

    async def count_routes(self) -> int:
        """Own routes."""
        return await self._count(Route.id, Route.tenant_id == self._tenant_id)

    async def newest_number(self, pool_id: UUID) -> int:
        """The highest number that a revision of an own pool has; 0 for none."""
        query = select(func.max(PoolRevision.number)).where(
            PoolRevision.tenant_id == self._tenant_id, PoolRevision.pool_id == pool_id
        )
        return await self._session.scalar(query) or 0

    async def newest_numbers(self) -> dict[UUID, int]:
        """The same of every own pool that has revisions."""
        query = (
            select(PoolRevision.pool_id, func.max(PoolRevision.number).label("number"))
            .where(PoolRevision.tenant_id == self._tenant_id)
            .group_by(PoolRevision.pool_id)
        )
        rows = await self._session.execute(query)
        return {row.pool_id: row.number for row in rows}

    async def revisions(self, pool: PoolView, *, before: int | None, limit: int) -> list[RevisionView]:
        """Revisions without their members, the newest first."""
        query = self._revisions(pool.tenant_id, pool.id).order_by(PoolRevision.number.desc()).limit(limit)
        if before is not None:
            query = query.where(PoolRevision.number < before)
        return [_revision_view(row) for row in await self._session.scalars(query)]

    async def revision(self, pool: PoolView, number: int) -> RevisionView:
        """A revision with its members. Raises: `RevisionNotFound`."""
        query = self._revisions(pool.tenant_id, pool.id).where(PoolRevision.number == number)
        row = await self._session.scalar(query.execution_options(populate_existing=True))
        if row is None:
            raise RevisionNotFound(number)
        return _revision_view(row, await self.members(row.tenant_id, row.id))

    async def own_revision(self, pool_id: UUID, number: int) -> PoolRevision:
        """The row of an own pool's revision; lock the pool first. Raises: `RevisionNotFound`."""
        query = self._revisions(self._tenant_id, pool_id).where(PoolRevision.number == number)
        row = await self._session.scalar(query.execution_options(populate_existing=True))
        if row is None:
            raise RevisionNotFound(number)
        return row

    async def published_before(self, pool: ModelPool) -> PoolRevision | None:
        """The revision that was first published before the one that serves."""
        current = (
            select(PoolRevision.published_at)
            .where(
                PoolRevision.tenant_id == self._tenant_id,
                PoolRevision.id == pool.published_revision_id,
            )
            .scalar_subquery()
        )
        query = (
            self._revisions(self._tenant_id, pool.id)
            .where(PoolRevision.published_at < current)
            .order_by(PoolRevision.published_at.desc())
            .limit(1)
        )
        return await self._session.scalar(query)

    async def members(self, tenant_id: UUID, revision_id: UUID) -> tuple[MemberView, ...]:
        """Members of a revision, by tier."""
        rows = await self._session.execute(
            select(PoolMember, Deployment.name, PromptSet.name, PromptSet.revision)
            .join(Deployment, _refers(PoolMember.deployment_tenant_id, PoolMember.deployment_id, Deployment))
            .join(PromptSet, _refers(PoolMember.prompt_set_tenant_id, PoolMember.prompt_set_id, PromptSet))
            .where(PoolMember.tenant_id == tenant_id, PoolMember.revision_id == revision_id)
            .order_by(PoolMember.tier, PoolMember.id)
        )
        return tuple(
            MemberView(
                deployment_id=member.deployment_id,
                deployment_name=deployment,
                prompt_set_id=member.prompt_set_id,
                prompt_set_name=prompts,
                prompt_set_revision=number,
                parameters=member.parameters,
                tier=member.tier,
                weight=member.weight,
                purpose=MemberPurpose(member.purpose),
            )
            for member, deployment, prompts, number in rows
        )

    async def member_rows(self, revision: PoolRevision) -> list[PoolMember]:
        """The rows of an own draft's members."""
        query = select(PoolMember).where(
            PoolMember.tenant_id == self._tenant_id, PoolMember.revision_id == revision.id
        )
        return list(await self._session.scalars(query))

    async def made_of(
        self, tenant_id: UUID, revision_ids: Collection[UUID]
    ) -> dict[UUID, tuple[bool, bool, str]]:
        """By member of these revisions: whether its deployment and its provider are archived, and its prompt set's task type."""
        rows = await self._session.execute(
            select(PoolMember.id, Deployment.archived_at, Provider.archived_at, PromptSet.task_type)
            .join(Deployment, _refers(PoolMember.deployment_tenant_id, PoolMember.deployment_id, Deployment))
            .join(Provider, _refers(Deployment.provider_tenant_id, Deployment.provider_id, Provider))
            .join(PromptSet, _refers(PoolMember.prompt_set_tenant_id, PoolMember.prompt_set_id, PromptSet))
            .where(PoolMember.tenant_id == tenant_id, PoolMember.revision_id.in_(revision_ids))
        )
        return {id_: (gone is not None, left is not None, task) for id_, gone, left, task in rows}

    async def deployments(self, ids: Collection[UUID]) -> dict[UUID, Deployment]:
        """Deployments that the tenant may name."""
        query = select(Deployment).where(Deployment.tenant_id.in_(self._visible), Deployment.id.in_(ids))
        return {row.id: row for row in await self._session.scalars(query)}

    async def prompt_sets(self, ids: Collection[UUID]) -> dict[UUID, tuple[UUID, str]]:
        """Owner and task type of the prompt sets that the tenant may name."""
        query = select(PromptSet.id, PromptSet.tenant_id, PromptSet.task_type).where(
            PromptSet.tenant_id.in_(self._visible), PromptSet.id.in_(ids)
        )
        return {id_: (tenant, task_type) for id_, tenant, task_type in await self._session.execute(query)}

    async def routes(self, *, task_type: str | None = None) -> list[RouteView]:
        """Routes by name, own ones first."""
        query = self._routes().order_by(Route.tenant_id == PLATFORM, Route.name)
        if task_type is not None:
            query = query.where(Route.task_type == task_type)
        return [_route_view(row) for row in await self._session.execute(query)]

    async def route(self, route_id: UUID) -> RouteView:
        """A route. Raises: `RouteNotFound`."""
        row = (await self._session.execute(self._routes().where(Route.id == route_id))).one_or_none()
        if row is None:
            raise RouteNotFound
        return _route_view(row)

    async def lock_route(self, route_id: UUID) -> Route:
        """An own route, locked. Raises: `RouteNotFound`, `OwnedByPlatform`."""
        row = await self._session.scalar(
            select(Route)
            .where(Route.tenant_id == self._tenant_id, Route.id == route_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if row is None:
            await self.route(route_id)
            raise OwnedByPlatform("route")
        return row

    async def routes_to(self, pool_id: UUID) -> list[str]:
        """Names of own routes that lead to a pool."""
        query = select(Route.name).where(Route.tenant_id == self._tenant_id, Route.pool_id == pool_id)
        return sorted(await self._session.scalars(query))

    async def is_named(self, table: type[ModelPool | Route], name: str) -> bool:
        """Whether an own row of the table has this name."""
        return await self._count(table.id, table.tenant_id == self._tenant_id, table.name == name) > 0

    async def _count(self, column: Any, *conditions: ColumnElement[bool]) -> int:
        return await self._session.scalar(select(func.count(column)).where(*conditions)) or 0

    def _pools(self) -> Any:
        return (
            select(ModelPool, PoolRevision.number, PoolRevision.published_at)
            .outerjoin(
                PoolRevision,
                and_(
                    PoolRevision.tenant_id == ModelPool.tenant_id,
                    PoolRevision.id == ModelPool.published_revision_id,
                ),
            )
            .where(ModelPool.tenant_id.in_(self._visible))
            .execution_options(populate_existing=True)
        )

    def _revisions(self, tenant_id: UUID, pool_id: UUID) -> Select[PoolRevision]:
        return select(PoolRevision).where(
            PoolRevision.tenant_id == tenant_id, PoolRevision.pool_id == pool_id
        )

    def _routes(self) -> Any:
        return (
            select(Route, ModelPool.name, ModelPool.published_revision_id)
            .join(ModelPool, _refers(Route.pool_tenant_id, Route.pool_id, ModelPool))
            .where(Route.tenant_id.in_(self._visible))
            .execution_options(populate_existing=True)
        )


def _refers(tenant_id: Any, id_: Any, table: Any) -> ColumnElement[bool]:
    return and_(table.tenant_id == tenant_id, table.id == id_)


def _pool_view(row: Any) -> PoolView:
    pool, number, published_at = row
    return PoolView(
        tenant_id=pool.tenant_id,
        id=pool.id,
        name=pool.name,
        task_type=pool.task_type,
        published_number=number,
        published_at=published_at,
        version=pool.version,
        archived_at=pool.archived_at,
    )


def _revision_view(row: PoolRevision, members: tuple[MemberView, ...] = ()) -> RevisionView:
    return RevisionView(
        id=row.id,
        number=row.number,
        strategy=Strategy(row.strategy),
        note=row.note,
        version=row.version,
        created_at=row.created_at,
        published_at=row.published_at,
        members=members,
    )


def _route_view(row: Any) -> RouteView:
    route, pool_name, published = row
    return RouteView(
        tenant_id=route.tenant_id,
        id=route.id,
        name=route.name,
        task_type=route.task_type,
        conditions=route.conditions,
        pool_tenant_id=route.pool_tenant_id,
        pool_id=route.pool_id,
        pool_name=pool_name,
        is_published=published is not None,
        version=route.version,
    )
