"""The token address: code with PKCE, refresh token, device code, client credentials."""

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from app.local.entra.errors import Refused, invalid_client, invalid_grant, invalid_request
from app.local.entra.keys import encode
from app.local.entra.people import ANY_TENANT, People, Person
from app.local.entra.registrations import Registration
from app.local.entra.scopes import default_of, find_resource, understand
from app.local.entra.sign_ins import Refresh, SignIns
from app.local.entra.tokens import Tokens

_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

Form = Mapping[str, str]


class Grants:
    """Turns forms into tokens."""

    def __init__(
        self, tokens: Tokens, people: People, sign_ins: SignIns, known: Mapping[str, Registration]
    ) -> None:
        self._tokens = tokens
        self._people = people
        self._sign_ins = sign_ins
        self._known = known
        self._grants: dict[str, Callable[[str, Form, Registration], dict[str, Any]]] = {
            "authorization_code": self._code,
            "refresh_token": self._refresh,
            _DEVICE_CODE: self._device,
            "client_credentials": self._credentials,
        }

    def answer(self, segment: str, form: Form) -> dict[str, Any]:
        """Tokens for a form posted under a tenant's address. Raises: `Refused`."""
        if segment not in ANY_TENANT and self._people.tenant_id(segment) is None:
            raise invalid_request(90002, f"Tenant '{segment}' not found.")
        grant = self._grants.get(form.get("grant_type", ""))
        if grant is None:
            raise Refused("unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        return grant(segment, form, self._client(segment, form))

    def find_client(self, form: Form) -> Registration:
        """The program that a form names. Raises: `Refused`."""
        client = self._known.get(form.get("client_id", ""))
        if client is None:
            raise Refused("unauthorized_client", 700016, "The application was not found in the directory.")
        return client

    def _client(self, segment: str, form: Form) -> Registration:
        client = self.find_client(form)
        secret, assertion = form.get("client_secret"), form.get("client_assertion")
        if client.is_public:
            if secret is not None or assertion is not None:
                raise invalid_client(700025, "The client is public: no secret or assertion may be presented.")
        elif assertion is not None and form.get("client_assertion_type") == _ASSERTION:
            self._check_assertion(segment, client, assertion)
        elif secret is None:
            raise invalid_client(7000218, "The body must contain 'client_assertion' or 'client_secret'.")
        elif client.secret is None or not hmac.compare_digest(secret.encode(), client.secret.encode()):
            raise invalid_client(7000215, "Invalid client secret provided.")
        return client

    def _check_assertion(self, segment: str, client: Registration, assertion: str) -> None:
        if client.certificate is None:
            raise invalid_client(700027, "No certificate is registered for the client.")
        try:
            jwt.decode(
                assertion,
                client.certificate,
                algorithms=["PS256", "RS256"],
                audience=f"{self._tokens.authority}/{segment}/oauth2/v2.0/token",
                issuer=client.client_id,
                subject=client.client_id,
                options={"require": ["exp", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise invalid_client(
                700027, f"The client assertion is not valid: {type(error).__name__}."
            ) from None

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
        return self._signed_in(code.person, client, code.scopes, nonce=code.nonce)

    def _refresh(self, segment: str, form: Form, client: Registration) -> dict[str, Any]:
        known = self._sign_ins.refresh(form.get("refresh_token", ""), client_id=client.client_id)
        self._check_home(segment, known.person)
        return self._signed_in(known.person, client, tuple(form.get("scope", "").split()) or known.scopes)

    def _device(self, segment: str, form: Form, client: Registration) -> dict[str, Any]:
        name = form.get("device_code", "")
        device = self._sign_ins.device(name, client_id=client.client_id)
        if device.person is None:
            if not device.lifetime_seconds:
                raise Refused("expired_token", 70020, "The device code has expired.")
            raise Refused("authorization_pending", 70016, "The person has not signed in yet.")
        self._check_home(segment, device.person)
        self._sign_ins.forget_device(name)
        return self._signed_in(device.person, client, device.scopes)

    def _credentials(self, segment: str, form: Form, client: Registration) -> dict[str, Any]:
        if client.is_public:
            raise invalid_client(7000218, "The body must contain 'client_assertion' or 'client_secret'.")
        tenant_id = self._people.tenant_id(segment)
        if tenant_id is None:
            raise invalid_request(50059, "No tenant-identifying information was found in the request.")
        api = find_resource(default_of(form.get("scope", "").split()), self._known)
        claims = self._tokens.application(
            tenant_id, client, audience=api.client_id, roles=client.application_roles
        )
        return self._bearer(claims)

    def _check_home(self, segment: str, person: Person) -> None:
        if segment not in ANY_TENANT and self._people.tenant_id(segment) != person.tenant_id:
            raise invalid_grant(50020, "The account does not exist in the tenant.")

    def _signed_in(
        self, person: Person, client: Registration, scopes: tuple[str, ...], *, nonce: str | None = None
    ) -> dict[str, Any]:
        asked = understand(scopes, self._known)
        claims = self._tokens.delegated(person, client, audience=asked.audience, scopes=asked.granted)
        answer = {**self._bearer(claims), "scope": " ".join(asked.full)}
        if "offline_access" in asked.openid:
            answer["refresh_token"] = self._sign_ins.add_refresh(Refresh(person, client.client_id, scopes))
        if "openid" in asked.openid:
            identity = self._tokens.identity(person, client, nonce=nonce)
            answer["id_token"] = self._tokens.keys.current.sign(identity)
        return {**answer, "client_info": client_info(person)}

    def _bearer(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        seconds = self._tokens.lifetime_seconds
        return {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": self._tokens.keys.current.sign(claims),
        }


def client_info(person: Person) -> str:
    """Who signed in, as MSAL names the account in its cache."""
    return encode(json.dumps({"uid": person.object_id, "utid": person.tenant_id}).encode())
