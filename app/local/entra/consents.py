"""Who agreed that a program may act: administrators for a whole tenant, people for themselves."""

from collections.abc import Iterable, Mapping

from app.local.entra.people import Person
from app.local.entra.registrations import Registration


class Consents:
    """Consents by tenant and program. The tenants given have consented to everything at the start."""

    def __init__(self, tenant_ids: Iterable[str], known: Mapping[str, Registration]) -> None:
        self._initial = frozenset(tenant_ids)
        self._known = known
        self._everything: set[str] = set()
        self._tenants: set[tuple[str, str]] = set()
        self._people: set[tuple[str, str, str]] = set()
        self.reset()

    def reset(self) -> None:
        """As at the start."""
        self._everything = set(self._initial)
        self._tenants.clear()
        self._people.clear()

    def grant(self, tenant_id: str, client_id: str | None = None) -> None:
        """An administrator agrees for everybody: to one program and those it is a known client of, or to all."""
        if client_id is None:
            self._everything.add(tenant_id)
            return
        covered = {one.client_id for one in self._known.values() if client_id in one.known_clients}
        self._tenants |= {(tenant_id, one) for one in (client_id, *covered)}

    def withdraw(self, tenant_id: str, client_id: str | None = None) -> None:
        """Nobody of the tenant has agreed to the program, or to any."""
        if client_id is None:
            self._tenants = {one for one in self._tenants if one[0] != tenant_id}
        elif tenant_id in self._everything:
            self._tenants |= {(tenant_id, one) for one in self._known}
        self._everything.discard(tenant_id)
        self._tenants.discard((tenant_id, client_id or ""))
        self._people = {one for one in self._people if one[0] != tenant_id or client_id not in {None, one[2]}}

    def grant_person(self, person: Person, client_id: str) -> None:
        """One person agrees, for nobody else; grants no application role."""
        self._people.add((person.tenant_id, person.object_id, client_id))

    def is_tenant_wide(self, tenant_id: str, client_id: str) -> bool:
        """Whether an administrator agreed for everybody."""
        return tenant_id in self._everything or (tenant_id, client_id) in self._tenants

    def covers(self, person: Person, client_id: str) -> bool:
        """Whether the program may act for this person."""
        return self.is_tenant_wide(person.tenant_id, client_id) or self.is_personal(person, client_id)

    def is_personal(self, person: Person, client_id: str) -> bool:
        """Whether the person agreed themselves."""
        return (person.tenant_id, person.object_id, client_id) in self._people

    def is_present(self, tenant_id: str, client_id: str) -> bool:
        """Whether the tenant knows the program at all: its service principal appears with the first consent."""
        return self.is_tenant_wide(tenant_id, client_id) or any(
            (one[0], one[2]) == (tenant_id, client_id) for one in self._people
        )

    def agreed_people(self, tenant_id: str, client_id: str) -> list[str]:
        """Object ids of those who agreed for themselves."""
        return sorted(one[1] for one in self._people if (one[0], one[2]) == (tenant_id, client_id))
