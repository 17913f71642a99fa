"""Tenants and members as identity asks for them, with a short cache.

A suspended tenant and a blocked member are seen within half a second, whoever has changed them; at once in
every process that listens to Postgres, which says so at each commit that changes one.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id
from app.core.database import Database
from app.tenants.keys import TenantKeys
from app.tenants.members import bounded
from app.tenants.tables import Member, Tenant
from app.tenants.tombstones import tombstone
from app.vocabulary import MemberState, Role, TenantState

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_CACHE_SECONDS = 0.5
_MOST_ENTRIES = 20_000


@dataclass(frozen=True)
class TenantView:
    """A customer, as identity needs it."""

    id: UUID
    entra_tenant_id: UUID
    name: str
    state: TenantState
    allow_guests: bool
    read_profiles: bool


@dataclass(frozen=True)
class MemberView:
    """A person of a tenant."""

    id: UUID
    role: Role
    state: MemberState


class TenantDirectory:
    """Finds tenants by their Entra id, and members by their object id."""

    def __init__(self, database: Database, keys: TenantKeys | None = None) -> None:
        """`keys` tell who was erased; without them (of a command) somebody erased may come as somebody new."""
        self._database = database
        self._keys = keys
        self._tenants: dict[UUID, tuple[float, TenantView | None]] = {}
        self._members: dict[tuple[UUID, UUID], tuple[float, MemberView]] = {}
        self._forgotten = 0

    async def by_entra_id(self, entra_tenant_id: UUID) -> TenantView | None:
        """The tenant, or None if it is no customer of ours."""
        until, view = self._tenants.get(entra_tenant_id, (0.0, None))
        if time.monotonic() < until:
            return view
        forgotten = self._forgotten
        async with self._database.system() as session:
            row = (
                await session.execute(select(Tenant).where(Tenant.entra_tenant_id == entra_tenant_id))
            ).scalar_one_or_none()
        view = (
            None
            if row is None
            else TenantView(
                row.id,
                entra_tenant_id,
                row.name,
                TenantState(row.state),
                row.allow_guests,
                row.read_profiles,
            )
        )
        # What was read before a change was told of is an answer, but nothing to remember.
        if forgotten == self._forgotten:
            _remember(self._tenants, entra_tenant_id, view)
        return view

    def forget(self, entra_tenant_id: UUID) -> None:
        """Ask for this tenant and its people anew at once: a door of this process has changed them.

        Call it once that is committed. Other processes hear of it by `changed`.
        """
        self._forgotten += 1
        _, tenant = self._tenants.pop(entra_tenant_id, (0.0, None))
        if tenant is not None:
            self._members = {key: one for key, one in self._members.items() if key[0] != tenant.id}

    def changed(self, _payload: str = "") -> None:
        """Ask for every tenant and everybody anew: somewhere one was suspended, resumed, blocked or erased.

        Give it to the listener: the job that erases and the command line are processes of their own.
        """
        self._forgotten += 1
        self._tenants.clear()
        self._members.clear()

    async def member(
        self,
        tenant_id: UUID,
        entra_object_id: UUID,
        display_name: str,
        *,
        groups: Collection[UUID] | None = None,
    ) -> MemberView:
        """A person of the tenant; a row is made when we see them for the first time.

        Whoever was erased is not made anew: their erased row is what comes back. `groups` are all of the person's,
        where a token names them; kept when they are other than before.

        Raises: `KeysUnavailable`, `SealBroken` for somebody new of a tenant that has erased people.
        """
        key = (tenant_id, entra_object_id)
        known = self._members.get(key)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        forgotten = self._forgotten
        view = await self._known(tenant_id, entra_object_id, groups)
        if view is None:
            view = await self._erased(tenant_id, entra_object_id)
        if view is None:
            await self._make(tenant_id, entra_object_id, display_name)
            view = await self._known(tenant_id, entra_object_id, groups)
        if view is None:
            # Erased as they came: at the next request their tombstone is found.
            return MemberView(UUID(int=0), Role.MEMBER, MemberState.ERASED)
        if forgotten == self._forgotten:
            _remember(self._members, key, view)
        return view

    async def _known(
        self, tenant_id: UUID, entra_object_id: UUID, groups: Collection[UUID] | None
    ) -> MemberView | None:
        query = select(Member).where(Member.tenant_id == tenant_id, Member.entra_object_id == entra_object_id)
        async with self._database.tenant(tenant_id) as session:
            row = (await session.execute(query)).scalar_one_or_none()
            if row is None:
                return None
            if groups is not None:
                await _keep_groups(session, row, groups)
        return MemberView(row.id, Role(row.role), MemberState(row.state))

    async def _erased(self, tenant_id: UUID, entra_object_id: UUID) -> MemberView | None:
        """The row that an erased person has left. The key is asked for only where there is any such row."""
        if self._keys is None:
            return None
        buried = [
            Member.tenant_id == tenant_id,
            Member.state == MemberState.ERASED,
            Member.tombstone.is_not(None),
        ]
        async with self._database.tenant(tenant_id) as session:
            if await session.scalar(select(Member.id).where(*buried).limit(1)) is None:
                return None
        own = tombstone(await self._keys.sealer(tenant_id), entra_object_id)
        async with self._database.tenant(tenant_id) as session:
            found = await session.scalar(select(Member.id).where(*buried, Member.tombstone == own))
        return None if found is None else MemberView(found, Role.MEMBER, MemberState.ERASED)

    async def _make(self, tenant_id: UUID, entra_object_id: UUID, display_name: str) -> None:
        async with self._database.tenant(tenant_id) as session:
            await session.execute(
                insert(Member)
                .values(
                    tenant_id=tenant_id,
                    id=new_id(),
                    entra_object_id=entra_object_id,
                    display_name=display_name,
                    role=Role.MEMBER,
                    state=MemberState.ACTIVE,
                )
                .on_conflict_do_nothing(index_elements=["tenant_id", "entra_object_id"])
            )


async def _keep_groups(session: AsyncSession, row: Member, groups: Collection[UUID]) -> None:
    kept, incomplete = bounded(groups, incomplete=False)
    if (row.groups, row.groups_incomplete) != (kept, incomplete):
        await session.execute(
            update(Member)
            .where(Member.tenant_id == row.tenant_id, Member.id == row.id)
            .values(groups=kept, groups_incomplete=incomplete)
            .execution_options(synchronize_session=False)
        )


def _remember(cache: dict[_Key, tuple[float, _Value]], key: _Key, value: _Value) -> None:
    if len(cache) >= _MOST_ENTRIES:
        cache.clear()
    cache[key] = (time.monotonic() + _CACHE_SECONDS, value)
