"""Tokens on behalf of people: real MSAL, a real Entra over TLS, caches in a real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import jwt
import pytest

from app.core.keyring import LocalKeyring
from app.identity.errors import ClaimsChallenge
from app.identity.graph_errors import (
    ConsentRequired,
    GraphUnavailable,
    InteractionRequired,
    NoPersonBehind,
)
from app.identity.msal_clients import MsalClients
from app.identity.on_behalf import OnBehalf
from app.identity.principal import Principal, PrincipalKind
from app.identity.token_caches import TokenCaches
from app.local.entra.registrations import (
    API_CLIENT_ID,
    DEVELOPMENT_SECRET,
    GRAPH_CLIENT_ID,
    PORTAL_CLIENT_ID,
)
from app.settings import Settings
from app.tenants.keys import TenantKeys
from app.vocabulary import Role
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, RunningEntra
from tests.local.entra_clients import browser_of

FABRIKAM = "fabrikam.example"


def settings_for(entra: RunningEntra, **changes: object) -> Settings:
    return Settings.model_validate(
        {
            "env": "development",
            "entra_authority": entra.url,
            "entra_ca": entra.ca,
            "api_client_id": API_CLIENT_ID,
            "entra_client_secret": DEVELOPMENT_SECRET,
            **changes,
        }
    )


@asynccontextmanager
async def acting(
    database: TestDatabase, entra: RunningEntra, keyring: LocalKeyring, **changes: object
) -> AsyncIterator[OnBehalf]:
    """What one process acts by."""
    settings = settings_for(entra, **changes)
    clients, keys = MsalClients(settings), TenantKeys(database.app, keyring)
    yield OnBehalf(settings, clients, TokenCaches(database.app, keys), keys)
    await clients.close()


@pytest.fixture
async def on_behalf(
    database: TestDatabase, entra: RunningEntra, keyring: LocalKeyring
) -> AsyncIterator[OnBehalf]:
    async with acting(database, entra, keyring) as made:
        yield made


def caller_of(database: TestDatabase, entra: RunningEntra, login: str = ADA) -> Principal:
    person = entra.app.person(login)
    return Principal(
        tenant_id=database.tenant_id,
        member_id=database.member_id,
        entra_tenant_id=UUID(person.tenant_id),
        entra_object_id=UUID(person.object_id),
        roles=frozenset({Role.MEMBER}),
        client_id="",
        scopes=frozenset(),
    )


def grants(entra: RunningEntra) -> int:
    return sum(count for path, count in entra.app.requests.items() if path.endswith("/token"))


async def test_a_token_is_for_graph_and_for_the_caller(
    database: TestDatabase, entra: RunningEntra, on_behalf: OnBehalf
) -> None:
    token = await on_behalf.graph_token(caller_of(database, entra), entra.token(ADA))
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["aud"], claims["scp"]) == (GRAPH_CLIENT_ID, "Files.Read.All")
    assert claims["oid"] == entra.app.person(ADA).object_id


async def test_twenty_at_once_in_three_processes_ask_entra_three_times_at_most(
    database: TestDatabase, entra: RunningEntra, keyring: LocalKeyring
) -> None:
    caller, token = caller_of(database, entra), entra.token(ADA)
    async with (
        acting(database, entra, keyring) as first,
        acting(database, entra, keyring) as second,
        acting(database, entra, keyring) as third,
    ):
        processes = (first, second, third)
        tokens = await asyncio.gather(*(processes[n % 3].graph_token(caller, token) for n in range(20)))
        assert 1 <= grants(entra) <= 3
        before = grants(entra)
        later = await asyncio.gather(*(one.graph_token(caller, token) for one in processes))
    assert grants(entra) == before
    assert set(later) <= set(tokens)


async def test_another_token_of_the_same_person_has_a_partition_of_its_own(
    database: TestDatabase, entra: RunningEntra, on_behalf: OnBehalf
) -> None:
    caller = caller_of(database, entra)
    await on_behalf.graph_token(caller, entra.token(ADA))
    await on_behalf.graph_token(caller, entra.token(ADA, nonce="another"))
    assert grants(entra) == 2


async def test_nobody_is_acted_for_by_anothers_token(
    database: TestDatabase, entra: RunningEntra, on_behalf: OnBehalf
) -> None:
    with pytest.raises(InteractionRequired):
        await on_behalf.graph_token(caller_of(database, entra, ADA), entra.token(ALAN))


async def test_a_guest_is_acted_for_in_the_tenant_they_visit(
    database: TestDatabase, entra: RunningEntra, on_behalf: OnBehalf
) -> None:
    home = entra.app.people.tenant_id(FABRIKAM)
    entra.app.people.add(replace(entra.app.person(ADA), home_tenant_id=home))
    caller, token = caller_of(database, entra), entra.token(ADA)
    assert await on_behalf.graph_token(caller, token) == await on_behalf.graph_token(caller, token)


async def test_a_program_is_no_person(
    database: TestDatabase, entra: RunningEntra, on_behalf: OnBehalf
) -> None:
    program = replace(caller_of(database, entra), kind=PrincipalKind.APPLICATION)
    with pytest.raises(NoPersonBehind):
        await on_behalf.graph_token(program, entra.application_token())
    assert grants(entra) == 0


async def test_the_page_of_consent_knows_the_program_and_where_to_send_the_browser_back(
    database: TestDatabase, entra: RunningEntra, keyring: LocalKeyring
) -> None:
    entra.app.consent("contoso.example", False)
    changes = {"portal_client_id": PORTAL_CLIENT_ID, "portal_url": "http://localhost:8443"}
    async with acting(database, entra, keyring, **changes) as on_behalf:
        with pytest.raises(ConsentRequired) as consent:
            await on_behalf.graph_token(caller_of(database, entra), entra.token(ADA))
    with browser_of(entra) as administrator:
        page = administrator.get(f"{consent.value.admin_consent_url}&login_hint={ALAN}")
    assert page.status_code == 302, page.text
    assert page.headers["location"].startswith("http://localhost:8443/portal/?admin_consent=True&")


async def test_each_refusal_of_entra_means_something_else(
    database: TestDatabase, entra: RunningEntra, on_behalf: OnBehalf
) -> None:
    caller = caller_of(database, entra)
    old = entra.token(ADA)
    entra.app.consent("contoso.example", False)
    with pytest.raises(ConsentRequired) as consent:
        await on_behalf.graph_token(caller, old)
    assert str(caller.entra_tenant_id) in consent.value.admin_consent_url
    entra.app.consent("contoso.example")
    entra.app.require_policy(ADA)
    with pytest.raises(ClaimsChallenge) as challenge:
        await on_behalf.graph_token(caller, old)
    assert "capolids" in challenge.value.claims
    entra.app.require_policy(ADA, None)
    entra.app.revoke(ADA)
    with pytest.raises(InteractionRequired):
        await on_behalf.graph_token(caller, old)
    entra.app.failing = True
    with pytest.raises(GraphUnavailable):
        await on_behalf.graph_token(caller, entra.token(ADA))


@pytest.mark.parametrize("secret", [None, "wrong"])
async def test_a_process_that_cannot_prove_itself_says_so_to_operators_only(
    database: TestDatabase, entra: RunningEntra, keyring: LocalKeyring, secret: str | None
) -> None:
    async with acting(database, entra, keyring, entra_client_secret=secret) as unproven:
        with pytest.raises(GraphUnavailable) as refused:
            await unproven.graph_token(caller_of(database, entra), entra.token(ADA))
    assert "secret" not in refused.value.message.lower()
