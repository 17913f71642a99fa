"""Who can sign in: the people of the seed file, by tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.local.yaml_file import read_yaml
from app.tenants.seed import SeedTenant, parse_tenants

ANY_TENANT = frozenset({"common", "organizations"})


@dataclass(frozen=True)
class Person:
    """Somebody of a tenant, as Entra knows them."""

    tenant_id: str
    tenant: str
    object_id: str
    name: str
    login: str
    role: str


class People:
    """Everybody, and the tenants that addresses name by id, by domain, or not at all."""

    def __init__(self, tenants: Sequence[SeedTenant]) -> None:
        self._people = [
            Person(
                tenant_id=str(tenant.entra_tenant_id),
                tenant=tenant.name,
                object_id=str(person.object_id),
                name=person.name,
                login=person.login,
                role=person.role.value,
            )
            for tenant in tenants
            for person in tenant.people
        ]
        self._tenant_ids = {str(tenant.entra_tenant_id) for tenant in tenants}
        self._domains = {one.login.partition("@")[2].casefold(): one.tenant_id for one in self._people}

    def tenant_id(self, segment: str) -> str | None:
        """The tenant that the first part of an address names; None if it names none we know."""
        name = segment.casefold()
        return name if name in self._tenant_ids else self._domains.get(name)

    def of(self, segment: str) -> list[Person]:
        """Who can sign in at this address, in the order of the seed."""
        if segment in ANY_TENANT:
            return list(self._people)
        tenant_id = self.tenant_id(segment)
        return [one for one in self._people if one.tenant_id == tenant_id]

    def find(self, login: str) -> Person | None:
        """A person by login name."""
        return next((one for one in self._people if one.login.casefold() == login.casefold()), None)


def read_people(seed: Path) -> People:
    """The people of a seed file. Raises: `SeedError`."""
    content = read_yaml(seed)
    tenants = content.get("tenants") if isinstance(content, dict) else None
    return People(parse_tenants(tenants or [], file=str(seed)))
