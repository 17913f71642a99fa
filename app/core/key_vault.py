"""Azure Key Vault wraps data keys, through Microsoft's client library. Imported only where a vault is set.

The key-encryption key never leaves the vault: what we keep is `RSA-OAEP-256` of tenant, version and data
key, so a wrapped key that was moved to another tenant's row does not count. Everybody can encrypt for a
public key, so the vault also signs what we keep (PS256), and nothing is unwrapped that it has not signed: a
data key that somebody has put into the database is none of ours. The signature is checked here, with the
public half. The name of the wrapping key is the whole key identifier with its version.

    stored: ciphertext | signature      each as long as the key's modulus
"""

import asyncio
import hashlib
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

import aiohttp
from aiohttp.abc import AbstractResolver
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ManagedIdentityCredential, WorkloadIdentityCredential
from azure.keyvault.keys.aio import KeyClient
from azure.keyvault.keys.crypto import KeyWrapAlgorithm, SignatureAlgorithm
from azure.keyvault.keys.crypto.aio import CryptographyClient

from app.core.crypto import SealBroken
from app.core.logging import get_logger
from app.core.vault_address import KeyAddress
from app.core.wrapping import KeysUnavailable, WrappedKey

_log = get_logger(__name__)
_T = TypeVar("_T")
_ALGORITHM = KeyWrapAlgorithm.rsa_oaep_256
_SIGNING = SignatureAlgorithm.ps256
_SIGNED = b"switchboard wrapped key 1"
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 5.0
_LONGEST_SECONDS = 10.0
"""For one operation with everything it needs: a challenge, a token, one more try."""
_REST_SECONDS = 2.0
"""After a failure nobody asks the vault for so long, so that requests do not queue up for a dead one."""
_LONGEST_REST_SECONDS = 60.0
_WHOLE_VAULT = ""
_JUDGING = frozenset({"unwrap", "verify"})
_REFUSED_SECONDS = 30.0
"""When to come back after a refusal: an operator has to change something."""


