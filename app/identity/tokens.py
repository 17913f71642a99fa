"""Tokens: what must hold before one is believed. One core, and the two profiles of access tokens.

The order of the rules matters: what is plainly not for us costs no fetch of keys, and nothing of ours is
looked up before a token is believed. ID tokens are the third profile, in `app.identity.id_tokens`.

Source: Microsoft, "Access tokens in the Microsoft identity platform", section on validation; RFC 8725.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

import jwt

from app.identity.errors import InvalidToken
from app.identity.keys import SigningKeys

LARGEST_TOKEN = 16 * 1024
_LEEWAY_SECONDS = 120
_FORBIDDEN_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64"})
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_REQUIRED = ["exp", "nbf", "iat", "iss", "aud", "sub", "oid", "tid", "ver"]
_LATEST = 2**40
"""A date in seconds that no real token reaches."""


@dataclass(frozen=True)
class Claims:
    """What a believed delegated access token says."""

    entra_tenant_id: UUID
    entra_object_id: UUID
    client_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    is_guest: bool
    groups: frozenset[str] | None = None
    """Object ids of groups, none where the token names none; None where it says that there are too many."""


@dataclass(frozen=True)
class ApplicationClaims:
    """What a believed app-only access token says; whether its tenant knows the program is not asked yet."""

    entra_tenant_id: UUID
    entra_object_id: UUID
    """The program's own object in its tenant (the service principal)."""
    client_id: UUID
    roles: frozenset[str]


class SignedTokens:
    """The rules that all our tokens share: form, header, key, signature, audience, issuer, dates."""

    def __init__(self, keys: SigningKeys, *, authority: str, audience: str) -> None:
        self._keys = keys
        self._authority = authority.rstrip("/")
        self._audience = audience

    async def verify(self, raw: str, check: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """The claims of a token that is believed; `check` raises on what its profile does not allow.

        Raises: `InvalidToken`, `KeysUnavailable`.
        """
        kid, tid, unverified = _unverified(raw)
        issuer = f"{self._authority}/{tid}/v2.0"
        # Nothing is believed yet, but a token that is plainly not for us must not cost a fetch.
        if unverified.get("aud") != self._audience or unverified.get("iss") != issuer:
            raise InvalidToken("audience_or_issuer")
        _check_form(unverified)
        check(unverified)
        key = await self._keys.get(kid)
        if key.issuer.replace("{tenantid}", tid) != issuer:
            raise InvalidToken("issuer_of_key")
        try:
            claims = jwt.decode(
                raw,
                key.key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED, "strict_aud": True, "verify_iat": True},
            )
        except jwt.PyJWTError as error:
            raise InvalidToken(type(error).__name__) from None
        # Both readings are of the same bytes; that they agree is not left to two parsers.
        if claims != unverified:
            raise InvalidToken("ambiguous")
        return unverified


class AccessTokens:
    """Verifies access tokens for one audience: our API."""

    def __init__(
        self, keys: SigningKeys, *, authority: str, audience: str, client_ids: Collection[str]
    ) -> None:
        self._signed = SignedTokens(keys, authority=authority, audience=audience)
        self._client_ids = frozenset(client_ids)

    async def verify(self, raw: str) -> Claims:
        """Believe a token with which one of our programs acts for a person, or not.

        Raises: `InvalidToken`, `KeysUnavailable`.
        """
        claims = await self._signed.verify(raw, self._check_delegated)
        return Claims(
            entra_tenant_id=UUID(claims["tid"]),
            entra_object_id=guid(claims["oid"], "object_id"),
            client_id=claims["azp"],
            scopes=frozenset(claims["scp"].split()),
            roles=texts(claims, "roles"),
            is_guest=is_guest(claims),
            groups=None if has_more_groups(claims) else texts(claims, "groups"),
        )

    async def verify_application(self, raw: str) -> ApplicationClaims:
        """Believe a token with which a program acts for itself, or not.

        Raises: `InvalidToken`, `KeysUnavailable`.
        """
        claims = await self._signed.verify(raw, _check_application)
        return ApplicationClaims(
            entra_tenant_id=UUID(claims["tid"]),
            entra_object_id=guid(claims["oid"], "object_id"),
            client_id=guid(claims["azp"], "client"),
            roles=texts(claims, "roles"),
        )

    def _check_delegated(self, claims: dict[str, Any]) -> None:
        client, scopes = claims.get("azp"), claims.get("scp")
        if not isinstance(client, str) or client not in self._client_ids:
            raise InvalidToken("client")
        if not isinstance(scopes, str) or not scopes.split() or claims.get("idtyp", "user") != "user":
            raise InvalidToken("not_delegated")


