"""How recently people signed in, and what a renewal needs: revocation, a fresh sign-in, a policy.

Sign-ins are counted in eras: ending all of a person's sign-ins begins a new one. Tokens say theirs in `rh`,
the claim that Entra keeps for its own use.
"""

import json
import struct
from collections import Counter
from collections.abc import Mapping
from typing import Any

from app.local.entra.errors import interaction_required, invalid_grant, invalid_request
from app.local.entra.people import Person


class Freshness:
    """Eras and policies by person."""

    def __init__(self) -> None:
        self._eras: Counter[str] = Counter()
        self._revoked_before: dict[str, int] = {}
        self._policies: dict[str, str] = {}

    def reset(self) -> None:
        """As at the start, but for the eras: what was ended stays ended."""
        self._revoked_before.clear()
        self._policies.clear()

    def era(self, person: Person) -> int:
        """The era of a sign-in of this moment."""
        return self._eras[person.object_id]

    def begin_era(self, person: Person) -> int:
        """Sign-ins before this moment are from an earlier era."""
        self._eras[person.object_id] += 1
        return self._eras[person.object_id]

    def revoke(self, person: Person) -> None:
        """End all sign-ins of the person, as `revokeSignInSessions` does."""
        self._revoked_before[person.object_id] = self.begin_era(person)

    def require_policy(self, person: Person, policy: str | None = "p1") -> None:
        """Conditional access: renewals need a sign-in that meets the policy; None lifts it."""
        self._policies.pop(person.object_id, None)
        if policy is not None:
            self._policies[person.object_id] = policy

    def signed_in(self, person: Person, claims: Mapping[str, Any]) -> None:
        """The person is here: what the request asks for is done."""
        asked = claims.get("capolids")
        if isinstance(asked, dict) and self._policies.get(person.object_id) in asked.get("values", []):
            self.require_policy(person, None)

    def check(self, person: Person, era: int, asked: Mapping[str, Any]) -> None:
        """Whether a sign-in of an era may be renewed with the claims asked for. Raises: `Refused`."""
        if era < self._revoked_before.get(person.object_id, 0):
            raise invalid_grant(
                50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed."
            )
        policy = self._policies.get(person.object_id)
        if policy is not None:
            claims = {"access_token": {"capolids": {"essential": True, "values": [policy]}}}
            raise interaction_required(
                50076,
                "Due to a configuration change made by your administrator, you must use multi-factor"
                " authentication to access the resource.",
                claims=json.dumps(claims),
            )
        if "nbf" in asked and era < self.era(person):
            raise interaction_required(
                50132,
                "The session is not valid: a fresh sign-in is needed.",
                claims=json.dumps({"access_token": {"nbf": asked["nbf"]}}),
            )


def asked_claims(text: str | None) -> dict[str, Any]:
    """The `access_token` part of a request's `claims`. Raises: `Refused`."""
    try:
        content = json.loads(text) if text else {}
        part = content.get("access_token", {})
        if not isinstance(part, dict):
            raise TypeError
    except (ValueError, AttributeError, TypeError):
        raise invalid_request(50146, "The claims parameter is not a JSON object of claims.") from None
    return part


def pack(era: int) -> bytes:
    """An era as four bytes."""
    return struct.pack(">I", era)


def unpack(content: bytes) -> int:
    """The era that the first four bytes say."""
    return int(struct.unpack(">I", content[:4])[0])
