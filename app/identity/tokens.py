"""Delegated access tokens: what must hold before one is believed. The order of the rules matters.

Source: Microsoft, "Access tokens in the Microsoft identity platform", section on validation; RFC 8725.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt

from app.identity.errors import InvalidToken
from app.identity.keys import SigningKeys

_LARGEST_TOKEN = 16 * 1024
_LEEWAY_SECONDS = 120
_FORBIDDEN_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit"})
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_REQUIRED = ["exp", "nbf", "iat", "iss", "aud", "sub", "oid", "tid", "ver"]


@dataclass(frozen=True)
class Claims:
    """What a believed token says."""

    entra_tenant_id: UUID
    entra_object_id: UUID
    client_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    is_guest: bool


class AccessTokens:
    """Verifies delegated access tokens for one audience."""

    def __init__(
        self, keys: SigningKeys, *, authority: str, audience: str, client_ids: Collection[str]
    ) -> None:
        self._keys = keys
        self._authority = authority.rstrip("/")
        self._audience = audience
        self._client_ids = frozenset(client_ids)

    async def verify(self, raw: str) -> Claims:
        """Believe a token or not. Raises: `InvalidToken`, `KeysUnavailable`."""
        kid, tid, unverified = _unverified(raw)
        issuer = f"{self._authority}/{tid}/v2.0"
        # Nothing is believed yet, but a token that is plainly not for us must not cost a fetch.
        if unverified.get("aud") != self._audience or unverified.get("iss") != issuer:
            raise InvalidToken("audience_or_issuer")
        self._check_kind(unverified)
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
        return self._delegated(claims)

    def _check_kind(self, claims: dict[str, Any]) -> None:
        """A v2.0 token with which one of our programs acts for a person."""
        if claims.get("ver") != "2.0":
            raise InvalidToken("version")
        client = claims.get("azp")
        if not isinstance(client, str) or client not in self._client_ids:
            raise InvalidToken("client")
        scopes = claims.get("scp")
        if not isinstance(scopes, str) or not scopes or claims.get("idtyp") == "app":
            raise InvalidToken("not_delegated")

    def _delegated(self, claims: dict[str, Any]) -> Claims:
        self._check_kind(claims)
        if not isinstance(claims["oid"], str) or not _GUID.fullmatch(claims["oid"]):
            raise InvalidToken("object_id")
        roles = claims.get("roles", [])
        if not isinstance(roles, list):
            raise InvalidToken("roles")
        return Claims(
            entra_tenant_id=UUID(claims["tid"]),
            entra_object_id=UUID(claims["oid"]),
            client_id=claims["azp"],
            scopes=frozenset(claims["scp"].split()),
            roles=frozenset(role for role in roles if isinstance(role, str)),
            # `acct` is optional; whoever signed in elsewhere says so in `idp`.
            is_guest=claims.get("acct") == 1 or claims.get("idp", claims["iss"]) != claims["iss"],
        )


def _unverified(raw: str) -> tuple[str, str, dict[str, Any]]:
    """Key id, tenant and claims of a token that has the right form; nothing is believed yet."""
    if len(raw) > _LARGEST_TOKEN:
        raise InvalidToken("size")
    try:
        header = jwt.get_unverified_header(raw)
        claims = jwt.decode(raw, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, UnicodeError, RecursionError):
        raise InvalidToken("malformed") from None
    if header.get("alg") != "RS256":
        raise InvalidToken("algorithm")
    if _FORBIDDEN_HEADERS & header.keys():
        raise InvalidToken("header")
    kid, tid = header.get("kid"), claims.get("tid")
    if not isinstance(kid, str) or not isinstance(tid, str) or not _GUID.fullmatch(tid):
        raise InvalidToken("key_or_tenant")
    return kid, tid, claims
