"""One client per deployment revision, made once and shared: making one costs 37 CPU milliseconds.

A client belongs to where it calls (base URL, model), with what key and with which parameters. When one of
these changes a new client takes over, and the old one is closed after the calls that it still carries.
"""

import asyncio
import importlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from app.core.database import Database
from app.core.errors import TemporarilyUnavailable
from app.core.logging import get_logger
from app.identity.application_tokens import ApplicationTokens
from app.llm.errors import BadCredential
from app.llm.providers.extractive import ExtractiveProvider
from app.llm.types import Provider
from app.pools.credentials import Credentials
from app.pools.errors import CredentialUnavailable
from app.pools.values import PoolMemberFacts, ProviderFacts
from app.tenants.keys import TenantKeys
from app.tenants.service import facts
from app.vocabulary import PLATFORM, Authentication, Environment, ProviderKind

_log = get_logger(__name__)

_ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
"""Of Azure OpenAI and Azure AI Foundry alike (Microsoft Learn, "Configure keyless authentication")."""
_FRESH_SECONDS = 1.0
"""A key that changed where nobody counts (a variable) is in use this long after; meanwhile a call waits for no
SQL. A key that was entered is read by whoever knows of the provider's new `credential_version`.
"""


_MODULES = {ProviderKind.ANTHROPIC: "anthropic", ProviderKind.GOOGLE: "google"}
_MODULE_OF_OTHERS = "openai_compatible"


@dataclass
class _Client:
    revision: tuple[Any, ...]
    provider: Provider
    calls: int = 0
    superseded: bool = False


@dataclass
class _Secret:
    value: str | None
    usable: bool
    read_at: float
    version: int = 0
    """The provider's `credential_version` that was known when it was read."""
    renewal: asyncio.Task[None] | None = None


