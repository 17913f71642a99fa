"""One client per deployment revision, kept while calls use it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from app.core.clock import new_id
from app.core.keyring import LocalKeyring
from app.llm.clients import Clients
from app.llm.providers.extractive import ExtractiveProvider
from app.pools.credentials import Credentials, credential_place
from app.pools.errors import CredentialUnavailable
from app.pools.values import PoolMemberFacts, ProviderFacts
from app.tenants.keys import TenantKeys
from app.vocabulary import PLATFORM, Authentication, Environment, ProviderKind
from tests.conftest import TestDatabase
from tests.pools.builders import deployment, member, provider


@pytest.fixture
async def clients(database: TestDatabase) -> AsyncIterator[Clients]:
    clients = Clients(database.app, None, Environment.DEVELOPMENT)
    yield clients
    await clients.close()


async def test_the_same_deployment_has_the_same_client(clients: Clients) -> None:
    one = member(deployment())
    async with clients.lease(one) as first, clients.lease(replace(one, weight=9)) as second:
        assert first is second
    async with clients.lease(replace(one, parameters={"temperature": 1.0})) as other:
        assert other is not first


async def test_a_warmed_member_is_called_by_the_client_that_was_made(clients: Clients) -> None:
    one = member(deployment())
    await clients.warm((one,))
    (made,) = clients._clients.values()
    async with clients.lease(one) as leased:
        assert leased is made.provider


async def test_a_changed_address_takes_a_new_client_and_the_old_one_closes_after_its_calls(
    clients: Clients,
) -> None:
    before = member(deployment())
    account = replace(before.deployment.provider, base_url="http://127.0.0.1:2/v1")
    after = replace(before, deployment=replace(before.deployment, provider=account))
    async with clients.lease(before) as old:
        async with clients.lease(after) as new:
            assert new is not old
        assert not old._http.is_closed  # type: ignore[attr-defined]
    assert old._http.is_closed  # type: ignore[attr-defined]


async def test_the_extractive_member_needs_no_key_and_no_network(clients: Clients) -> None:
    one = member(deployment(provider=provider(kind=ProviderKind.EXTRACTIVE, base_url=None)))
    assert await clients.without_credential((one,)) == frozenset()
    async with clients.lease(one) as extractive:
        assert isinstance(extractive, ExtractiveProvider)


async def stored(
    database: TestDatabase, of: ProviderFacts, *, reference: str | None = None, sealed: bytes | None = None
) -> None:
    async with database.owner.system() as session:
        await session.execute(
            text(
                "INSERT INTO providers (tenant_id, id, name, kind, vendor, region, processor, no_training,"
                " zero_retention) VALUES (:tenant, :id, 'a', 'openai_compatible', 'a', 'eu', 'a', true, true)"
            ),
            {"tenant": of.tenant_id, "id": of.id},
        )
        await session.execute(
            text(
                "INSERT INTO provider_credentials (tenant_id, provider_id, reference, sealed)"
                " VALUES (:tenant, :id, :reference, :sealed)"
            ),
            {"tenant": of.tenant_id, "id": of.id, "reference": reference, "sealed": sealed},
        )


async def test_a_key_of_the_environment_is_read_in_development_only(database: TestDatabase) -> None:
    account = provider()
    await stored(database, account, reference="env:ACME_KEY")

    def credentials(environment: Environment, **variables: str) -> Credentials:
        return Credentials(database.app, None, environment=environment, variables=variables)

    assert await credentials(Environment.DEVELOPMENT, ACME_KEY="k").secret(account) == "k"
    assert await credentials(Environment.DEVELOPMENT).secret(provider()) is None
    with pytest.raises(CredentialUnavailable, match="needs ACME_KEY, which is not set"):
        await credentials(Environment.DEVELOPMENT).secret(account)
    with pytest.raises(CredentialUnavailable, match="only development may"):
        await credentials(Environment.PRODUCTION, ACME_KEY="k").secret(account)


async def test_a_sealed_key_opens_with_its_owners_data_key_and_in_its_own_place(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    keys = TenantKeys(database.app, keyring)
    mine, moved = provider(tenant_id=database.tenant_id), provider(tenant_id=PLATFORM)
    sealer = await keys.sealer(database.tenant_id)
    sealed = sealer.seal(credential_place(mine.id), b"sk-sealed")
    await stored(database, mine, sealed=bytes(sealed))
    await stored(database, moved, sealed=bytes(sealed))
    credentials = Credentials(database.app, keys, environment=Environment.PRODUCTION)
    assert await credentials.secret(mine) == "sk-sealed"
    with pytest.raises(CredentialUnavailable, match="does not open"):
        await credentials.secret(moved)
    # Another tenant's provider of the same id is another row, and there is none.
    with pytest.raises(CredentialUnavailable, match="has no key"):
        await credentials.secret(replace(mine, tenant_id=database.other_tenant_id))
    without = replace(mine, id=new_id(), authentication=Authentication.NONE)
    assert await credentials.secret(without) is None


async def test_the_first_call_that_knows_of_a_new_key_uses_it_and_finds_its_breaker_closed(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    keys = TenantKeys(database.app, keyring)
    account = provider(tenant_id=database.tenant_id)
    place, sealer = credential_place(account.id), await keys.sealer(database.tenant_id)
    await stored(database, account, sealed=bytes(sealer.seal(place, b"sk-old")))
    before = member(deployment(provider=account))
    newer = replace(account, credential_version=1)
    after = replace(before, deployment=replace(before.deployment, provider=newer))
    clients = Clients(database.app, keys, Environment.PRODUCTION)
    assert await key_of(clients, before) == "sk-old"
    async with database.owner.system() as session:
        await session.execute(
            text("UPDATE provider_credentials SET sealed = :sealed"),
            {"sealed": bytes(sealer.seal(place, b"sk-new"))},
        )
    assert await key_of(clients, after) == "sk-new"
    # A step that began before calls with what is known now.
    assert await key_of(clients, before) == "sk-new"
    assert before.deployment.breaker_key != after.deployment.breaker_key
    await clients.close()


async def key_of(clients: Clients, one: PoolMemberFacts) -> str:
    """The key that a call would go with."""
    assert await clients.without_credential((one,)) == frozenset()
    async with clients.lease(one) as client:
        key: str = client._model.openai_api_key.get_secret_value()  # type: ignore[attr-defined]
        return key
