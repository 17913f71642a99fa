"""The verified caller."""

from dataclasses import dataclass
from uuid import UUID

from app.vocabulary import Role


@dataclass(frozen=True)
class Principal:
    """A person of a tenant, known by (tenant, object id), never by mail or name."""

    tenant_id: UUID
    member_id: UUID
    entra_tenant_id: UUID
    entra_object_id: UUID
    roles: frozenset[Role]
    client_id: str
    scopes: frozenset[str]
