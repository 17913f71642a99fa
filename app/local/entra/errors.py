"""Entra's refusals: an OAuth error with an AADSTS number, as programs look for it.

Source: Microsoft, "Microsoft Entra authentication and authorization error codes".
"""

import uuid
from datetime import UTC, datetime
from typing import Any


class Refused(Exception):
    """A request that Entra does not grant. `number` is the AADSTS code."""

    def __init__(
        self,
        error: str,
        number: int,
        description: str,
        *,
        status: int = 400,
        suberror: str | None = None,
        claims: str | None = None,
    ) -> None:
        super().__init__(description)
        self.error = error
        self.number = number
        self.suberror = suberror
        self.claims = claims
        self.description = f"AADSTS{number}: {description}"
        self.status = status

    def body(self) -> dict[str, Any]:
        """The answer of the token address."""
        return {
            "error": self.error,
            "error_description": self.description,
            "error_codes": [self.number],
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
            "trace_id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
            **({"suberror": self.suberror} if self.suberror is not None else {}),
            **({"claims": self.claims} if self.claims is not None else {}),
        }


def invalid_client(number: int, description: str) -> Refused:
    """The program could not prove who it is."""
    return Refused("invalid_client", number, description, status=401)


def invalid_grant(number: int, description: str) -> Refused:
    """A code, refresh token or device code that is not good, or not for this."""
    return Refused("invalid_grant", number, description)


def invalid_request(number: int, description: str) -> Refused:
    """A parameter is missing or makes no sense."""
    return Refused("invalid_request", number, description)


def consent_required(client_name: str) -> Refused:
    """Neither an administrator nor the person has agreed."""
    return Refused(
        "invalid_grant",
        65001,
        f"The user or administrator has not consented to use the application '{client_name}'."
        " Send an interactive authorization request for this user and resource.",
        suberror="consent_required",
    )


def interaction_required(number: int, description: str, *, claims: str) -> Refused:
    """The person has to do something first; `claims` goes back with the next interactive request."""
    return Refused("interaction_required", number, description, suberror="basic_action", claims=claims)
