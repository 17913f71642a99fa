"""The development Entra on a thread, over real TLS on loopback, with tokens of any kind for tests."""

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
import uvicorn

from app.core.yaml_text import load_yaml
from app.local.entra.certificates import certificates
from app.local.entra.keys import SigningKey
from app.local.entra.people import read_people
from app.local.entra.registrations import (
    ADDIN_CLIENT_ID,
    API_CLIENT_ID,
    AUTOMATION_CLIENT_ID,
    SCOPE_NAME,
    registrations,
)
from app.local.entra.server import Entra
from app.local.entra.tokens import LIFETIME_SECONDS

SEED = Path(__file__).parents[1] / "infra" / "seed.yaml"
ADA, ALAN, MARY = "ada@contoso.example", "alan@contoso.example", "mary@contoso.example"
GRACE, EDSGER = "grace@fabrikam.example", "edsger@fabrikam.example"
KATHERINE, JOAN = "katherine@northwind.example", "joan@northwind.example"
"""Administrator and member of the seed file's directory that is no customer and has consented to nothing."""
BARBARA = "barbara@operator.example"
"""A platform operator, in the operator's own directory."""
NORTHWIND = "1c9e7a35-b480-4d62-8f1e-93d05a6c72b8"
KEYS_PATH = "/organizations/discovery/v2.0/keys"


def seed_tenants() -> list[dict[str, Any]]:
    """The two customers of the seed file, as `import_tenants` takes them."""
    tenants: list[dict[str, Any]] = load_yaml(SEED.read_text())["tenants"]
    return tenants[:2]


def operators_tenant() -> dict[str, Any]:
    """The seed file's tenant of whoever operates the platform."""
    tenant: dict[str, Any] = load_yaml(SEED.read_text())["tenants"][2]
    return tenant


class RunningEntra:
    """A context manager: `url` and `ca` for clients, `app` for the controls."""

    def __init__(self, folder: Path) -> None:
        files = certificates(folder)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        self.ca = files.ca
        self.app = Entra(self.url, read_people(SEED), folder)
        self._first_keys = list(self.app.keys.keys)
        config = uvicorn.Config(
            self.app, ssl_certfile=files.server, log_level="error", access_log=False, lifespan="off"
        )
        config.timeout_graceful_shutdown = 1
        # An idle client is hung up on only at the end: a transport of TLS that is closed twice can no longer be aborted,
        # and a client whose loop was held up for seconds would send its next request into a closed connection.
        config.timeout_keep_alive = 3600
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="entra", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def reset(self) -> None:
        """Forget what a test did with the controls."""
        self.app.failing = False
        self.app.requests.clear()
        self.app.keys.keys = list(self._first_keys)
        self.app.authority = self.app.tokens.authority = self.url
        self.app.registrations.clear()
        self.app.registrations.update(registrations())
        self.app.people.replace(read_people(SEED))
        self.app.consents.reset()
        self.app.freshness.reset()
        self.app.tokens.lifetime_seconds = LIFETIME_SECONDS
        self.app.graph.reset()

    @property
    def key_fetches(self) -> int:
        """How often the keys were asked for since the reset."""
        return self.app.requests[KEYS_PATH]

    def claims(self, login: str = ADA, **overrides: Any) -> dict[str, Any]:
        """Claims of the person's access token for the API; an override of None leaves a claim out."""
        person = self.app.people.find(login)
        assert person is not None
        claims = self.app.tokens.delegated(
            person, self.app.registrations[ADDIN_CLIENT_ID], audience=API_CLIENT_ID, scopes=[SCOPE_NAME]
        )
        return {name: value for name, value in (claims | overrides).items() if value is not None}

    def token(
        self,
        login: str = ADA,
        *,
        key: SigningKey | None = None,
        headers: Mapping[str, Any] | None = None,
        **overrides: Any,
    ) -> str:
        """A signed access token like a real one, but for the overrides of claims, key and headers."""
        signing = key or self.app.keys.current
        return jwt.encode(
            self.claims(login, **overrides),
            signing.key,
            algorithm="RS256",
            headers={"kid": signing.kid, **(headers or {})},
        )

    def id_token(self, login: str = ADA) -> str:
        """What the add-in gets to know who signed in; no key to our door."""
        person = self.app.people.find(login)
        assert person is not None
        claims = self.app.tokens.identity(person, self.app.registrations[ADDIN_CLIENT_ID], nonce=None)
        return self.app.keys.current.sign(claims)

    def application_token(
        self, tenant: str = "contoso.example", *, client_id: str = AUTOMATION_CLIENT_ID, **overrides: Any
    ) -> str:
        """A token with which a customer's program acts for itself; an override of None leaves a claim out."""
        tenant_id = self.app.people.tenant_id(tenant)
        assert tenant_id is not None
        client = self.app.registrations[client_id]
        claims = self.app.tokens.application(
            tenant_id, client, audience=API_CLIENT_ID, roles=client.application_roles
        )
        return self.app.keys.current.sign(
            {name: value for name, value in (claims | overrides).items() if value is not None}
        )

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        await self._server.serve(sockets=[self._socket])
        # Clients that keep connections never answer the farewell of TLS, and would be waited for.
        for connection in list(self._server.server_state.connections):
            transport = getattr(connection, "transport", None)
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        await asyncio.sleep(0)


def part(value: Mapping[str, Any]) -> str:
    """A header or payload as a token has it."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
