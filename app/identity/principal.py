"""The verified caller, and which roles count."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from app.vocabulary import Role


class PrincipalKind(StrEnum):
    """How the caller has proven who it is; a route takes one kind."""

    DELEGATED = "delegated"
    """A person, by a program's access token: the add-in."""
    APPLICATION = "application"
    """A program of a tenant that acts for itself, bound to the member that pays."""
    SESSION = "session"
    """A person, by the portal's session cookie."""


@dataclass(frozen=True)
class Principal:
    """A person of a tenant, known by (tenant, object id), never by mail or name; or a program.

    `entra_object_id` is the person's, or the program's own in its tenant; `member_id` is the person,
    or the member to which the program is bound.
    """

    tenant_id: UUID
    member_id: UUID
    entra_tenant_id: UUID
    entra_object_id: UUID
    roles: frozenset[Role]
    client_id: str
    scopes: frozenset[str]
    kind: PrincipalKind = PrincipalKind.DELEGATED


def effective_roles(
    claimed: Collection[str], row: Role, *, entra_tenant_id: UUID, operator_tenant: UUID | None
) -> frozenset[Role]:
    """What a person may do: roles that Entra claims and our row grants, both; everybody is a member.

    Any customer can assign any role of the app to its own people, so PlatformOperator counts only in
    the operator's tenant.
    """
    granted = {row} if row.value in claimed else set()
    if operator_tenant is None or entra_tenant_id != operator_tenant:
        granted.discard(Role.PLATFORM_OPERATOR)
    return frozenset({Role.MEMBER, *granted})
