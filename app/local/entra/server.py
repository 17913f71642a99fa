"""The addresses of the development Entra, and the controls that tests turn."""

from collections import Counter
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from app.local.entra import pages
from app.local.entra.clients import Clients
from app.local.entra.consents import Consents
from app.local.entra.errors import Refused
from app.local.entra.freshness import Freshness
from app.local.entra.grants import Grants
from app.local.entra.interactive import Interactive
from app.local.entra.keys import KeyStore
from app.local.entra.people import ANY_TENANT, People, Person
from app.local.entra.registrations import registrations
from app.local.entra.scopes import understand
from app.local.entra.sign_ins import SignIns
from app.local.entra.tokens import Tokens
from app.local.entra.workloads import WorkloadIssuer
from app.local.graph.server import Graph

_POLL_SECONDS = 1


class Entra:
    """An ASGI application. `authority` is its own address, `folder` keeps its signing keys.

    `failing` answers everything with 503; `requests` counts what came, by path; `registrations` can be added to.
    Under `/graph` is the development Graph: `graph` holds its controls.
    """

    def __init__(self, authority: str, people: People, folder: Path) -> None:
        self.authority = authority.rstrip("/")
        self.people = people
        self.keys = KeyStore(folder / "signing-keys.pem")
        self.registrations = registrations()
        self.freshness = Freshness()
        self.tokens = Tokens(self.authority, self.keys, self.registrations, self.freshness)
        self.sign_ins = SignIns()
        self.consents = Consents(people.tenant_ids - people.not_onboarded, self.registrations)
        self.workloads = WorkloadIssuer(f"{self.authority}/workloads")
        self.failing = False
        self.requests: Counter[str] = Counter()
        self.graph = Graph(self.tokens, people, self.consents, freshness=self.freshness)
        self._clients = Clients(self.registrations, self.workloads)
        self._grants = Grants(
            self.tokens,
            people,
            self.sign_ins,
            known=self.registrations,
            clients=self._clients,
            consents=self.consents,
            freshness=self.freshness,
        )
        self._interactive = Interactive(
            self._clients,
            people,
            self.sign_ins,
            known=self.registrations,
            consents=self.consents,
            freshness=self.freshness,
        )
        self._routes = Starlette(
            routes=[
                Route("/{segment}/v2.0/.well-known/openid-configuration", self._discovery),
                Route("/{segment}/discovery/v2.0/keys", self._published),
                Route("/common/discovery/instance", self._instance),
                Route("/common/oauth2/deviceauth", self._device_page),
                Mount("/graph", self.graph),
                Route("/{segment}/v2.0/adminconsent", self._admin_consent),
                Route("/{segment}/oauth2/v2.0/authorize", self._authorize),
                Route("/{segment}/oauth2/v2.0/devicecode", self._device_code, methods=["POST"]),
                Route("/{segment}/oauth2/v2.0/token", self._token, methods=["POST"]),
                Route("/{segment}/oauth2/v2.0/logout", self._logout),
            ],
            exception_handlers={Refused: _render},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            self.requests[scope["path"]] += 1
            if self.failing:
                answer = JSONResponse({"error": "temporarily_unavailable"}, 503, headers={"Retry-After": "1"})
                await answer(scope, receive, send)
                return
        await self._routes(scope, receive, send)

    def rotate_keys(self, *, drop_old: bool = False) -> str:
        """Sign with a new key from now on; gives its id. `drop_old` withdraws the others at once."""
        return self.keys.rotate(drop_old=drop_old).kid

    def person(self, login: str) -> Person:
        """Somebody by login. Raises: `KeyError`."""
        found = self.people.find(login)
        if found is None:
            raise KeyError(login)
        return found

    def consent(self, tenant: str, given: bool = True, *, client_id: str | None = None) -> None:  # noqa: FBT001, FBT002
        """A tenant's administrator consents to a program, or to all; False takes back everybody's consent."""
        tenant_id = self.people.tenant_id(tenant)
        if tenant_id is None:
            raise KeyError(tenant)
        change = self.consents.grant if given else self.consents.withdraw
        change(tenant_id, client_id)

    def revoke(self, login: str) -> None:
        """End all sign-ins of a person: refresh tokens and tokens shown on their behalf are good no more."""
        self.freshness.revoke(self.person(login))

    def require_policy(self, login: str, policy: str | None = "p1") -> None:
        """Conditional access: renewals answer `interaction_required` with claims until the person meets it."""
        self.freshness.require_policy(self.person(login), policy)

    async def _discovery(self, request: Request) -> Response:
        segment = self._segment(request)
        here = f"{self.authority}/{segment}"
        return JSONResponse(
            {
                "issuer": self._issuer(segment),
                "authorization_endpoint": f"{here}/oauth2/v2.0/authorize",
                "token_endpoint": f"{here}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{here}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{here}/discovery/v2.0/keys",
                "response_types_supported": ["code"],
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _published(self, request: Request) -> Response:
        issuer = self._issuer(self._segment(request))
        return JSONResponse({"keys": [key.public(issuer) for key in self.keys.keys]})

    async def _instance(self, _request: Request) -> Response:
        host = self.authority.partition("//")[2]
        return JSONResponse(
            {
                "tenant_discovery_endpoint": f"{self.authority}/common/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
            }
        )

    async def _authorize(self, request: Request) -> Response:
        return self._interactive.authorize(
            request.path_params["segment"], request.url.path, dict(request.query_params)
        )

    async def _admin_consent(self, request: Request) -> Response:
        return self._interactive.consent(
            request.path_params["segment"], request.url.path, dict(request.query_params)
        )

    async def _device_page(self, request: Request) -> Response:
        return self._interactive.device(request.url.path, dict(request.query_params))

    async def _device_code(self, request: Request) -> Response:
        segment = self._segment(request)
        form = await _form(request)
        client = self._clients.find(form)
        scopes = tuple(form.get("scope", "").split())
        understand(scopes, self.registrations, client)
        name, device = self.sign_ins.add_device(client_id=client.client_id, segment=segment, scopes=scopes)
        page = f"{self.authority}/common/oauth2/deviceauth"
        return JSONResponse(
            {
                "user_code": device.user_code,
                "device_code": name,
                "verification_uri": page,
                "expires_in": device.lifetime_seconds,
                "interval": _POLL_SECONDS,
                "message": f"To sign in, open {page} and enter the code {device.user_code}.",
            }
        )

    async def _token(self, request: Request) -> Response:
        answer = self._grants.answer(request.path_params["segment"], await _form(request))
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def _logout(self, request: Request) -> Response:
        """Nobody stays signed in here; the browser goes back if one of the programs is there."""
        place = request.query_params.get("post_logout_redirect_uri", "")
        if any(one.accepts_redirect(place) for one in self.registrations.values()):
            return RedirectResponse(place, status_code=302)
        return pages.signed_out()

    def _segment(self, request: Request) -> str:
        segment: str = request.path_params["segment"]
        if segment not in ANY_TENANT and self.people.tenant_id(segment) is None:
            raise Refused("invalid_tenant", 90002, f"Tenant '{segment}' not found.")
        return segment

    def _issuer(self, segment: str) -> str:
        """A tenant's issuer, or the template of all."""
        return self.tokens.issuer(self.people.tenant_id(segment) or "{tenantid}")


async def _form(request: Request) -> dict[str, str]:
    async with request.form() as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


async def _render(_request: Request, error: Any) -> Response:
    return JSONResponse(error.body(), error.status, headers={"Cache-Control": "no-store"})