class Clients:
    """Gives out clients. Make it and close it on the loop that calls."""

    def __init__(
        self,
        database: Database,
        keys: TenantKeys | None,
        environment: Environment,
        *,
        tokens: ApplicationTokens | None = None,
        operator_directory: UUID | None = None,
    ) -> None:
        """`tokens` are needed for providers that know us by Entra, whose platform accounts belong to the
        operator's directory.
        """
        self._database = database
        self._tokens = tokens
        self._operator_directory = operator_directory
        self._credentials = Credentials(database, keys, environment=environment)
        self._clients: dict[tuple[UUID, str], _Client] = {}
        self._secrets: dict[UUID, _Secret] = {}
        self._imported: set[str] = set()

    async def without_credential(self, members: tuple[PoolMemberFacts, ...]) -> frozenset[UUID]:
        """Providers of these members whose key cannot be had now."""
        missing = set()
        for member in members:
            provider = member.deployment.provider
            if provider.kind is ProviderKind.EXTRACTIVE or provider.authentication is Authentication.NONE:
                continue
            secret = self._secrets.get(provider.id)
            if secret is None or secret.version < provider.credential_version:
                # Known to be past: the key that replaced it is read before anything is asked.
                secret = self._secrets[provider.id] = await self._read(provider)
            elif secret.renewal is None and time.monotonic() - secret.read_at > _FRESH_SECONDS:
                secret.renewal = asyncio.create_task(self._renew(provider))
            if not secret.usable:
                missing.add(provider.id)
        return frozenset(missing)

    async def warm(self, members: tuple[PoolMemberFacts, ...]) -> None:
        """Load and make what calls to these members need, so that the first of them waits for nothing of it."""
        missing = await self.without_credential(members)
        for member in members:
            if member.deployment.provider.id not in missing:
                await self._current(member)

    @asynccontextmanager
    async def lease(self, member: PoolMemberFacts) -> AsyncIterator[Provider]:
        """The client of a member, kept open until this call ends. Ask `without_credential` first."""
        client = await self._current(member)
        client.calls += 1
        try:
            yield client.provider
        finally:
            client.calls -= 1
            if client.superseded and client.calls == 0:
                await client.provider.close()

    async def close(self) -> None:
        """Close all clients; calls under way end with an error."""
        clients, self._clients = self._clients, {}
        for secret in self._secrets.values():
            if secret.renewal is not None:
                secret.renewal.cancel()
        await asyncio.gather(*(client.provider.close() for client in clients.values()))

    async def _current(self, member: PoolMemberFacts) -> _Client:
        deployment = member.deployment
        await self._import(deployment.provider.kind)
        parameters = json.dumps(member.parameters, sort_keys=True)
        secret = self._secrets.get(deployment.provider.id)
        key = secret.value if secret is not None else None
        revision = (
            deployment.provider.kind,
            deployment.provider.vendor,
            deployment.provider.base_url,
            deployment.provider.authentication,
            deployment.provider.api_version,
            deployment.model_name,
            deployment.model_class,
            deployment.capabilities,
            deployment.supported_parameters,
            deployment.max_output_tokens,
            key,
        )
        client = self._clients.get((deployment.id, parameters))
        if client is not None and client.revision == revision:
            return client
        made = _Client(revision, make_provider(member, self._token_source(member) or key))
        self._clients[deployment.id, parameters] = made
        if client is not None:
            client.superseded = True
            if client.calls == 0:
                await client.provider.close()
        return made

    async def _import(self, kind: ProviderKind) -> None:
        """A vendor's library takes a second of CPU or more, once, where it is used: others go on meanwhile."""
        module = _MODULES.get(kind, _MODULE_OF_OTHERS)
        if kind is ProviderKind.EXTRACTIVE or module in self._imported:
            return
        await asyncio.to_thread(importlib.import_module, f"app.llm.providers.{module}")
        self._imported.add(module)

    async def _renew(self, provider: ProviderFacts) -> None:
        try:
            self._secrets[provider.id] = await self._read(provider)
        except (SQLAlchemyError, OSError) as error:
            # The key that was good a second ago goes on; the next call tries again.
            self._secrets[provider.id].renewal = None
            _log.info("a key stays as it was", provider=provider.name, reason=type(error).__name__)

    async def _read(self, provider: ProviderFacts) -> _Secret:
        try:
            if provider.authentication is Authentication.ENTRA:
                await self._token(provider)
                value = None
            else:
                value = await self._credentials.secret(provider)
        except TemporarilyUnavailable as error:
            _log.info("a provider has no usable key", provider=provider.name, reason=error.message)
            return _Secret(None, False, time.monotonic(), provider.credential_version)
        return _Secret(value, True, time.monotonic(), provider.credential_version)

    async def _token(self, provider: ProviderFacts) -> str:
        """A token for a vendor that knows us by Entra. Raises: `TemporarilyUnavailable`."""
        if self._tokens is None:
            raise CredentialUnavailable("No app registration is set up, by which a vendor could know us.")
        directory = self._operator_directory
        if provider.tenant_id != PLATFORM:
            async with self._database.tenant(provider.tenant_id) as session:
                directory = (await facts(session, tenant_id=provider.tenant_id)).entra_tenant_id
        if directory is None:
            raise CredentialUnavailable(
                "Set SWITCHBOARD_OPERATOR_TENANT: the platform's accounts belong to it."
            )
        return await self._tokens.token(str(directory), _ENTRA_SCOPE)

    def _token_source(self, member: PoolMemberFacts) -> Callable[[], Awaitable[str]] | None:
        provider = member.deployment.provider
        if provider.authentication is not Authentication.ENTRA:
            return None

        async def token() -> str:
            try:
                return await self._token(provider)
            except TemporarilyUnavailable as error:
                raise BadCredential("Microsoft Entra gives us no token for the vendor") from error

        return token


def make_provider(member: PoolMemberFacts, key: str | Callable[[], Awaitable[str]] | None) -> Provider:
    """The vendor's adapter."""
    deployment, parameters = member.deployment, member.parameters
    match deployment.provider.kind:
        case ProviderKind.EXTRACTIVE:
            return ExtractiveProvider()
        case ProviderKind.ANTHROPIC:
            from app.llm.providers.anthropic import AnthropicProvider

            return AnthropicProvider(deployment, key=_plain(key), parameters=parameters)
        case ProviderKind.GOOGLE:
            from app.llm.providers.google import GoogleProvider

            return GoogleProvider(deployment, key=_plain(key), parameters=parameters)
        case _:
            from app.llm.providers.openai_compatible import OpenAICompatibleProvider

            return OpenAICompatibleProvider(deployment, key=key, parameters=parameters)


def _plain(key: str | Callable[[], Awaitable[str]] | None) -> str | None:
    """Whom Entra vouches for is known to Azure only; to others we come without a key, and are refused."""
    return key if isinstance(key, str) else None