class KeyVault:
    """Versions of one key in a vault. Made anywhere; connects on the loop that first uses it.

    `identity` is "managed" (of the machine, `client_id` chooses one assigned by a person) or "workload"
    (a federated token in a file, as Kubernetes projects it). `resolver` and `trust` are for tests.
    """

    def __init__(
        self,
        key: KeyAddress,
        *,
        identity: str,
        client_id: str | None = None,
        former: tuple[KeyAddress, ...] = (),
        resolver: AbstractResolver | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._key = key
        self._known = (key, *former)
        self._identity, self._client_id = identity, client_id
        self._resolver = resolver
        self._trust = trust if trust is not None else ssl.create_default_context()
        self._session: aiohttp.ClientSession | None = None
        self._credential: AsyncTokenCredential | None = None
        self._clients: dict[str, CryptographyClient] = {}
        self._resting: dict[str, tuple[float, str]] = {}

    async def newest(self) -> str:
        """The identifier of the version that wraps: the one in the setting, or the vault's current one."""
        if self._key.version is not None:
            return self._key.identifier
        async with KeyClient(self._key.vault, self._signed_in(), **self._options()) as client:
            found = await self._ask("get", self._key.identifier, lambda: client.get_key(self._key.name))
        if not self._key.covers(str(found.id)):
            raise KeysUnavailable("the vault named another key", retry_after_seconds=_REFUSED_SECONDS)
        return str(found.id)

    async def wrap(self, tenant_id: UUID, version: int, data_key: bytes) -> WrappedKey:
        """Wrap with the newest version. Raises: `KeysUnavailable`."""
        name = await self.newest()
        client = self._client(name)
        content = _bound(tenant_id, version) + data_key
        result = await self._ask("wrap", name, lambda: client.wrap_key(_ALGORITHM, content))
        ciphertext: bytes = result.encrypted_key
        digest = _digest(tenant_id, version, ciphertext)
        signed = await self._ask("sign", name, lambda: client.sign(_SIGNING, digest))
        return WrappedKey(name, ciphertext + signed.signature)

    async def unwrap(self, tenant_id: UUID, version: int, wrapped: WrappedKey) -> bytes:
        """Let the vault unwrap what it has signed. Raises: `KeysUnavailable`, `SealBroken`."""
        if not any(known.covers(wrapped.name) for known in self._known):
            # A row must not send our vault's token, or our wrapped keys, to an address of its choice.
            raise KeysUnavailable(
                f"a data key is wrapped with {wrapped.name}, which no setting names",
                retry_after_seconds=_REFUSED_SECONDS,
            )
        client = self._client(wrapped.name)
        half = len(wrapped.wrapped) // 2
        ciphertext, signature = wrapped.wrapped[:half], wrapped.wrapped[half:]
        digest = _digest(tenant_id, version, ciphertext)
        made = await self._ask("verify", wrapped.name, lambda: client.verify(_SIGNING, digest, signature))
        if not made.is_valid:
            raise SealBroken
        result = await self._ask("unwrap", wrapped.name, lambda: client.unwrap_key(_ALGORITHM, ciphertext))
        content: bytes = result.key
        bound = _bound(tenant_id, version)
        if not content.startswith(bound):
            raise SealBroken
        return content[len(bound) :]

    async def close(self) -> None:
        """Close every connection."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.close()
        if self._credential is not None:
            await self._credential.close()
        if self._session is not None:
            await self._session.close()
        self._credential = self._session = None

    def _client(self, identifier: str) -> CryptographyClient:
        if identifier not in self._clients:
            self._clients[identifier] = CryptographyClient(identifier, self._signed_in(), **self._options())
        return self._clients[identifier]

    def _signed_in(self) -> AsyncTokenCredential:
        if self._credential is None:
            if self._identity == "workload":
                self._credential = WorkloadIdentityCredential(**self._options())
            else:
                # As the setting says: a workload's variables that happen to be there do not decide.
                self._credential = ManagedIdentityCredential(
                    client_id=self._client_id, _exclude_workload_identity_credential=True, **self._options()
                )
        return self._credential

    def _options(self) -> dict[str, Any]:
        """For every client of Azure's: our session, nothing from the environment, no redirects, no retries."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._trust, resolver=self._resolver, limit=16),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return {
            "transport": AioHttpTransport(session=self._session, session_owner=False, use_env_settings=False),
            "use_env_settings": False,
            "connection_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
            "permit_redirects": False,
            "retry_total": 0,
        }

    async def _ask(self, operation: str, key: str, call: Callable[[], Awaitable[_T]]) -> _T:
        """One operation, tried again once when the connection broke. Raises: `KeysUnavailable`, `SealBroken`."""
        for resting in (_WHOLE_VAULT, key):
            until, why = self._resting.get(resting, (0.0, ""))
            if (left := until - time.monotonic()) > 0:
                raise KeysUnavailable(why, retry_after_seconds=max(left, 1.0))
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                try:
                    return await call()
                except (ServiceRequestError, ServiceResponseError):
                    # A connection that was kept may have been closed at the other end meanwhile.
                    return await call()
        except HttpResponseError as error:
            if error.status_code == 400 and operation in _JUDGING:
                # The version is there and says that this is not what it has wrapped or signed.
                raise SealBroken from error
            reason = f"HTTP {error.status_code}"
            if error.status_code is not None and 400 <= error.status_code < 429:
                # Of this key only: one that was disabled or purged must not take the others along.
                raise self._failed(operation, key, reason, _REFUSED_SECONDS) from error
            raise self._failed(operation, _WHOLE_VAULT, reason, _seconds(error)) from error
        except (AzureError, OSError, ValueError, TimeoutError) as error:
            # ValueError: a challenge that names another resource than the vault.
            raise self._failed(operation, _WHOLE_VAULT, type(error).__name__, _REST_SECONDS) from error

    def _failed(self, operation: str, resting: str, reason: str, seconds: float) -> KeysUnavailable:
        rest = _REST_SECONDS if resting != _WHOLE_VAULT else seconds
        self._resting[resting] = (time.monotonic() + rest, f"{operation}: {reason}")
        _log.error("key vault unavailable", operation=operation, reason=reason, vault=self._key.vault)
        return KeysUnavailable(f"{operation}: {reason}", retry_after_seconds=seconds)


def _bound(tenant_id: UUID, version: int) -> bytes:
    return tenant_id.bytes + version.to_bytes(4, "big")


def _digest(tenant_id: UUID, version: int, ciphertext: bytes) -> bytes:
    """What the vault signs: every part before the last has one length."""
    return hashlib.sha256(_SIGNED + _bound(tenant_id, version) + ciphertext).digest()


def _seconds(error: HttpResponseError) -> float:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    given = headers.get("Retry-After", "")
    return min(float(given), _LONGEST_REST_SECONDS) if given.isdigit() else _REST_SECONDS
