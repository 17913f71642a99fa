"""A provider's key, for the client that calls it and for nobody else. Never logged, never in an error."""

import os
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Place, SealBroken
from app.core.database import Database
from app.pools.errors import CredentialUnavailable
from app.pools.repository import PoolRepository
from app.pools.tables import Provider, ProviderCredential
from app.pools.values import ProviderFacts
from app.tenants.keys import TenantKeys
from app.vocabulary import PLATFORM, Authentication, Environment, ProviderKind

_REFERENCE = "env:"


class Credentials:
    """Opens credentials: sealed ones with the owner's data key, `env:NAME` only in development."""

    def __init__(
        self,
        database: Database,
        keys: TenantKeys | None,
        *,
        environment: Environment,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._environment = environment
        self._variables = os.environ if variables is None else variables

    async def secret(self, provider: ProviderFacts) -> str | None:
        """The provider's key; None when it has none, as a server of the platform's on this machine may.

        Raises: `CredentialUnavailable`; also for a tenant's provider that wants a key and has none.
        """
        # In the owner's session: a tenant may use the platform's providers and never see their keys.
        async with self._database.tenant(provider.tenant_id) as session:
            row = await PoolRepository(session, provider.tenant_id).credential(provider.id)
        if row is None:
            if provider.tenant_id != PLATFORM and provider.authentication is Authentication.KEY:
                raise CredentialUnavailable(f"The provider {provider.name} has no key: enter one.")
            return None
        if row.reference is not None:
            return self._from_environment(provider, row.reference)
        if row.sealed is None or self._keys is None:
            raise CredentialUnavailable(f"The key of the provider {provider.name} cannot be opened here.")
        sealer = await self._keys.sealer(provider.tenant_id)
        try:
            opened: bytes = sealer.open(credential_place(provider.id), row.sealed)
        except SealBroken as error:
            raise CredentialUnavailable(
                f"The key of the provider {provider.name} does not open: enter it again."
            ) from error
        return opened.decode()

    def _from_environment(self, provider: ProviderFacts, reference: str) -> str:
        name = reference.removeprefix(_REFERENCE)
        if self._environment is not Environment.DEVELOPMENT:
            raise CredentialUnavailable(
                f"The provider {provider.name} takes its key from {name}, which only development may:"
                " store the key instead."
            )
        value = self._variables.get(name)
        if not reference.startswith(_REFERENCE) or not value:
            raise CredentialUnavailable(f"The provider {provider.name} needs {name}, which is not set.")
        return value


async def load_keyless(session: AsyncSession, tenant_id: UUID) -> frozenset[UUID]:
    """The tenant's own providers that want a key and have none: nobody can call them."""
    found = await session.scalars(
        select(Provider.id)
        .outerjoin(
            ProviderCredential,
            (ProviderCredential.tenant_id == Provider.tenant_id)
            & (ProviderCredential.provider_id == Provider.id),
        )
        .where(
            Provider.tenant_id == tenant_id,
            Provider.tenant_id != PLATFORM,
            Provider.kind != ProviderKind.EXTRACTIVE,
            Provider.authentication == Authentication.KEY,
            ProviderCredential.provider_id.is_(None),
        )
    )
    return frozenset(found)


def credential_place(provider_id: UUID) -> Place:
    """Where a sealed key lives; whoever stores one seals it for this place."""
    return Place("provider_credentials", provider_id, "sealed")
