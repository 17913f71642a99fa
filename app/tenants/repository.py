"""Queries of the tenants room that administration needs. Changes of a tenant go through database functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id
from app.tenants.policy import Policy
from app.tenants.tables import Member, Tenant, TenantPolicy
from app.vocabulary import PLATFORM, MemberState, Role, TenantState


@dataclass(frozen=True)
class TenantFacts:
    """A customer as the operator sees it: metadata only."""

    id: UUID
    entra_tenant_id: UUID
    name: str
    state: TenantState
    suspended_reason: str | None
    suspended_at: datetime | None
    onboarded_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class TenantSettings:
    """What a tenant's administrators decide about their tenant; `version` is the ETag."""

    name: str
    allow_guests: bool
    read_profiles: bool
    retention_days: int
    version: int


@dataclass(frozen=True)
class MemberFacts:
    """A person as the tenant's administrators see it: nothing of what the person does."""

    id: UUID
    entra_object_id: UUID
    display_name: str
    role: Role
    state: MemberState
    is_guest: bool
    department: str
    groups: tuple[str, ...]
    groups_incomplete: bool
    created_at: datetime
    last_seen_at: datetime | None


_TENANT = tuple(getattr(Tenant, name) for name in TenantFacts.__dataclass_fields__)
_MEMBER = tuple(getattr(Member, name) for name in MemberFacts.__dataclass_fields__)


class TenantRepository:
    """One customer's row, read in any session and changed in the customer's own."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def facts(self) -> TenantFacts | None:
        """The customer; PLATFORM is none."""
        row = (await self._session.execute(_customers().where(Tenant.id == self._tenant_id))).one_or_none()
        return None if row is None else _tenant(row)

    async def invite(self, entra_tenant_id: UUID, name: str) -> bool:
        """Write a pending customer with this id. False if the directory is known already."""
        return await self._call(
            "invite_tenant(CAST(:entra AS uuid), :name)", entra=str(entra_tenant_id), name=name
        )

    async def change_state(self, expected: TenantState, wanted: TenantState, reason: str = "") -> bool:
        """Move along the state machine. False if the tenant was not in the expected state."""
        return await self._call(
            "change_tenant_state(:expected, :wanted, :reason)",
            expected=expected.value,
            wanted=wanted.value,
            reason=reason,
        )

    async def settings(self) -> TenantSettings | None:
        """What the tenant decided, or the defaults."""
        row = (
            await self._session.execute(
                select(
                    Tenant.name,
                    Tenant.allow_guests,
                    Tenant.read_profiles,
                    func.coalesce(TenantPolicy.retention_days, Policy.retention_days),
                    Tenant.settings_version,
                )
                .outerjoin(TenantPolicy, TenantPolicy.tenant_id == Tenant.id)
                .where(Tenant.id == self._tenant_id)
            )
        ).one_or_none()
        if row is None:
            return None
        return TenantSettings(*row)

    async def change_settings(self, settings: TenantSettings) -> bool:
        """Write settings over those of `settings.version`. False if that version is past."""
        return await self._call(
            "change_tenant_settings(:version, :name, :guests, :profiles, :days)",
            version=settings.version,
            name=settings.name,
            guests=settings.allow_guests,
            profiles=settings.read_profiles,
            days=settings.retention_days,
        )

    async def _call(self, function: str, **values: object) -> bool:
        return bool(await self._session.scalar(text(f"SELECT {function}"), values))


class SystemTenantRepository:
    """Customers before one is chosen: the table that has no tenant of its own."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(
        self, *, search: str, state: TenantState | None, after: UUID | None, limit: int
    ) -> list[TenantFacts]:
        """Customers by age, the oldest first."""
        query = _customers().order_by(Tenant.id).limit(limit)
        if search:
            query = query.where(Tenant.name.icontains(search, autoescape=True))
        if state is not None:
            query = query.where(Tenant.state == state)
        if after is not None:
            query = query.where(Tenant.id > after)
        return [_tenant(row) for row in await self._session.execute(query)]

    async def by_entra_id(self, entra_tenant_id: UUID) -> TenantFacts | None:
        """The customer with this directory."""
        row = (
            await self._session.execute(_customers().where(Tenant.entra_tenant_id == entra_tenant_id))
        ).one_or_none()
        return None if row is None else _tenant(row)


