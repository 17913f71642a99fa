"""Who calls Graph: what its tokens must say."""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import jwt

from app.local.entra.people import People, Person
from app.local.entra.registrations import GRAPH_CLIENT_ID
from app.local.entra.tokens import Tokens, era_of
from app.local.graph.errors import denied, unauthorized


@dataclass(frozen=True)
class Caller:
    """A believed token; `person` is None for a program that acts for itself."""

    tenant_id: str
    person: Person | None
    allowed: frozenset[str]
    era: int

    def require(self, *permissions: str) -> None:
        """One of these must have been granted. Raises: `GraphRefused`."""
        if self.allowed.isdisjoint(permissions):
            raise denied("Insufficient privileges to complete the operation.")

    def require_person(self) -> Person:
        """For whom the program acts. Raises: `GraphRefused`."""
        if self.person is None:
            raise denied("/me request is only valid with delegated authentication flow.")
        return self.person


def read_caller(header: str | None, *, tokens: Tokens, people: People) -> Caller:
    """The caller behind an Authorization header. Raises: `GraphRefused`."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.casefold() != "bearer" or not token:
        raise unauthorized("Access token is empty.", authority=tokens.authority)
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        key = next((one for one in tokens.keys.keys if one.kid == kid), tokens.keys.current)
        claims: dict[str, Any] = jwt.decode(
            token, key.key.public_key(), algorithms=["RS256"], audience=GRAPH_CLIENT_ID
        )
    except jwt.PyJWTError as error:
        raise unauthorized(
            f"The access token is not valid: {type(error).__name__}.", authority=tokens.authority
        ) from None
    person = people.by_object_id(claims["tid"], claims["oid"])
    granted: Collection[str] = claims.get("scp", "").split() if person else claims.get("roles", [])
    return Caller(claims["tid"], person, frozenset(granted), era_of(claims))


def challenge(authority: str) -> Exception:
    """The refusal that asks for a token of a sign-in from now on."""
    claims = {"access_token": {"nbf": {"essential": True, "value": str(int(time.time()))}}}
    return unauthorized(
        "Continuous access evaluation resulted in challenge with result: InteractionRequired.",
        authority=authority,
        claims=json.dumps(claims),
    )
