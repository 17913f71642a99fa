"""Who asks: people, administrators and programs of three customers, somebody of none, and nobody at all.

The rules here say whom a door lets in before it looks at what is asked for, in our own words and not in the
product's: 401 for the wrong kind of credential, 403 for a directory that is no customer, or for a missing role.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

from app.local.entra.registrations import AUTOMATION_CLIENT_ID
from app.vocabulary import Role
from tests import entra

_NAMES = UUID("5b1f9c1e-7a40-4b7d-9a57-0c2f6f0d9f11")
SECOND_PROGRAM_CLIENT_ID = str(uuid5(_NAMES, "a second program"))
OPERATOR_TENANT: str = entra.operators_tenant()["entra_tenant_id"]


class Kind(StrEnum):
    """What somebody shows at a door."""

    PERSON = "person"
    PROGRAM = "program"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Actor:
    """Somebody who asks. `tenant` is a domain, `name` a login, or a client id for a program."""

    name: str
    kind: Kind
    tenant: str = ""
    roles: frozenset[Role] = frozenset()
    is_customer: bool = True

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}, {self.tenant or 'no tenant'})"


def _person(login: str, *roles: Role, is_customer: bool = True) -> Actor:
    return Actor(login, Kind.PERSON, login.partition("@")[2], frozenset({Role.MEMBER, *roles}), is_customer)


ADA = _person(entra.ADA)
ALAN = _person(entra.ALAN, Role.TENANT_ADMIN)
MARY = _person(entra.MARY, Role.AUDITOR)
GRACE = _person(entra.GRACE)
EDSGER = _person(entra.EDSGER, Role.TENANT_ADMIN)
HEDY = _person("hedy@fabrikam.example", Role.AUDITOR)
BARBARA = _person(entra.BARBARA, Role.PLATFORM_OPERATOR)
KATHERINE = _person(entra.KATHERINE, is_customer=False)
PROGRAM = Actor(AUTOMATION_CLIENT_ID, Kind.PROGRAM, ADA.tenant)
SECOND_PROGRAM = Actor(SECOND_PROGRAM_CLIENT_ID, Kind.PROGRAM, ADA.tenant)
FOREIGN_PROGRAM = Actor(AUTOMATION_CLIENT_ID, Kind.PROGRAM, GRACE.tenant)
NOBODY = Actor("nobody", Kind.NOBODY)

OWNING_TENANT = ADA.tenant
EVERYBODY = (
    ADA,
    ALAN,
    MARY,
    GRACE,
    EDSGER,
    HEDY,
    BARBARA,
    KATHERINE,
    PROGRAM,
    SECOND_PROGRAM,
    FOREIGN_PROGRAM,
    NOBODY,
)
PEOPLE = tuple(one for one in EVERYBODY if one.kind is Kind.PERSON)


class Guard(StrEnum):
    """Whom an operation is for."""

    PEOPLE = "people with the add-in's token"
    PROGRAMS = "programs with their own token"
    VISITORS = "whoever has signed in at the portal"
    MEMBERS = "people of a customer at the portal"
    LOOKERS = "administrators and auditors at the portal"
    ADMINISTRATORS = "administrators at the portal"
    OPERATORS = "the operator's people at the portal"
    OPEN = "everybody"


_ROLES = {
    Guard.LOOKERS: frozenset({Role.TENANT_ADMIN, Role.AUDITOR}),
    Guard.ADMINISTRATORS: frozenset({Role.TENANT_ADMIN}),
    Guard.OPERATORS: frozenset({Role.PLATFORM_OPERATOR}),
}
_DOORS = {"addin": Guard.PEOPLE, "automation": Guard.PROGRAMS}


def refusal(actor: Actor, guard: Guard) -> tuple[int, str] | None:
    """Status and code by which the guard turns the actor away, whatever is asked for; None: it does not."""
    if guard is Guard.OPEN:
        return None
    at_the_portal = guard not in _DOORS.values()
    wanted = Kind.PROGRAM if guard is Guard.PROGRAMS else Kind.PERSON
    if actor.kind is not wanted:
        return 401, "session_required" if at_the_portal else "invalid_token"
    if not actor.is_customer and guard is not Guard.VISITORS:
        return 403, "tenant_not_onboarded"
    roles = _ROLES.get(guard)
    if roles is not None and actor.roles.isdisjoint(roles):
        return 403, "role_missing"
    return None