class MemberRepository:
    """One tenant's people."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def find(self, member_id: UUID) -> MemberFacts | None:
        """A person of the tenant."""
        row = (await self._session.execute(self._people().where(Member.id == member_id))).one_or_none()
        return None if row is None else _member(row)

    async def attributes(self, member_id: UUID) -> tuple[frozenset[str], str]:
        """Entra's ids of a person's groups, and the department."""
        row = (
            await self._session.execute(
                select(Member.groups, Member.department).where(
                    Member.tenant_id == self._tenant_id, Member.id == member_id
                )
            )
        ).one_or_none()
        return (frozenset(), "") if row is None else (frozenset(row.groups), row.department)

    async def groups(self, member_id: UUID) -> frozenset[str]:
        """Entra's ids of a person's groups."""
        found = await self._session.scalar(
            select(Member.groups).where(Member.tenant_id == self._tenant_id, Member.id == member_id)
        )
        return frozenset(found or ())

    async def page(
        self,
        *,
        search: str,
        tombstone: UUID | None,
        role: Role | None,
        state: MemberState | None,
        after: UUID | None,
        limit: int,
    ) -> list[MemberFacts]:
        """People by the time we first saw them; `search` is in the name or department, or an object id."""
        query = self._people().order_by(Member.id).limit(limit)
        if search:
            query = query.where(
                or_(
                    and_(Member.tombstone == tombstone, Member.state == MemberState.ERASED),
                    Member.display_name.icontains(search, autoescape=True),
                    Member.department.icontains(search, autoescape=True),
                    func.cast(Member.entra_object_id, Member.display_name.type) == search.lower(),
                )
            )
        if role is not None:
            query = query.where(Member.role == role)
        if state is not None:
            query = query.where(Member.state == state)
        if after is not None:
            query = query.where(Member.id > after)
        return [_member(row) for row in await self._session.execute(query)]

    async def lock_administrators(self) -> Sequence[UUID]:
        """The active TenantAdmins; until the transaction ends nobody else changes one of them."""
        rows = await self._session.scalars(
            select(Member.id)
            .where(
                Member.tenant_id == self._tenant_id,
                Member.role == Role.TENANT_ADMIN,
                Member.state == MemberState.ACTIVE,
            )
            .order_by(Member.id)
            .with_for_update()
        )
        return rows.all()

    async def bury(self, member_id: UUID, tombstone: UUID) -> None:
        """Write whose the row will have been; another row's that was the same person's before gives way."""
        mine = [Member.tenant_id == self._tenant_id]
        await self._session.execute(
            update(Member)
            .where(*mine, Member.tombstone == tombstone, Member.id != member_id)
            .values(tombstone=None)
            .execution_options(synchronize_session=False)
        )
        await self.change(member_id, tombstone=tombstone)

    async def readmit(self, member_id: UUID) -> bool:
        """Take the tombstone away; False if there was none."""
        gone = await self._session.scalar(
            update(Member)
            .where(Member.tenant_id == self._tenant_id, Member.id == member_id, Member.tombstone.is_not(None))
            .values(tombstone=None)
            .returning(Member.id)
            .execution_options(synchronize_session=False)
        )
        return gone is not None

    async def change_known(self, entra_object_id: UUID, **values: object) -> UUID | None:
        """Write columns of a person known by Entra's object id; gives our id, None if we know nobody."""
        found: UUID | None = await self._session.scalar(
            update(Member)
            .where(Member.tenant_id == self._tenant_id, Member.entra_object_id == entra_object_id)
            .values(**values)
            .returning(Member.id)
            .execution_options(synchronize_session=False)
        )
        return found

    async def change(self, member_id: UUID, **values: object) -> None:
        """Write columns of a person."""
        await self._session.execute(
            update(Member)
            .where(Member.tenant_id == self._tenant_id, Member.id == member_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )

    async def write(self, entra_object_id: UUID, **values: object) -> UUID:
        """Make or change the row of a person known by Entra's object id; gives our id."""
        made: dict[str, Any] = {"role": Role.MEMBER, "state": MemberState.ACTIVE, **values}
        found = await self._session.scalar(
            insert(Member)
            .values(tenant_id=self._tenant_id, id=new_id(), entra_object_id=entra_object_id, **made)
            .on_conflict_do_update(index_elements=["tenant_id", "entra_object_id"], set_=values)
            .returning(Member.id)
        )
        assert isinstance(found, UUID)  # noqa: S101 - either branch returns the row
        return found

    def _people(self) -> Select[Any]:
        return select(*_MEMBER).where(Member.tenant_id == self._tenant_id)


def _customers() -> Select[Any]:
    return select(*_TENANT).where(Tenant.id != PLATFORM)


def _tenant(row: Row[Any]) -> TenantFacts:
    return TenantFacts(**{**row._mapping, "state": TenantState(row.state)})  # noqa: SLF001 - SQLAlchemy's public name


def _member(row: Row[Any]) -> MemberFacts:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    values.update(role=Role(row.role), state=MemberState(row.state), groups=tuple(row.groups))
    return MemberFacts(**values)
