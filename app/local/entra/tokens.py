"""The claims of v2.0 tokens. Optional claims (`idtyp`, `acct`, `email`) are left out, as Entra does unasked.

Source: Microsoft, "Access token claims reference" and "ID token claims reference".
"""

import hashlib
import secrets
import time
import uuid
from collections.abc import Sequence
from typing import Any

from app.local.entra.keys import KeyStore, encode
from app.local.entra.people import Person
from app.local.entra.registrations import Registration

_BACKDATED_SECONDS = 300
_NAMESPACE = uuid.UUID("8f6b5f2e-3f52-4f0c-9a35-6d1d3a1c7e44")


class Tokens:
    """Makes tokens of one authority."""

    def __init__(self, authority: str, keys: KeyStore) -> None:
        self.authority = authority
        self.keys = keys
        self.lifetime_seconds = 3600

    def issuer(self, tenant_id: str) -> str:
        """The `iss` of a tenant's tokens."""
        return f"{self.authority}/{tenant_id}/v2.0"

    def delegated(
        self, person: Person, client: Registration, *, audience: str, scopes: Sequence[str]
    ) -> dict[str, Any]:
        """Claims of an access token with which a program acts for a person."""
        return {
            **self._common(person.tenant_id, audience),
            **self._program(client),
            "oid": person.object_id,
            "roles": [person.role],
            "scp": " ".join(scopes),
            "sub": _pairwise(person, audience),
        }

    def application(
        self, tenant_id: str, client: Registration, *, audience: str, roles: Sequence[str]
    ) -> dict[str, Any]:
        """Claims of an access token with which a program acts for itself."""
        principal = str(uuid.uuid5(_NAMESPACE, f"{tenant_id}/{client.client_id}"))
        granted = {"roles": list(roles)} if roles else {}
        return {
            **self._common(tenant_id, audience),
            **self._program(client),
            **granted,
            "oid": principal,
            "sub": principal,
        }

    def identity(self, person: Person, client: Registration, *, nonce: str | None) -> dict[str, Any]:
        """Claims of an ID token: who signed in, for the program alone."""
        return {
            **self._common(person.tenant_id, client.client_id),
            **({"nonce": nonce} if nonce is not None else {}),
            "name": person.name,
            "oid": person.object_id,
            "preferred_username": person.login,
            "sub": _pairwise(person, client.client_id),
        }

    def _common(self, tenant_id: str, audience: str) -> dict[str, Any]:
        now = int(time.time())
        return {
            "aud": audience,
            "iss": self.issuer(tenant_id),
            # Entra dates tokens back a little, for clocks that are behind.
            "iat": now - _BACKDATED_SECONDS,
            "nbf": now - _BACKDATED_SECONDS,
            "exp": now + self.lifetime_seconds,
            "rh": f"1.{encode(secrets.token_bytes(30))}.",
            "tid": tenant_id,
            "uti": encode(secrets.token_bytes(16)),
            "ver": "2.0",
        }

    @staticmethod
    def _program(client: Registration) -> dict[str, str]:
        proof = "0" if client.is_public else "1" if client.secret is not None else "2"
        return {"azp": client.client_id, "azpacr": proof}


def _pairwise(person: Person, audience: str) -> str:
    """A person's subject: another one for every program, as Entra's is."""
    return encode(hashlib.sha256(f"{person.tenant_id}/{person.object_id}/{audience}".encode()).digest())
