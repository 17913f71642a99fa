"""The claims of v2.0 tokens. Optional claims (`idtyp`, `acct`, `xms_cc`) appear only where a registration asks.

Source: Microsoft, "Access token claims reference", "ID token claims reference", "Optional claims reference".
"""

import base64
import hashlib
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from app.local.entra.freshness import Freshness, pack, unpack
from app.local.entra.keys import KeyStore, encode
from app.local.entra.people import Person
from app.local.entra.registrations import Registration

LIFETIME_SECONDS = 3600
_BACKDATED_SECONDS = 300
_MOST_GROUPS = 200
_NAMESPACE = uuid.UUID("8f6b5f2e-3f52-4f0c-9a35-6d1d3a1c7e44")


class Tokens:
    """Makes tokens of one authority."""

    def __init__(
        self, authority: str, keys: KeyStore, known: Mapping[str, Registration], freshness: Freshness
    ) -> None:
        self.authority = authority
        self.keys = keys
        self.lifetime_seconds = LIFETIME_SECONDS
        self.known = known
        self._freshness = freshness

    def issuer(self, tenant_id: str) -> str:
        """The `iss` of a tenant's tokens."""
        return f"{self.authority}/{tenant_id}/v2.0"

    def delegated(
        self,
        person: Person,
        client: Registration,
        *,
        audience: str,
        scopes: Sequence[str],
        asked: Mapping[str, Any] | None = None,
        era: int | None = None,
    ) -> dict[str, Any]:
        """Claims of an access token with which a program acts for a person."""
        resource = self._resource(audience)
        return {
            **self._common(person.tenant_id, audience, era=self._era(person, era)),
            **self._program(client),
            **_capabilities(resource, asked or {}),
            **_account(person, resource),
            **_roles(person, resource),
            **self._memberships(person, resource),
            "oid": person.object_id,
            "scp": " ".join(scopes),
            "sub": _pairwise(person, audience),
        }

    def application(
        self,
        tenant_id: str,
        client: Registration,
        *,
        audience: str,
        roles: Sequence[str],
        asked: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Claims of an access token with which a program acts for itself."""
        principal = service_principal_id(tenant_id, client.client_id)
        resource = self._resource(audience)
        return {
            **self._common(tenant_id, audience, era=0),
            **self._program(client),
            **_capabilities(resource, asked or {}),
            **({"idtyp": "app"} if "idtyp" in resource.optional_claims else {}),
            **({"roles": list(roles)} if roles else {}),
            "oid": principal,
            "sub": principal,
        }

    def identity(
        self, person: Person, client: Registration, *, nonce: str | None, era: int | None = None
    ) -> dict[str, Any]:
        """Claims of an ID token: who signed in, for the program alone."""
        return {
            **self._common(person.tenant_id, client.client_id, era=self._era(person, era)),
            **({"nonce": nonce} if nonce is not None else {}),
            **_account(person, client),
            **_roles(person, client),
            **self._memberships(person, client),
            "name": person.name,
            "oid": person.object_id,
            "preferred_username": person.login,
            "sub": _pairwise(person, client.client_id),
        }

    def _resource(self, audience: str) -> Registration:
        return self.known.get(audience) or Registration(audience, "An unknown resource")

    def _era(self, person: Person, era: int | None) -> int:
        return self._freshness.era(person) if era is None else era

    def _common(self, tenant_id: str, audience: str, *, era: int) -> dict[str, Any]:
        now = int(time.time())
        return {
            "aud": audience,
            "iss": self.issuer(tenant_id),
            # Entra dates tokens back a little, for clocks that are behind.
            "iat": now - _BACKDATED_SECONDS,
            "nbf": now - _BACKDATED_SECONDS,
            "exp": now + self.lifetime_seconds,
            "rh": f"1.{encode(pack(era) + secrets.token_bytes(26))}.",
            "tid": tenant_id,
            "uti": encode(secrets.token_bytes(16)),
            "ver": "2.0",
        }

    def _memberships(self, person: Person, registration: Registration) -> dict[str, Any]:
        """`wids` and `groups`, or where to ask for groups when they are too many for a token."""
        claims: dict[str, Any] = {}
        if "DirectoryRole" in registration.group_claims:
            claims["wids"] = list(person.directory_roles)
        if "SecurityGroup" in registration.group_claims and len(person.groups) > _MOST_GROUPS:
            place = f"{self.authority}/graph/v1.0/users/{person.object_id}/getMemberObjects"
            claims["_claim_names"] = {"groups": "src1"}
            claims["_claim_sources"] = {"src1": {"endpoint": place}}
        elif "SecurityGroup" in registration.group_claims and person.groups:
            claims["groups"] = list(person.groups)
        return claims

    @staticmethod
    def _program(client: Registration) -> dict[str, str]:
        proof = "0" if client.is_public else "1" if client.secret is not None else "2"
        return {"azp": client.client_id, "azpacr": proof}


def service_principal_id(tenant_id: str, client_id: str) -> str:
    """The object id of a program in a tenant."""
    return str(uuid.uuid5(_NAMESPACE, f"{tenant_id}/{client_id}"))


def era_of(claims: Mapping[str, Any]) -> int:
    """The era that a token of ours says it is from."""
    content = str(claims.get("rh", "")).removeprefix("1.").removesuffix(".")
    return unpack(base64.urlsafe_b64decode(f"{content}=="))


def _capabilities(resource: Registration, asked: Mapping[str, Any]) -> dict[str, Any]:
    """`xms_cc`: what the program can handle, where the resource wants to know."""
    if "xms_cc" not in resource.optional_claims or not isinstance(asked.get("xms_cc"), dict):
        return {}
    values = [str(one).lower() for one in asked["xms_cc"].get("values", [])]
    return {"xms_cc": ["CP1"]} if "cp1" in values else {}


def _account(person: Person, registration: Registration) -> dict[str, Any]:
    """`acct` where it is asked for; `idp` of those who sign in elsewhere."""
    is_guest = person.home_tenant_id is not None
    return {
        **({"acct": int(is_guest)} if "acct" in registration.optional_claims else {}),
        **({"idp": f"https://sts.windows.net/{person.home_tenant_id}/"} if is_guest else {}),
    }


def _roles(person: Person, registration: Registration) -> dict[str, Any]:
    return {"roles": [person.role]} if person.role in registration.user_roles else {}


def _pairwise(person: Person, audience: str) -> str:
    """A person's subject: another one for every program, as Entra's is."""
    return encode(hashlib.sha256(f"{person.tenant_id}/{person.object_id}/{audience}".encode()).digest())
