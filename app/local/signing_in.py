"""Signing in for `switchboard run` and `demo`: at the development Entra, or by device code at Microsoft's."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.core.errors import SeedError
from app.identity.sign_in import SignInFailed, sign_in, sign_in_with_device_code
from app.local.client import ClientError
from app.local.entra.people import Person, read_people
from app.local.entra.registrations import SCOPE_NAME
from app.local.guarded import ServiceFailed
from app.local.people import find_person
from app.local.running import Running, find_running
from app.local.state import State

_REGISTRATIONS = ("SWITCHBOARD_API_CLIENT_ID", "SWITCHBOARD_ADDIN_CLIENT_IDS")


def check_program(given: Mapping[str, str]) -> None:
    """An Entra of one's own comes with its registrations. Raises: `ServiceFailed`."""
    if "SWITCHBOARD_ENTRA_AUTHORITY" not in given:
        return
    missing = [name for name in _REGISTRATIONS if not given.get(name)]
    if missing:
        raise ServiceFailed(
            f"SWITCHBOARD_ENTRA_AUTHORITY is set: set {' and '.join(missing)} to its registrations too"
        )
    try:
        program(given)
    except (ValueError, LookupError, TypeError):
        raise ServiceFailed(f'{_REGISTRATIONS[1]} must be a JSON list: ["client id"]') from None


def program(environment: Mapping[str, str]) -> tuple[str, str]:
    """The client that people sign in through, and the scope that they ask for."""
    clients = json.loads(environment["SWITCHBOARD_ADDIN_CLIENT_IDS"])
    return str(clients[0]), f"api://{environment['SWITCHBOARD_API_CLIENT_ID']}/{SCOPE_NAME}"


def operator_settings(seed: Path) -> dict[str, str]:
    """The variable that names the seed's directory of platform operators, if it has one. Raises: `SeedError`."""
    operators = read_people(seed).operator_tenant_id
    return {"SWITCHBOARD_OPERATOR_TENANT": operators} if operators else {}


def is_development(environment: Mapping[str, str]) -> bool:
    """Whether a system started here signs people in at the development Entra."""
    return "SWITCHBOARD_ENTRA_AUTHORITY" not in environment or "SWITCHBOARD_ENTRA_CA" in environment


def who(seed: Path, tenant: str | None, user: str | None, *, development: bool) -> Person | None:
    """The seed's person to sign in; at Microsoft Entra nobody: who signs in there is chosen there.

    Raises: `ClientError`.
    """
    if development:
        return find_person(_people(seed), tenant, user)
    if user is not None:
        raise ClientError(
            "unknown_person",
            "you choose the account where you sign in at Microsoft Entra; leave out --user",
            target="user",
        )
    return None


def token(running: Running, person: Person | None, tenant: str | None, ask: Callable[[str], None]) -> str:
    """An access token for `person`; without one `ask` gets what to do in a browser. Raises: `ClientError`."""
    ca = Path(running.ca) if running.ca else None
    try:
        if person is None:
            return sign_in_with_device_code(
                running.authority,
                running.client_id,
                running.scope,
                ask,
                tenant=tenant or "organizations",
                ca=ca,
            )
        return sign_in(running.authority, running.client_id, running.scope, person.login, ca)
    except SignInFailed as error:
        # Its words are the issuer's reason and never a part of a token.
        raise _not_signed_in(running, person, str(error)) from error
    except (OSError, ValueError, RuntimeError, LookupError) as error:
        raise _not_signed_in(running, person, type(error).__name__) from error


def development_token(tenant: str | None, user: str | None) -> str:
    """An access token of somebody of the development Entra of the system that is up here. Raises: `ClientError`."""
    running = find_running(State.default())
    if running is None:
        raise ClientError("not_running", "no system runs here: start one with `switchboard up`")
    if running.ca is None:
        raise ClientError(
            "not_development",
            "people of Microsoft Entra sign in through the add-in; no token is printed of them",
        )
    person = who(Path(running.seed), tenant, user, development=True)

    def nobody(_sentence: str) -> None:
        """At the development Entra nothing is to be done in a browser."""

    return token(running, person, tenant, nobody)


def _not_signed_in(running: Running, person: Person | None, reason: str) -> ClientError:
    who = "you" if person is None else person.login
    return ClientError("sign_in_failed", f"{who} could not sign in at {running.authority}: {reason}")


def _people(seed: Path) -> Sequence[Person]:
    try:
        return read_people(seed).of("organizations")
    except SeedError as error:
        raise ClientError("seed_error", str(error)) from error
