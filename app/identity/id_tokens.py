"""ID tokens of the portal's sign-in: who signed in, just now, to our own portal.

MSAL does not validate them; these are the rules of `app.identity.tokens` with another profile.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.identity.errors import InvalidToken
from app.identity.keys import SigningKeys
from app.identity.tokens import SignedTokens, guid, has_more_groups, is_guest, texts

_LONGEST_NAME = 200
_MOST_GROUPS = 200


@dataclass(frozen=True)
class IdClaims:
    """What a believed ID token says."""

    entra_tenant_id: UUID
    entra_object_id: UUID
    name: str
    """For people to read; never a key to anything."""
    roles: frozenset[str]
    wids: frozenset[str]
    """Template ids of the directory roles that the person holds, such as Global Administrator."""
    groups: frozenset[str]
    """Object ids, at most 200; empty where `groups_overage` says that there are more than fit."""
    groups_overage: bool
    is_guest: bool
    issued_at: int
    """Seconds since the epoch."""
    auth_time: int | None
    """When the person last proved who it is; only if the registration asks for it."""


class IdTokens:
    """Verifies ID tokens for one client: the portal."""

    def __init__(self, keys: SigningKeys, authority: str, client_id: str) -> None:
        self._signed = SignedTokens(keys, authority=authority, audience=client_id)

    async def verify(self, raw: str, *, nonce: str) -> IdClaims:
        """Believe an ID token or not. `nonce` is what MSAL keeps in the flow (`flow["nonce"]`).

        Raises: `InvalidToken`, `KeysUnavailable`.
        """
        expected = hashlib.sha256(nonce.encode()).hexdigest()

        def check(claims: dict[str, Any]) -> None:
            _check_identity(claims)
            _check_nonce(claims, expected)

        return _read(await self._signed.verify(raw, check))

    async def verify_renewed(self, raw: str) -> IdClaims:
        """Believe an ID token that came with a renewal, straight from Entra: no request's nonce is in it.

        Raises: `InvalidToken`, `KeysUnavailable`.
        """
        return _read(await self._signed.verify(raw, _check_identity))


def _read(claims: dict[str, Any]) -> IdClaims:
    groups = texts(claims, "groups")
    overage = len(groups) > _MOST_GROUPS or has_more_groups(claims)
    name, auth_time = claims.get("name"), claims.get("auth_time")
    return IdClaims(
        entra_tenant_id=UUID(claims["tid"]),
        entra_object_id=guid(claims["oid"], "object_id"),
        name=name[:_LONGEST_NAME] if isinstance(name, str) else "",
        roles=texts(claims, "roles"),
        wids=texts(claims, "wids"),
        groups=frozenset() if overage else groups,
        groups_overage=overage,
        is_guest=is_guest(claims),
        issued_at=claims["iat"],
        auth_time=auth_time if type(auth_time) is int else None,
    )


def _check_identity(claims: dict[str, Any]) -> None:
    """A token about a person, not one with which somebody acts."""
    if "scp" in claims or "azp" in claims or claims.get("idtyp") is not None:
        raise InvalidToken("not_an_id_token")


def _check_nonce(claims: dict[str, Any], nonce: str) -> None:
    """An answer to the very request that MSAL sent: it sent the SHA-256 of the flow's nonce."""
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(
        given.encode("utf-8", "replace"), nonce.encode()
    ):
        raise InvalidToken("nonce")