def _check_application(claims: dict[str, Any]) -> None:
    """Whoever acts for a person has scopes, whoever acts for itself has roles; nobody is both.

    Where the registration does not ask for `idtyp`, a program is its own subject, and a person never is.
    Source: Microsoft, "Protected web API: verify scopes and app roles".
    """
    guid(claims.get("azp"), "client")
    if claims.get("sub") != claims.get("oid"):
        raise InvalidToken("not_application")
    if "scp" in claims or claims.get("idtyp", "app") != "app" or not texts(claims, "roles"):
        raise InvalidToken("not_application")


def _check_form(claims: dict[str, Any]) -> None:
    """What the claims that we read must look like, whichever the profile."""
    if claims.get("ver") != "2.0":
        raise InvalidToken("version")
    guid(claims.get("oid"), "object_id")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise InvalidToken("subject")
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if type(value) is not int or not 0 < value < _LATEST:
            raise InvalidToken("dates")
    texts(claims, "roles")


def guid(value: Any, reason: str) -> UUID:
    """An id as Entra writes it: lower case, with hyphens. Raises: `InvalidToken`."""
    if not isinstance(value, str) or not _GUID.fullmatch(value):
        raise InvalidToken(reason)
    return UUID(value)


def texts(claims: dict[str, Any], name: str) -> frozenset[str]:
    """The texts of a claim that is a list, if it is there. Raises: `InvalidToken`."""
    values = claims.get(name, [])
    if not isinstance(values, list):
        raise InvalidToken(name)
    return frozenset(value for value in values if isinstance(value, str))


def has_more_groups(claims: dict[str, Any]) -> bool:
    """Whether Entra left the groups out because they were too many.

    Of somebody in no group the claim is left out without a word, so that it is no sign of anything else.
    Source: Microsoft, "Configure group claims", groups overage.
    """
    names = claims.get("_claim_names")
    return claims.get("hasgroups") is True or (isinstance(names, dict) and "groups" in names)


def group_ids(groups: Iterable[str]) -> list[UUID]:
    """The groups that are named by id: Entra can be told to emit names, which are no keys to anything."""
    return [UUID(one) for one in groups if _GUID.fullmatch(one)]


def is_guest(claims: dict[str, Any]) -> bool:
    """Whether a person is a guest: `acct` is optional, but whoever signed in elsewhere says so in `idp`."""
    return bool(claims.get("acct", 0) != 0 or claims.get("idp", claims["iss"]) != claims["iss"])


def _unverified(raw: str) -> tuple[str, str, dict[str, Any]]:
    """Key id, tenant and claims of a token that has the right form; nothing is believed yet."""
    if len(raw) > LARGEST_TOKEN:
        raise InvalidToken("size")
    parts = raw.split(".")
    if len(parts) != 3 or not all(_BASE64URL.fullmatch(part) for part in parts):
        raise InvalidToken("malformed")
    header = _object(parts[0])
    if header.get("alg") != "RS256":
        raise InvalidToken("algorithm")
    if _FORBIDDEN_HEADERS & header.keys():
        raise InvalidToken("header")
    claims = _object(parts[1])
    kid, tid = header.get("kid"), claims.get("tid")
    if not isinstance(kid, str):
        raise InvalidToken("key")
    guid(tid, "tenant")
    return kid, str(tid), claims


def _object(part: str) -> dict[str, Any]:
    """A part of a token as JSON: an object without doubled names. Raises: `InvalidToken`."""
    try:
        value = json.loads(
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("utf-8"),
            object_pairs_hook=_once_each,
            parse_constant=_no_number,
        )
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidToken("malformed") from None
    if not isinstance(value, dict):
        raise InvalidToken("malformed")
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_number(_name: str) -> NoReturn:
    raise ValueError("not a number of JSON")
