"""Who can sign in: the people of the seed file, by tenant."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.local.yaml_file import read_yaml
from app.tenants.seed import SeedTenant, parse_tenants
from app.vocabulary import Role

ANY_TENANT = frozenset({"common", "organizations"})

EVERYBODY = "b79fbf4d-3ef9-4689-8143-76b194e85509"
"""What `wids` of every member holds."""
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
CONSENTING_ROLES = frozenset(
    {
        GLOBAL_ADMINISTRATOR,
        "e8611ab8-c189-46e8-94e1-60213ab1f814",  # Privileged Role Administrator
        "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
        "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
    }
)
"""Who may consent for a tenant. Source: Microsoft, "Microsoft Entra built-in roles" (template ids)."""

_DEPARTMENTS = {"TenantAdmin": "Information Technology", "Auditor": "Compliance", "Member": "Finance"}
_GROUPS = uuid.UUID("c2d7a1f9-64e3-4b08-9f15-7a80d3b6e2c4")
_GUESTS = uuid.UUID("7d90e4b2-15fa-4c6e-a3d8-0b72c9f1e684")


@dataclass(frozen=True)
class Person:
    """Somebody of a tenant, as Entra knows them."""

    tenant_id: str
    tenant: str
    object_id: str
    name: str
    login: str
    role: str
    directory_roles: tuple[str, ...] = (EVERYBODY,)
    """Template ids of directory roles: `wids`."""
    groups: tuple[str, ...] = ()
    """Ids of security groups."""
    department: str = ""
    home_tenant_id: str | None = None
    """Where a guest signs in; None for the tenant's own people."""

    @property
    def home_object_id(self) -> str:
        """Their id where they sign in; a guest has another one there."""
        if self.home_tenant_id is None:
            return self.object_id
        return str(uuid.uuid5(_GUESTS, f"{self.home_tenant_id}/{self.object_id}"))

    @property
    def may_consent(self) -> bool:
        """Whether they can consent for the whole tenant."""
        return not CONSENTING_ROLES.isdisjoint(self.directory_roles)


def person(tenant_id: str, tenant: str, *, object_id: str, name: str, login: str, role: str) -> Person:
    """Somebody with the department, groups and directory roles that go with the role."""
    department = _DEPARTMENTS.get(role, "Operations")
    return Person(
        tenant_id=tenant_id,
        tenant=tenant,
        object_id=object_id,
        name=name,
        login=login,
        role=role,
        directory_roles=(EVERYBODY, *((GLOBAL_ADMINISTRATOR,) if role == "TenantAdmin" else ())),
        groups=tuple(group_id(tenant_id, one) for one in ("All staff", department)),
        department=department,
    )


def group_id(tenant_id: str, name: str) -> str:
    """The id of a tenant's group: `All staff`, or the name of a department."""
    return str(uuid.uuid5(_GROUPS, f"{tenant_id}/{name}"))


class People:
    """Everybody, and the tenants that addresses name by id, by domain, or not at all."""

    def __init__(self, tenants: Sequence[SeedTenant]) -> None:
        self._people: list[Person] = []
        self._tenant_ids = {str(tenant.entra_tenant_id) for tenant in tenants}
        self.not_onboarded = frozenset(str(one.entra_tenant_id) for one in tenants if not one.onboarded)
        """Tenants that have consented to nothing."""
        self.operator_tenant_id = next((str(one.entra_tenant_id) for one in tenants if _operates(one)), "")
        """The first tenant with a platform operator; empty if there is none."""
        self._domains: dict[str, str] = {}
        for tenant in tenants:
            for one in tenant.people:
                self.add(
                    person(
                        str(tenant.entra_tenant_id),
                        tenant.name,
                        object_id=str(one.object_id),
                        name=one.name,
                        login=one.login,
                        role=one.role.value,
                    )
                )

    def add(self, person: Person) -> Person:
        """One more, or another version of a known one (by login); may be of a tenant not known so far."""
        self._people = [one for one in self._people if one.login != person.login]
        self._people.append(person)
        self._tenant_ids.add(person.tenant_id)
        if person.home_tenant_id is None:
            self._domains[person.login.partition("@")[2].casefold()] = person.tenant_id
        return person

    def replace(self, others: "People") -> None:
        """Be what the others are."""
        self._people = list(others._people)  # noqa: SLF001 - another of this class
        self._tenant_ids = set(others._tenant_ids)  # noqa: SLF001
        self._domains = dict(others._domains)  # noqa: SLF001

    @property
    def tenant_ids(self) -> frozenset[str]:
        """Every tenant."""
        return frozenset(self._tenant_ids)

    def tenant_id(self, segment: str) -> str | None:
        """The tenant that the first part of an address names; None if it names none we know."""
        name = segment.casefold()
        return name if name in self._tenant_ids else self._domains.get(name)

    def by_object_id(self, tenant_id: str, object_id: str) -> Person | None:
        """A person by tenant and object id."""
        return next(
            (one for one in self._people if (one.tenant_id, one.object_id) == (tenant_id, object_id)), None
        )

    def of(self, segment: str) -> list[Person]:
        """Who can sign in at this address, in the order of the seed."""
        if segment in ANY_TENANT:
            return list(self._people)
        tenant_id = self.tenant_id(segment)
        return [one for one in self._people if one.tenant_id == tenant_id]

    def find(self, login: str) -> Person | None:
        """A person by login name."""
        return next((one for one in self._people if one.login.casefold() == login.casefold()), None)


def _operates(tenant: SeedTenant) -> bool:
    return any(one.role is Role.PLATFORM_OPERATOR for one in tenant.people)


def read_people(seed: Path) -> People:
    """The people of a seed file. Raises: `SeedError`."""
    content = read_yaml(seed)
    tenants = content.get("tenants") if isinstance(content, dict) else None
    return People(parse_tenants(tenants or [], file=str(seed)))
