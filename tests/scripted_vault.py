"""A key vault on loopback that speaks the wire of Azure Key Vault, with real RSA keys, and the sign-in beside it.

Our code asks it under Microsoft's own names over TLS: only the resolver and the trusted authority are the
test's. Sources: Key Vault REST 2025-07-01 (Get Key, Wrap Key, Unwrap Key, Sign, Verify), "Authentication, requests and
responses" for the challenge, "How to use managed identities" for the App Service endpoint.
"""

import base64
import contextlib
import secrets
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from app.core.key_vault import KeyVault
from app.core.vault_address import KeyAddress

TENANT = "7d1f9c7e-0000-4000-8000-00000000aaaa"
SIGN_IN = "login.microsoftonline.com"
_PADDING = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
_DIGESTED = Prehashed(hashes.SHA256())


@dataclass
class ScriptedVault:
    """One vault with one key. What it does next is set by its attributes; what it was asked is counted."""

    name: str = field(default_factory=lambda: f"vault-{secrets.token_hex(4)}")
    versions: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    answers: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    """Operation (get, wrapkey, unwrapkey, sign, verify, token) -> status and headers to answer with instead."""
    resource: str = "https://vault.azure.net"
    asked: Counter[str] = field(default_factory=Counter)
    tokens: set[str] = field(default_factory=set)
    assertions: list[str] = field(default_factory=list)
    port: int = 0
    plain_port: int = 0
    resolver: "LoopbackResolver" = field(init=False)
    trust: ssl.SSLContext = field(init=False)
    runner: web.AppRunner = field(init=False)

    @property
    def host(self) -> str:
        return f"{self.name}.vault.azure.net"

    @property
    def address(self) -> str:
        return f"https://{self.host}/keys/kek"

    def rotate(self) -> str:
        """Make a new version of the key; gives its identifier."""
        version = secrets.token_hex(16)
        self.versions[version] = rsa.generate_private_key(65537, 2048)
        return f"{self.address}/{version}"

    def client(self, address: str | None = None, *, former: tuple[str, ...] = ()) -> KeyVault:
        """Our own client of this vault, signed in by a workload's token file (set AZURE_... first)."""
        return KeyVault(
            KeyAddress.parse(address or self.address),
            identity="workload",
            former=tuple(map(KeyAddress.parse, former)),
            resolver=self.resolver,
            trust=self.trust,
        )

    async def hang_up(self) -> None:
        """Nobody listens any more."""
        await self.runner.cleanup()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        host = request.host.partition(":")[0]
        if host == SIGN_IN:
            return await self._token(request)
        if host != self.host:
            return web.Response(status=421)
        return await self._operation(request)

    async def _token(self, request: web.Request) -> web.Response:
        if "token" in self.answers:
            status, headers = self.answers["token"]
            return web.json_response({"error": "temporarily_unavailable"}, status=status, headers=headers)
        form = await request.post()
        self.asked["token"] += 1
        self.assertions.append(str(form.get("client_assertion", "")))
        assert form["scope"] == "https://vault.azure.net/.default"
        return web.json_response({"token_type": "Bearer", "expires_in": 3600, "access_token": self._issue()})

    async def managed(self, request: web.Request) -> web.Response:
        """The endpoint of a managed identity, as App Service has it."""
        self.asked["managed"] += 1
        assert request.headers["X-IDENTITY-HEADER"] == "from-the-platform"
        assert request.query["resource"] == "https://vault.azure.net"
        body = {"access_token": self._issue(), "expires_on": str(int(time.time()) + 3600)}
        return web.json_response({**body, "resource": "https://vault.azure.net", "token_type": "Bearer"})

    def _issue(self) -> str:
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        return token

    async def _operation(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            self.asked["challenge"] += 1
            assert not await request.read(), "a body was sent before we were known"
            challenge = f'Bearer authorization="https://{SIGN_IN}/{TENANT}", resource="{self.resource}"'
            return _refusal(401, "Unauthorized", {"WWW-Authenticate": challenge})
        parts = [part for part in request.path.split("/") if part]
        operation = parts[3] if request.method == "POST" else "get"
        self.asked[operation] += 1
        if operation in self.answers:
            status, headers = self.answers[operation]
            return _refusal(status, "Scripted", headers)
        version = parts[2] if len(parts) > 2 else next(reversed(self.versions))
        if parts[1] != "kek" or version not in self.versions:
            return _refusal(404, "KeyNotFound")
        if version in self.disabled:
            return _refusal(403, "Forbidden")
        body = None if operation == "get" else await request.json()
        return self._with_key(operation, f"{self.address}/{version}", self.versions[version], body)

    def _with_key(self, operation: str, kid: str, key: rsa.RSAPrivateKey, body: Any) -> web.Response:
        if operation == "get":
            return web.json_response(_bundle(kid, key))
        if operation == "verify":
            assert body["alg"] == "PS256"
            valid = _signed_by(key, _decoded(body["digest"]), _decoded(body["value"]))
            return web.json_response({"value": valid})
        value = _decoded(body["value"])
        assert body["alg"] == ("PS256" if operation == "sign" else "RSA-OAEP-256")
        try:
            if operation == "sign":
                made = key.sign(value, _PSS, _DIGESTED)
            elif operation == "wrapkey":
                made = key.public_key().encrypt(value, _PADDING)
            else:
                made = key.decrypt(value, _PADDING)
        except ValueError:
            return _refusal(400, "BadParameter")
        return web.json_response({"kid": kid, "value": _encoded(made)})


def _signed_by(key: rsa.RSAPrivateKey, digest: bytes, signature: bytes) -> bool:
    try:
        key.public_key().verify(signature, digest, _PSS, _DIGESTED)
    except InvalidSignature:
        return False
    return True


class LoopbackResolver(AbstractResolver):
    """Microsoft's names on this machine; any other name is written down and not found."""

    def __init__(self, port: int, hosts: set[str]) -> None:
        self._port, self._hosts = port, hosts
        self.others: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host not in self._hosts or port != 443:
            self.others.append(f"{host}:{port}")
            raise OSError(f"{host} is not known here")
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=self._port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Nothing is open."""


@contextlib.asynccontextmanager
async def scripted_vault(folder: Path, monkeypatch: Any) -> AsyncIterator[ScriptedVault]:
    """A running vault with one version of its key; the environment is that of a workload in Kubernetes."""
    vault = ScriptedVault()
    vault.rotate()
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(vault.host, SIGN_IN).configure_cert(server)
    vault.trust = ssl.create_default_context()
    authority.configure_trust(vault.trust)
    application = web.Application()
    application.router.add_get("/managed", vault.managed)
    application.router.add_route("*", "/{path:.*}", vault.answer)
    vault.runner = web.AppRunner(application)
    await vault.runner.setup()
    for context in (server, None):
        site = web.TCPSite(vault.runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
    vault.port, vault.plain_port = (address[1] for address in vault.runner.addresses)
    vault.resolver = LoopbackResolver(vault.port, {vault.host, SIGN_IN})
    (folder / "federated").write_text("a-federated-token")
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", "7d1f9c7e-0000-4000-8000-00000000bbbb")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(folder / "federated"))
    # Were the environment's proxy used, nothing would be reached.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    try:
        yield vault
    finally:
        await vault.runner.cleanup()


def _refusal(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"code": code, "message": code}}
    return web.json_response(body, status=status, headers=headers)


def _bundle(kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    made = int(time.time())
    return {
        "key": {
            "kid": kid,
            "kty": "RSA",
            "key_ops": ["wrapKey", "unwrapKey", "sign", "verify"],
            "n": _encoded(numbers.n.to_bytes(256, "big")),
            "e": _encoded(numbers.e.to_bytes(3, "big")),
        },
        "attributes": {
            "enabled": True,
            "created": made,
            "updated": made,
            "recoveryLevel": "Recoverable+Purgeable",
        },
    }


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _decoded(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
