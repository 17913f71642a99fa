"""Whether somebody may use a task type: asked when a job is accepted, and when task types are shown."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.errors import TaskTypeNotPermitted
from app.pools.configuration import Configuration
from app.tenants.members import NOTHING_KNOWN, MemberAttributes, attributes_of
from app.tenants.task_permissions import load_task_permissions
from app.vocabulary import Role


@dataclass(frozen=True)
class Asker:
    """A person or a program that wants to use a task type."""

    tenant_id: UUID
    member_id: UUID
    roles: Collection[Role]
    is_program: bool = False
    attributes: MemberAttributes | None = None
    """Of somebody whom nobody looks up; None to look."""


async def may_use(session: AsyncSession, configuration: Configuration, asker: Asker, task_type: str) -> bool:
    """Whether the tenant lets them; no SQL where it has said nothing of groups and departments."""
    permissions = await configuration.remembered("task_permissions", asker.tenant_id, load_task_permissions)
    permission = permissions.get(task_type)
    if permission is None:
        return True
    member = asker.attributes or NOTHING_KNOWN
    if asker.attributes is None and permission.asks_for_attributes and not asker.is_program:
        member = await attributes_of(session, tenant_id=asker.tenant_id, member_id=asker.member_id)
    return permission.lets(roles=asker.roles, is_program=asker.is_program, member=member)


async def require_permission(
    session: AsyncSession, configuration: Configuration, asker: Asker, task_type: str
) -> None:
    """Raises: `TaskTypeNotPermitted`."""
    if not await may_use(session, configuration, asker, task_type):
        raise TaskTypeNotPermitted(task_type)
