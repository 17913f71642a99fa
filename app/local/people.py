"""The people of the development Entra, as `--tenant` and `--user` name them."""

from collections.abc import Sequence

from app.local.client import ClientError
from app.local.entra.people import Person


def find_person(people: Sequence[Person], tenant: str | None, user: str | None) -> Person:
    """The first one that fits; a user is named by login, by its part before the @, or by name.

    Raises: `ClientError` listing who there is.
    """
    for person in people:
        if tenant is not None and tenant.casefold() != person.tenant.casefold():
            continue
        names = {person.login, person.login.partition("@")[0], person.name, person.name.partition(" ")[0]}
        if user is None or user.casefold() in {name.casefold() for name in names}:
            return person
    tenants = sorted({person.tenant for person in people})
    if tenant is not None and tenant.casefold() not in {name.casefold() for name in tenants}:
        raise ClientError(
            "unknown_tenant",
            f"there is no tenant {tenant!r} here; there is: {', '.join(tenants) or 'none'}",
            target="tenant",
        )
    wanted = " in ".join(part for part in (user, tenant) if part)
    known = ", ".join(f"{person.login} ({person.tenant})" for person in people) or "nobody"
    raise ClientError(
        "unknown_person",
        f"nobody here is called {wanted or 'anything'}; there is: {known}",
        target="user",
    )
