"""Entra's refusals: an OAuth error with an AADSTS number, as programs look for it.

Source: Microsoft, "Microsoft Entra authentication and authorization error codes".
"""

import uuid
from datetime import UTC, datetime
from typing import Any


class Refused(Exception):
    """A request that Entra does not grant. `number` is the AADSTS code."""

    def __init__(self, error: str, number: int, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.number = number
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
