"""`switchboard operator`: who operates the platform. Only whoever runs it decides that, never a customer.

The first operator can be made no other way: everything at the portal asks for one. It works in the role of
the doors, in the operator's own tenant, and leaves entries in that tenant's record. It works wherever DATABASE_URL
leads; without it, on the system that runs on this machine.
"""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from app.audit.record import Actor, ActorKind
from app.core.clock import new_id
from app.core.database import Database, psycopg_url
from app.core.errors import Conflict
from app.local.requirements import reach_database
from app.local.this_machine import of_this_machine
from app.settings import MissingSetting, Settings
from app.tenants import members, service
from app.tenants.directory import TenantDirectory
from app.vocabulary import Role, TenantState

_OPERATOR = Actor(ActorKind.OPERATOR)


def invite(settings: Settings, *, name: str) -> str:
    """Let the operator's directory bring itself in; says what to do next. Raises: `MissingSetting`, `TenantExists`."""
    settings = of_this_machine(settings)
    directory = _directory(settings)

    async def work(database: Database) -> None:
        async with database.system() as session:
            known = await service.by_entra_id(session, entra_tenant_id=directory)
        tenant_id = new_id() if known is None else known.id
        async with database.tenant(tenant_id) as session:
            await service.invite(
                session, tenant_id=tenant_id, entra_tenant_id=directory, name=name, actor=_OPERATOR
            )

    _run(settings, work)
    return f"{directory} is invited: its administrator now signs in at the portal and consents"


def grant(settings: Settings, *, object_id: UUID) -> str:
    """Make somebody of the operator's directory a platform operator; gives a sentence.

    Raises: `MissingSetting`, `Conflict` before the directory was brought in, `LastAdministrator`.
    """
    return _give(settings, object_id, Role.PLATFORM_OPERATOR)


def revoke(settings: Settings, *, object_id: UUID) -> str:
    """Make a platform operator a plain member again. Raises: as `grant`."""
    return _give(settings, object_id, Role.MEMBER)


def _give(settings: Settings, object_id: UUID, role: Role) -> str:
    settings = of_this_machine(settings)
    directory = _directory(settings)
    changed = False

    async def work(database: Database) -> None:
        nonlocal changed
        async with database.system() as session:
            tenant = await service.by_entra_id(session, entra_tenant_id=directory)
        if tenant is None or tenant.state is not TenantState.ACTIVE:
            raise Conflict(
                f"The operator's directory {directory} is not an active tenant: `switchboard operator invite`,"
                " then its administrator consents at the portal."
            )
        if role is Role.PLATFORM_OPERATOR:
            # Somebody who has not signed in yet gets the row that a sign-in would make.
            await TenantDirectory(database).member(tenant.id, object_id, "")
        async with database.tenant(tenant.id) as session:
            for one in await members.page(session, tenant_id=tenant.id, search=str(object_id)):
                if one.entra_object_id != object_id or one.role is role:
                    continue
                if role is Role.PLATFORM_OPERATOR or one.role is Role.PLATFORM_OPERATOR:
                    await members.change(
                        session, tenant_id=tenant.id, member_id=one.id, actor=_OPERATOR, role=role
                    )
                    changed = True

    _run(settings, work)
    if role is Role.MEMBER:
        return f"{object_id} is no platform operator{' any more' if changed else ''}"
    also = "; Entra has to assign them the role PlatformOperator of the portal as well"
    return f"{object_id} is {'now' if changed else 'already'} a platform operator{also}"


def _directory(settings: Settings) -> UUID:
    if settings.operator_tenant is None:
        raise MissingSetting(
            "SWITCHBOARD_OPERATOR_TENANT is not set; it is the Entra tenant of whoever operates the platform"
        )
    return settings.operator_tenant


def _run(settings: Settings, work: Callable[[Database], Awaitable[None]]) -> None:
    url = settings.required("database_url")
    reach_database("DATABASE_URL", url)

    async def main() -> None:
        database = Database(psycopg_url(url), pool_size=1, application_name="switchboard-operator")
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(main())
