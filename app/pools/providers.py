"""Vendor accounts as administrators keep them: a tenant its own, the operator the platform's.

Whoever may change where an account calls must not be able to send its key there: with another origin, protocol
or way to be known, the stored key goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor
from app.core.clock import new_id, now
from app.core.endpoints import tenant_endpoint
from app.core.errors import ErrorDetail
from app.core.outbound import AddressNotAllowed
from app.pools import owned
from app.pools.errors import ProviderNotFound, StillInUse, WrongConfiguration
from app.pools.provider_keys import KeyFacts, forget_key, keys_of
from app.pools.repository import provider_facts
from app.pools.tables import Deployment, Provider
from app.pools.values import ProviderFacts
from app.vocabulary import PLATFORM, Authentication, ProviderKind

_WHAT = "provider"
_KNOWN_ADDRESS = frozenset({"openai", "anthropic", "google"})
"""Kinds whose vendor has one address, which its library knows."""
_AZURE = frozenset({"azure_openai", "azure_foundry"})
_AZURE_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
"""Where tokens of the product's own identity go: Azure OpenAI and Azure AI Foundry. Source: Microsoft Learn,
"Configure keyless authentication with Microsoft Entra ID".
"""
_OF_THE_KEY = ("kind", "authentication")


@dataclass(frozen=True)
class ProviderView:
    """A vendor account, its version, and when its key was entered. `key` is None to all but its owner."""

    facts: ProviderFacts
    version: int
    archived_at: datetime | None
    key: KeyFacts | None


async def page(
    session: AsyncSession, *, tenant_id: UUID, after: UUID | None, limit: int, archived: bool = False
) -> list[ProviderView]:
    """The tenant's providers and the platform's, the oldest first, after the one with that id."""
    query = select(Provider).where(Provider.tenant_id.in_((tenant_id, PLATFORM)))
    if after is not None:
        query = query.where(Provider.id > after)
    if not archived:
        query = query.where(Provider.archived_at.is_(None))
    found = (await session.scalars(query.order_by(Provider.id).limit(limit))).all()
    keys = await keys_of(session, tenant_id, [row.id for row in found])
    return [_view(row, keys) for row in found]


async def find(session: AsyncSession, *, tenant_id: UUID, provider_id: UUID) -> ProviderView:
    """One of them. Raises: `ProviderNotFound`."""
    row = await owned.visible(session, Provider, provider_id, tenant_id=tenant_id, missing=ProviderNotFound)
    return _view(row, await keys_of(session, tenant_id, [row.id]))


async def create(
    session: AsyncSession, *, tenant_id: UUID, values: Mapping[str, Any], actor: Actor
) -> ProviderView:
    """Set up an account; its key is entered afterwards. Raises: `NameTaken`, `WrongConfiguration`."""
    row = Provider(tenant_id=tenant_id, id=new_id(), **values)
    check(row)
    await owned.write(session, row, what=_WHAT)
    await owned.note(session, row, AuditAction.PROVIDER_CREATE, actor, values)
    return await find(session, tenant_id=tenant_id, provider_id=row.id)


async def change(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    provider_id: UUID,
    version: int,
    values: Mapping[str, Any],
    actor: Actor,
) -> ProviderView:
    """Change some values; the same again changes and records nothing.

    Raises: `Archived`, `ChangedMeanwhile`, `NameTaken`, `PlatformOwned`, `ProviderNotFound`,
    `WrongConfiguration`.
    """
    row = await _changeable(session, tenant_id, provider_id, version)
    changes = owned.differing(row, values)
    if changes:
        elsewhere = goes_elsewhere(row, changes)
        for name, value in changes.items():
            setattr(row, name, value)
        check(row)
        row.version += 1
        await owned.write(session, row, what=_WHAT)
        await owned.note(session, row, AuditAction.PROVIDER_CHANGE, actor, changes)
        if elsewhere:
            await forget_key(session, row, actor=actor)
    return await find(session, tenant_id=tenant_id, provider_id=provider_id)


async def archive(
    session: AsyncSession, *, tenant_id: UUID, provider_id: UUID, version: int, actor: Actor
) -> ProviderView:
    """Put an account away that no deployment uses any more; its key goes.

    Raises: as `change`, `StillInUse`.
    """
    row = await _changeable(session, tenant_id, provider_id, version)
    of_it = (
        Deployment.provider_tenant_id == row.tenant_id,
        Deployment.provider_id == row.id,
        Deployment.archived_at.is_(None),
    )
    if await session.scalar(select(exists().where(*of_it))):
        raise StillInUse("The provider has deployments: archive them first.")
    row.archived_at = now()
    row.version += 1
    await owned.write(session, row, what=_WHAT)
    await owned.note(session, row, AuditAction.PROVIDER_ARCHIVE, actor)
    await forget_key(session, row, actor=actor)
    return await find(session, tenant_id=tenant_id, provider_id=provider_id)


async def _changeable(session: AsyncSession, tenant_id: UUID, provider_id: UUID, version: int) -> Provider:
    return await owned.changeable(
        session,
        Provider,
        provider_id,
        tenant_id=tenant_id,
        missing=ProviderNotFound,
        what=_WHAT,
        version=version,
    )


def _view(row: Provider, keys: Mapping[UUID, KeyFacts]) -> ProviderView:
    return ProviderView(provider_facts(row), row.version, row.archived_at, keys.get(row.id))


def goes_elsewhere(row: Provider, changes: Mapping[str, Any]) -> bool:
    """Whether the key would be sent to somebody else, or in another way, after these changes."""
    address = _origin(changes.get("base_url", row.base_url))
    return any(name in changes for name in _OF_THE_KEY) or address != _origin(row.base_url)


def check(row: Provider) -> None:
    """What cannot work, or must not be called. Raises: `WrongConfiguration`."""
    if row.kind == ProviderKind.EXTRACTIVE:
        if row.base_url is not None:
            raise _wrong("base_url_not_used", "An extractive provider runs here and has no address.")
        return
    if row.authentication == Authentication.ENTRA and row.kind not in _AZURE:
        raise _wrong("no_entra", "Only Azure knows us by Entra: give a key.", target="authentication")
    if row.base_url is None:
        if row.kind not in _KNOWN_ADDRESS:
            raise _wrong("base_url_missing", f"A provider of the kind {row.kind} needs its address.")
        return
    if "?" in row.base_url or "#" in row.base_url:
        # Addresses are shown; keys that stand in one would be, too.
        raise _wrong("address_not_allowed", "The address holds more than a server and a path.")
    host = _checked_host(row)
    if row.authentication == Authentication.ENTRA and not host.endswith(_AZURE_HOSTS):
        # A token of ours goes to nobody who merely says that they are Azure.
        raise _wrong("not_azure", f"With Entra the address ends in {', '.join(_AZURE_HOSTS)}.")


def _checked_host(row: Provider) -> str:
    url = row.base_url or ""
    if row.tenant_id != PLATFORM:
        try:
            return tenant_endpoint(url).hostname or ""
        except AddressNotAllowed as error:
            raise _wrong("address_not_allowed", error.message) from error
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _wrong("address_not_allowed", "This address cannot be read.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise _wrong("address_not_allowed", "This is not the address of a server.")
    return parts.hostname


def _origin(url: str | None) -> tuple[str, str] | None:
    if url is None:
        return None
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _wrong(code: str, message: str, *, target: str = "base_url") -> WrongConfiguration:
    return WrongConfiguration(ErrorDetail(code, message, target=target))
