"""Who in a tenant may use which task type: everybody, until an administrator says otherwise."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import null, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.errors import ChangedMeanwhile
from app.tenants.members import NOTHING_KNOWN, MemberAttributes, same_department
from app.tenants.tables import TaskPermission
from app.vocabulary import Role

_LISTS = ("groups", "departments", "roles")


@dataclass(frozen=True)
class Permission:
    """Who may use a task type: a person with any of these; every person where all three are None.

    `groups` are Entra's ids, in lower case; `departments` count whatever their case. An empty list names nobody.
    """

    task_type: str
    groups: tuple[str, ...] | None = None
    departments: tuple[str, ...] | None = None
    roles: tuple[Role, ...] | None = None
    programs: bool = True
    version: int = 1

    @property
    def is_open(self) -> bool:
        """Whether every person may."""
        return self.groups is None and self.departments is None and self.roles is None

    @property
    def asks_for_attributes(self) -> bool:
        """Whether it matters in which groups or department somebody is."""
        return bool(self.groups or self.departments)

    def lets(
        self, *, roles: Collection[Role], is_program: bool, member: MemberAttributes = NOTHING_KNOWN
    ) -> bool:
        """Whether somebody may. What we do not know of a person, they do not have."""
        if is_program:
            return self.programs
        return (
            self.is_open
            or not member.groups.isdisjoint(self.groups or ())
            or not set(self.roles or ()).isdisjoint(roles)
            or (
                bool(member.department)
                and any(same_department(member.department, one) for one in self.departments or ())
            )
        )


async def load_task_permissions(session: AsyncSession, tenant_id: UUID) -> Mapping[str, Permission]:
    """What the tenant has said, by task type."""
    rows = await session.scalars(select(TaskPermission).where(TaskPermission.tenant_id == tenant_id))
    return {row.task_type: _permission(row) for row in rows}


async def task_permission(session: AsyncSession, *, tenant_id: UUID, task_type: str) -> Permission:
    """What the tenant has said of a task type, or that it is everybody's."""
    return (await load_task_permissions(session, tenant_id)).get(task_type, Permission(task_type))


async def change_task_permission(
    session: AsyncSession, *, tenant_id: UUID, wanted: Permission, actor: Actor
) -> Permission:
    """Write a permission over that of `wanted.version`; the same again changes and records nothing.

    Raises: `ChangedMeanwhile` if that version is past.
    """
    before = await task_permission(session, tenant_id=tenant_id, task_type=wanted.task_type)
    if before.version != wanted.version:
        raise ChangedMeanwhile("permission")
    if before == wanted:
        return before
    values: dict[str, Any] = {"programs": wanted.programs, "version": wanted.version + 1}
    for name in _LISTS:
        list_ = getattr(wanted, name)
        # None would be stored as JSON's null, which is not SQL's.
        values[name] = null() if list_ is None else [str(one) for one in list_]
    written = await session.execute(
        insert(TaskPermission)
        .values(tenant_id=tenant_id, task_type=wanted.task_type, **values)
        .on_conflict_do_update(
            index_elements=["tenant_id", "task_type"],
            set_=values,
            where=TaskPermission.version == wanted.version,
        )
        .returning(TaskPermission.version)
    )
    if written.scalar_one_or_none() is None:
        raise ChangedMeanwhile("permission")
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.TASK_PERMISSION_CHANGE,
        target_type="task_type",
        target_id=wanted.task_type,
        detail={
            "everybody": wanted.is_open,
            "programs": wanted.programs,
            **{name: len(getattr(wanted, name) or ()) for name in _LISTS},
        },
    )
    return await task_permission(session, tenant_id=tenant_id, task_type=wanted.task_type)


def _permission(row: TaskPermission) -> Permission:
    return Permission(
        task_type=row.task_type,
        groups=None if row.groups is None else tuple(row.groups),
        departments=None if row.departments is None else tuple(row.departments),
        roles=None if row.roles is None else tuple(map(Role, row.roles)),
        programs=row.programs,
        version=row.version,
    )
