"""The token address: code with PKCE, refresh token, device code, client credentials, on behalf of."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from app.local.entra.clients import Clients, Form
from app.local.entra.consents import Consents
from app.local.entra.errors import Refused, consent_required, invalid_client, invalid_grant, invalid_request
from app.local.entra.freshness import Freshness, asked_claims
from app.local.entra.keys import encode
from app.local.entra.on_behalf import read_assertion
from app.local.entra.people import ANY_TENANT, People, Person
from app.local.entra.registrations import GRAPH_CLIENT_ID, Registration
from app.local.entra.scopes import Asked, default_of, find_resource, understand
from app.local.entra.sign_ins import Refresh, SignIns
from app.local.entra.tokens import Tokens

_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_OLD_DEVICE_CODE = "device_code"
"""As it was called in drafts of RFC 8628; Entra takes it still, and MSAL for Node.js sends it."""
_ON_BEHALF = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Grants:
    """Turns forms into tokens."""

    def __init__(
        self,
        tokens: Tokens,
        people: People,
        sign_ins: SignIns,
        *,
        known: Mapping[str, Registration],
        clients: Clients,
        consents: Consents,
        freshness: Freshness,
    ) -> None:
        self._tokens = tokens
        self._people = people
        self._sign_ins = sign_ins
        self._known = known
        self._clients = clients
        self._consents = consents
        self._freshness = freshness
        self._grants: dict[str, Callable[[str, Form, Registration], dict[str, Any]]] = {
            "authorization_code": self._code,
            "refresh_token": self._refresh,
            _DEVICE_CODE: self._device,
            _OLD_DEVICE_CODE: self._device,
            "client_credentials": self._credentials,
            _ON_BEHALF: self._on_behalf,
        }

    def answer(self, segment: str, form: Form) -> dict[str, Any]:
        """Tokens for a form posted under a tenant's address. Raises: `Refused`."""
        if segment not in ANY_TENANT and self._people.tenant_id(segment) is None:
            raise invalid_request(90002, f"Tenant '{segment}' not found.")
        grant = self._grants.get(form.get("grant_type", ""))
        if grant is None:
            raise Refused("unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        address = f"{self._tokens.authority}/{segment}/oauth2/v2.0/token"
        return grant(segment, form, self._clients.authenticate(form, token_address=address))

    def _code(self, segment: str, form: Form, client: Registration) -> dict[str, Any]:
        if not form.get("code_verifier"):
            raise invalid_grant(50148, "The code_verifier is missing.")
        code = self._sign_ins.redeem(
            form.get("code", ""),
            client_id=client.client_id,
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form["code_verifier"],
        )
        self._check_home(segment, code.person)
        # A program may name a resource among those that the person saw; without one it is the first.
        scopes = tuple(form.get("scope", "").split()) or code.scopes
        return self._signed_in(
            Refresh(code.person, client.client_id, scopes, code.era), client, form, nonce=code.nonce
        )

    def _refresh(self, segment: str, form: Form, client: Registration) -> dict[str, Any]:
        known = self._sign_ins.refresh(form.get("refresh_token", ""), client_id=client.client_id)
        self._check_home(segment, known.person)
        # As they are now: a renewal carries the roles and groups of this moment.
        person = self._people.by_object_id(known.person.tenant_id, known.person.object_id)
        if person is None:
            raise invalid_grant(50034, "The user account does not exist in the directory.")
        scopes = tuple(form.get("scope", "").split()) or known.scopes
        return self._renewed(Refresh(person, client.client_id, scopes, known.era), client, form)

    def _device(self, segment: str, form: Form, client: Registration) -> dict[str, Any]:
        name = form.get("device_code", "")
        device = self._sign_ins.device(name, client_id=client.client_id)
        if device.person is None:
            if not device.lifetime_seconds:
                raise Refused("expired_token", 70020, "The device code has expired.")
            raise Refused("authorization_pending", 70016, "The person has not signed in yet.")
        self._check_home(segment, device.person)
        self._sign_ins.forget_device(name)
        return self._signed_in(
            Refresh(device.person, client.client_id, device.scopes, self._freshness.era(device.person)),
            client,
            form,
        )

    def _credentials(self, segment: str, form: Form, client: Registration) -> dict[str, Any]:
        if client.is_public:
            raise invalid_client(7000218, "The body must contain 'client_assertion' or 'client_secret'.")
        tenant_id = self._people.tenant_id(segment)
        if tenant_id is None:
            raise invalid_request(50059, "No tenant-identifying information was found in the request.")
        if not self._consents.is_present(tenant_id, client.client_id):
            raise Refused(
                "unauthorized_client", 700016, f"The application was not found in the directory '{segment}'."
            )
        api = find_resource(default_of(form.get("scope", "").split()), self._known)
        roles = client.graph_roles if api.client_id == GRAPH_CLIENT_ID else client.application_roles
        claims = self._tokens.application(
            tenant_id,
            client,
            audience=api.client_id,
            roles=roles if self._consents.is_tenant_wide(tenant_id, client.client_id) else (),
            asked=asked_claims(form.get("claims")),
        )
        return self._bearer(claims)

    def _on_behalf(self, segment: str, form: Form, client: Registration) -> dict[str, Any]:
        """A token with which an API goes on acting for whoever called it.

        Source: Microsoft, "OAuth 2.0 On-Behalf-Of flow"; error codes as the service gives them.
        """
        if client.is_public:
            raise invalid_client(7000218, "The body must contain 'client_assertion' or 'client_secret'.")
        person, era = read_assertion(form, client, tokens=self._tokens, people=self._people)
        self._check_home(segment, person)
        scopes = tuple(form.get("scope", "").split())
        return self._renewed(Refresh(person, client.client_id, scopes, era), client, form)

    def _renewed(self, known: Refresh, client: Registration, form: Form) -> dict[str, Any]:
        """Tokens without the person at hand: sign-in, policy and consent must still hold."""
        self._freshness.check(known.person, known.era, asked_claims(form.get("claims")))
        self._check_consent(known.person, client, understand(known.scopes, self._known, client))
        return self._signed_in(known, client, form)

    def _check_consent(self, person: Person, client: Registration, asked: Asked) -> None:
        resource = self._known[asked.audience]
        if client.client_id in resource.preauthorized:
            return
        static = client.graph_permissions if asked.audience == GRAPH_CLIENT_ID else resource.scopes
        allowed = {*static, *asked.openid}
        if not self._consents.covers(person, client.client_id) or not allowed.issuperset(asked.granted):
            raise consent_required(client.name)

    def _check_home(self, segment: str, person: Person) -> None:
        if segment not in ANY_TENANT and self._people.tenant_id(segment) != person.tenant_id:
            raise invalid_grant(50020, "The account does not exist in the tenant.")

    def _signed_in(
        self, known: Refresh, client: Registration, form: Form, *, nonce: str | None = None
    ) -> dict[str, Any]:
        person, era = known.person, known.era
        asked = understand(known.scopes, self._known, client)
        claims = self._tokens.delegated(
            person,
            client,
            audience=asked.audience,
            scopes=asked.granted,
            asked=asked_claims(form.get("claims")),
            era=era,
        )
        answer = {**self._bearer(claims), "scope": " ".join(asked.full)}
        if "offline_access" in asked.openid:
            answer["refresh_token"] = self._sign_ins.add_refresh(known)
        if "openid" in asked.openid:
            identity = self._tokens.identity(person, client, nonce=nonce, era=era)
            answer["id_token"] = self._tokens.keys.current.sign(identity)
        if form.get("client_info") == "1":
            answer["client_info"] = client_info(person)
        return answer

    def _bearer(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        seconds = self._tokens.lifetime_seconds
        return {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": self._tokens.keys.current.sign(claims),
        }


def client_info(person: Person) -> str:
    """Who signed in, as MSAL names the account in its cache: a guest by the account at home."""
    home = {"uid": person.home_object_id, "utid": person.home_tenant_id or person.tenant_id}
    return encode(json.dumps(home).encode())
