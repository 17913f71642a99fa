"""One client per deployment revision, made once and shared: making one costs 37 CPU milliseconds.

A client belongs to where it calls (base URL, model), with what key and with which parameters. When one of
these changes a new client takes over, and the old one is closed after the calls that it still carries.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from app.core.database import Database
from app.core.logging import get_logger
from app.llm.providers.extractive import ExtractiveProvider
from app.llm.providers.openai_compatible import OpenAICompatibleProvider
from app.llm.types import Provider
from app.pools.credentials import Credentials
from app.pools.errors import CredentialUnavailable
from app.pools.values import PoolMemberFacts, ProviderFacts
from app.tenants.keys import TenantKeys
from app.vocabulary import Environment, ProviderKind

_log = get_logger(__name__)

_FRESH_SECONDS = 1.0
"""A changed key is in use this long after; meanwhile a call waits for no SQL."""


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
    renewal: asyncio.Task[None] | None = None


class Clients:
    """Gives out clients. Make it and close it on the loop that calls."""

    def __init__(self, database: Database, keys: TenantKeys | None, environment: Environment) -> None:
        self._credentials = Credentials(database, keys, environment=environment)
        self._clients: dict[tuple[UUID, str], _Client] = {}
        self._secrets: dict[UUID, _Secret] = {}

    async def without_credential(self, members: tuple[PoolMemberFacts, ...]) -> frozenset[UUID]:
        """Providers of these members whose key cannot be had now."""
        missing = set()
        for member in members:
            provider = member.deployment.provider
            if provider.kind is ProviderKind.EXTRACTIVE:
                continue
            secret = self._secrets.get(provider.id)
            if secret is None:
                secret = self._secrets[provider.id] = await self._read(provider)
            elif secret.renewal is None and time.monotonic() - secret.read_at > _FRESH_SECONDS:
                secret.renewal = asyncio.create_task(self._renew(provider))
            if not secret.usable:
                missing.add(provider.id)
        return frozenset(missing)

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
        parameters = json.dumps(member.parameters, sort_keys=True)
        secret = self._secrets.get(deployment.provider.id)
        key = secret.value if secret is not None else None
        revision = (
            deployment.provider.kind,
            deployment.provider.base_url,
            deployment.model_name,
            deployment.model_class,
            deployment.capabilities,
            deployment.max_output_tokens,
            key,
        )
        client = self._clients.get((deployment.id, parameters))
        if client is not None and client.revision == revision:
            return client
        made = _Client(revision, _make(member, key))
        self._clients[deployment.id, parameters] = made
        if client is not None:
            client.superseded = True
            if client.calls == 0:
                await client.provider.close()
        return made

    async def _renew(self, provider: ProviderFacts) -> None:
        try:
            self._secrets[provider.id] = await self._read(provider)
        except (SQLAlchemyError, OSError) as error:
            # The key that was good a second ago goes on; the next call tries again.
            self._secrets[provider.id].renewal = None
            _log.info("a key stays as it was", provider=provider.name, reason=type(error).__name__)

    async def _read(self, provider: ProviderFacts) -> _Secret:
        try:
            value = await self._credentials.secret(provider)
        except CredentialUnavailable as error:
            _log.info("a provider has no usable key", provider=provider.name, reason=error.message)
            return _Secret(None, usable=False, read_at=time.monotonic())
        return _Secret(value, usable=True, read_at=time.monotonic())


def _make(member: PoolMemberFacts, key: str | None) -> Provider:
    match member.deployment.provider.kind:
        case ProviderKind.EXTRACTIVE:
            return ExtractiveProvider()
        case ProviderKind.OPENAI_COMPATIBLE:
            return OpenAICompatibleProvider(member.deployment, key=key, parameters=member.parameters)
