"""Whose configuration a request is about: the caller's organisation's, or with `?owner=platform` the operator's own.

Everybody's administrators write their own rows; the platform's are written by its operators, in a session of
PLATFORM, so that row-level security is the same for both.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession

from app.http.guards import InProcess, PortalMember
from app.identity.errors import RoleMissing
from app.identity.principal import Principal
from app.vocabulary import PLATFORM, Role


class Owner(StrEnum):
    """Whose a piece of configuration is."""

    TENANT = "tenant"
    PLATFORM = "platform"


def owner_of(tenant_id: UUID) -> Owner:
    """Whose a row with this tenant is, for somebody who may see it."""
    return Owner.PLATFORM if tenant_id == PLATFORM else Owner.TENANT


WhoseQuery = Annotated[
    Owner, Query(description="`platform`: the platform's own configuration, for its operators.")
]


@dataclass(frozen=True)
class Desk:
    """Who administers, and whose rows."""

    caller: Principal
    tenant_id: UUID


def _desk(*roles: Role) -> Callable[..., Awaitable[Desk]]:
    async def guard(caller: PortalMember, owner: WhoseQuery = Owner.TENANT) -> Desk:
        wanted = (Role.PLATFORM_OPERATOR,) if owner is Owner.PLATFORM else roles
        if caller.roles.isdisjoint(wanted):
            raise RoleMissing(" or ".join(wanted))
        return Desk(caller, PLATFORM if owner is Owner.PLATFORM else caller.tenant_id)

    return guard


LooksAtConfiguration = Annotated[Desk, Depends(_desk(Role.TENANT_ADMIN, Role.AUDITOR))]
ChangesConfiguration = Annotated[Desk, Depends(_desk(Role.TENANT_ADMIN))]


async def _session(
    caller: PortalMember, state: InProcess, owner: WhoseQuery = Owner.TENANT
) -> AsyncIterator[AsyncSession]:
    is_operator = Role.PLATFORM_OPERATOR in caller.roles
    if owner is Owner.PLATFORM and not is_operator:
        raise RoleMissing(Role.PLATFORM_OPERATOR)
    async with state.database.tenant(PLATFORM if owner is Owner.PLATFORM else caller.tenant_id) as session:
        yield session


ConfigurationSession = Annotated[AsyncSession, Depends(_session, scope="function")]
"""The request's one transaction, in the tenant whose rows it is about."""
