"""An issuer of workload identities, as Kubernetes has one: its tokens stand in for a program's secret."""

import time
import uuid
from typing import Any

import jwt

from app.local.entra.keys import SigningKey


class WorkloadIssuer:
    """Signs tokens for workloads. Its key is made at the first use and lives in memory."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._key: SigningKey | None = None

    def token(
        self, subject: str, *, audience: str = "api://AzureADTokenExchange", seconds: float = 3600.0
    ) -> str:
        """What a workload finds in its token file."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": subject,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + int(seconds),
            "jti": str(uuid.uuid4()),
        }
        return self.key.sign(claims)

    @property
    def key(self) -> SigningKey:
        """The signing key."""
        if self._key is None:
            self._key = SigningKey.new()
        return self._key

    def decode(self, token: str, *, audience: str) -> dict[str, Any]:
        """The claims of one of its tokens. Raises: `jwt.PyJWTError`."""
        claims: dict[str, Any] = jwt.decode(
            token,
            self.key.key.public_key(),
            algorithms=["RS256"],
            audience=audience,
            issuer=self.issuer,
            options={"require": ["exp", "iss", "sub", "aud"]},
        )
        return claims
