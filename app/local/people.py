"""The people of the development Entra, as `--tenant` and `--user` name them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.local.client import ClientError


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in at the development Entra."""

    tenant: str
    name: str
    login: str


def read_people(seed: Path) -> list[Person]:
    """Everybody in a seed file, in its order. Raises: `ClientError`."""
    try:
        tenants: list[dict[str, Any]] = (yaml.safe_load(seed.read_text()) or {}).get("tenants") or []
        return [
            Person(str(tenant["name"]), str(person["name"]), str(person["login"]))
            for tenant in tenants
            for person in tenant.get("people") or []
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ClientError(
            "no_people", f"{seed} does not say who can sign in ({type(error).__name__})"
        ) from error


def find_person(people: list[Person], tenant: str | None, user: str | None) -> Person:
    """The first one that fits; a user is named by login, by its part before the @, or by name.

    Raises: `ClientError` listing who there is.
    """
    for person in people:
        if tenant is not None and tenant.casefold() != person.tenant.casefold():
            continue
        names = {person.login, person.login.partition("@")[0], person.name, person.name.partition(" ")[0]}
        if user is None or user.casefold() in {name.casefold() for name in names}:
            return person
    wanted = " in ".join(part for part in (user, tenant) if part)
    known = ", ".join(f"{person.login} ({person.tenant})" for person in people) or "nobody"
    raise ClientError("unknown_person", f"nobody here is called {wanted or 'anything'}; there is: {known}")
