"""Vendor accounts through the doors: who may, what is refused, and that keys never come out again."""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from app.pools import providers
from app.pools.credentials import Credentials, credential_place
from app.pools.errors import CredentialUnavailable
from app.pools.seed import write_provider
from app.pools.seed_schema import SeedProvider
from app.vocabulary import PLATFORM, Environment
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER, GRACE, seed_tenants
from tests.portal.browsers import Browser, Portal, code
from tests.tenants.administration import execute, rows

MISTRAL = {
    "name": "mistral",
    "kind": "openai_compatible",
    "vendor": "mistral",
    "base_url": "https://api.mistral.example.com/v1",
    "region": "eu",
    "processor": "Mistral AI",
    "no_training": True,
}
KEY = "sk-quux-4f0a9c1d77"


@pytest.fixture
async def admin(portal: Portal) -> AsyncIterator[Browser]:
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


@pytest.fixture
async def stranger(portal: Portal) -> AsyncIterator[Browser]:
    """An administrator of another customer."""
    async with portal.browser() as browser:
        await browser.sign_in(EDSGER)
        yield browser


async def made(browser: Browser, **changes: Any) -> tuple[dict[str, Any], str]:
    """A provider, and its ETag."""
    answer = await browser.send("POST", "/providers", json=MISTRAL | changes)
    assert answer.status_code == 201, answer.text
    return answer.json(), answer.headers["etag"]


async def platform_provider(database: TestDatabase, **changes: Any) -> str:
    """One of the platform's, as the import writes it."""
    seed = SeedProvider.model_validate(
        {"name": "house", "kind": "openai_compatible", "vendor": "acme", "region": "eu", "processor": "Acme"}
        | changes
    )
    async with database.owner.system() as session:
        return str(await write_provider(session, seed, "http://127.0.0.1:9/v1"))


async def test_an_administrator_sets_up_a_provider_changes_it_and_puts_it_away(
    admin: Browser, database: TestDatabase
) -> None:
    provider, first = await made(admin)
    assert provider["owner"] == "tenant"
    assert {name: provider[name] for name in MISTRAL} == MISTRAL
    assert (provider["credential"], provider["authentication"]) == (None, "key")
    path = f"/providers/{provider['id']}"
    changed = await admin.send(
        "PATCH",
        path,
        json={"region": "fr", "contract_until": "2027-01-01T00:00:00Z"},
        headers={"If-Match": first},
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["region"], changed.json()["processor"]) == ("fr", "Mistral AI")
    second = changed.headers["etag"]
    assert second != first
    past = {"If-Match": first}
    assert code(await admin.send("PATCH", path, json={"region": "de"}, headers=past)) == (
        412,
        "changed_meanwhile",
    )
    assert code(await admin.send("POST", f"{path}/archive", headers=past)) == (412, "changed_meanwhile")
    assert code(await admin.send("PATCH", path, json={"region": "de"})) == (400, "bad_request")
    same = await admin.send("PATCH", path, json={"region": "fr"}, headers={"If-Match": second})
    assert same.headers["etag"] == second
    cleared = await admin.send("PATCH", path, json={"contract_until": None}, headers={"If-Match": second})
    assert cleared.json()["contract_until"] is None
    archived = await admin.send("POST", f"{path}/archive", headers={"If-Match": cleared.headers["etag"]})
    assert archived.json()["archived_at"] is not None
    assert (await admin.get("/providers")).json()["value"] == []
    assert [one["id"] for one in (await admin.get("/providers?archived=true")).json()["value"]] == [
        provider["id"]
    ]
    gone = {"If-Match": archived.headers["etag"]}
    assert code(await admin.send("PATCH", path, json={"region": "de"}, headers=gone)) == (409, "archived")
    assert code(await admin.send("POST", "/providers", json=MISTRAL)) == (409, "name_taken")
    kept = await rows(
        database, "SELECT action, detail->>'region' FROM audit_entries WHERE action LIKE 'prov%' ORDER BY id"
    )
    assert kept == [
        ("provider.create", "eu"),
        ("provider.change", "fr"),
        ("provider.change", None),
        ("provider.archive", None),
    ]


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"base_url": "http://api.mistral.example.com/v1"}, "base_url"),
        ({"base_url": "https://127.0.0.1/v1"}, "base_url"),
        ({"base_url": "https://vault.internal/v1"}, "base_url"),
        ({"base_url": "https://169.254.169.254/latest"}, "base_url"),
        ({"base_url": "https://api.mistral.example.com/v1?key=quux"}, "base_url"),
        ({"base_url": None}, "base_url"),
        ({"authentication": "entra"}, "authentication"),
        ({"kind": "extractive"}, "base_url"),
        ({"name": "No Slug"}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_work_or_must_not_be_called_is_refused_with_its_place(
    admin: Browser, changes: dict[str, Any], target: str
) -> None:
    answer = await admin.send("POST", "/providers", json=MISTRAL | changes)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["target"] == target


async def test_a_field_that_must_be_there_is_not_taken_away(admin: Browser) -> None:
    provider, tag = await made(admin)
    answer = await admin.send(
        "PATCH", f"/providers/{provider['id']}", json={"region": None}, headers={"If-Match": tag}
    )
    assert code(answer) == (422, "malformed")


async def test_lists_come_in_pages(admin: Browser) -> None:
    ids = [(await made(admin, name=f"m{number}"))[0]["id"] for number in range(3)]
    first = (await admin.get("/providers", params={"limit": 2})).json()
    assert [one["id"] for one in first["value"]] == ids[:2]
    second = (await admin.get(first["next_link"].removeprefix("/portal/v1"))).json()
    assert ([one["id"] for one in second["value"]], second["next_link"]) == (ids[2:], None)


async def test_strangers_find_nothing_of_it_and_may_have_one_of_the_same_name(
    admin: Browser, stranger: Browser
) -> None:
    provider, tag = await made(admin)
    path = f"/providers/{provider['id']}"
    assert (await stranger.get("/providers")).json()["value"] == []
    assert code(await stranger.get(path)) == (404, "provider_not_found")
    for method, place, body in (
        ("PATCH", path, {"region": "us"}),
        ("POST", f"{path}/archive", None),
        ("PUT", f"{path}/credential", {"key": KEY}),
        ("DELETE", f"{path}/credential", None),
    ):
        answer = await stranger.send(method, place, json=body, headers={"If-Match": tag})
        assert code(answer) == (404, "provider_not_found"), place
    await made(stranger)


async def test_what_is_the_platforms_is_seen_by_all_and_changed_by_its_operators(
    admin: Browser, database: TestDatabase
) -> None:
    house = await platform_provider(database, credential="env:HOUSE_KEY")
    path = f"/providers/{house}"
    seen = await admin.get(path)
    assert (seen.json()["owner"], seen.json()["credential"]) == ("platform", None)
    tag = {"If-Match": seen.headers["etag"]}
    for method, place, body in (
        ("PATCH", path, {"region": "us"}),
        ("POST", f"{path}/archive", None),
        ("PUT", f"{path}/credential", {"key": KEY}),
        ("DELETE", f"{path}/credential", None),
    ):
        assert code(await admin.send(method, place, json=body, headers=tag)) == (403, "platform_owned"), place
        refused = await admin.send(method, f"{place}?owner=platform", json=body, headers=tag)
        assert code(refused) == (403, "role_missing")
    assert code(await admin.get(f"{path}?owner=platform")) == (403, "role_missing")


class TestOperators:
    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        """Contoso operates the platform."""
        return {"operator_tenant": seed_tenants()[0]["entra_tenant_id"]}

    async def test_an_operator_keeps_the_platforms_providers(
        self, portal: Portal, database: TestDatabase
    ) -> None:
        person = portal.entra.app.people.find(ADA)
        assert person is not None
        portal.entra.app.people.add(replace(person, role="PlatformOperator"))
        async with portal.browser() as operator:
            await execute(
                database,
                "UPDATE members SET role = 'PlatformOperator' WHERE entra_object_id = CAST(:id AS uuid)",
                id=person.object_id,
            )
            await operator.sign_in(ADA)
            body = MISTRAL | {"base_url": "http://127.0.0.1:8080/v1"}
            answer = await operator.send("POST", "/providers?owner=platform", json=body)
            assert answer.status_code == 201, answer.text
            assert answer.json()["owner"] == "platform"
            path = f"/providers/{answer.json()['id']}"
            entered = await operator.send("PUT", f"{path}/credential?owner=platform", json={"key": KEY})
            assert entered.json()["last4"] == "1d77"
            assert (await operator.get(f"{path}?owner=platform")).json()["credential"] is not None
            # As administrator of their own organisation they are one of everybody.
            assert code(await operator.send("PATCH", path, json={"region": "us"})) == (403, "role_missing")
        async with portal.browser() as other:
            await other.sign_in(EDSGER)
            assert (await other.get(path)).json()["credential"] is None
        ((owner, kind, member),) = await rows(
            database,
            "SELECT tenant_id, actor_kind, actor_member_id FROM audit_entries WHERE action = 'credential.set'",
        )
        assert (owner, kind, member) == (PLATFORM, "operator", None)


async def test_members_see_no_vendor_accounts(portal: Portal) -> None:
    async with portal.browser() as browser:
        await browser.sign_in(GRACE)
        assert code(await browser.get("/providers")) == (403, "role_missing")


async def test_a_key_goes_in_sealed_for_its_place_and_comes_out_nowhere(
    portal: Portal, admin: Browser, database: TestDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider, tag = await made(admin)
    path = f"/providers/{provider['id']}"
    said = []
    entered = await admin.send("PUT", f"{path}/credential", json={"key": KEY})
    said.append(entered)
    assert entered.json().keys() == {"last4", "set_at"}
    assert entered.json()["last4"] == "1d77"
    for wrong in (f"{KEY}\n", "short", f"{KEY} {KEY}", 7):
        said.append(await admin.send("PUT", f"{path}/credential", json={"key": wrong}))
        assert said[-1].status_code == 422
    said += [await admin.get(path), await admin.get("/providers")]
    assert said[-2].json()["credential"] == entered.json()
    # Not a change of the provider: whoever has its ETag may go on.
    assert said[-2].headers["etag"] == tag
    whole = json.dumps([[one.text, dict(one.headers)] for one in said])
    kept = [str(one) for one in await rows(database, "SELECT CAST(a AS text) FROM audit_entries a")]
    stored = [str(one) for one in await rows(database, "SELECT CAST(c AS text) FROM provider_credentials c")]
    for place in (whole, caplog.text, *kept, *stored):
        assert KEY not in place
    ((tenant_id, sealed),) = await rows(database, "SELECT tenant_id, sealed FROM provider_credentials")
    sealer = await portal.services.keys.sealer(tenant_id)
    assert sealer.open(credential_place(UUID(provider["id"])), sealed) == KEY.encode()


async def test_a_key_that_was_replaced_or_removed_counts_at_once(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    provider, _ = await made(admin)
    path = f"/providers/{provider['id']}/credential"
    for key in (KEY, f"{KEY}-2"):
        assert (await admin.send("PUT", path, json={"key": key})).status_code == 200
        assert await opened(portal, database, provider["id"]) == key
    assert (await admin.send("DELETE", path)).status_code == 204
    with pytest.raises(CredentialUnavailable, match="enter one"):
        await opened(portal, database, provider["id"])
    assert code(await admin.send("DELETE", path)) == (404, "credential_not_found")
    ((version,),) = await rows(database, "SELECT credential_version FROM providers")
    assert version == 3
    done = await rows(database, "SELECT action FROM audit_entries WHERE action LIKE 'cred%' ORDER BY id")
    assert [action for (action,) in done] == ["credential.set", "credential.set", "credential.clear"]


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "https://elsewhere.example.com/v1"},
        {"kind": "openai_compatible", "authentication": "none"},
    ],
)
async def test_a_key_is_not_sent_along_to_another_address(
    admin: Browser, database: TestDatabase, changes: dict[str, Any]
) -> None:
    provider, tag = await made(admin)
    path = f"/providers/{provider['id']}"
    await admin.send("PUT", f"{path}/credential", json={"key": KEY})
    harmless = await admin.send(
        "PATCH", path, json={"base_url": f"{MISTRAL['base_url']}/beta"}, headers={"If-Match": tag}
    )
    assert harmless.json()["credential"] is not None
    moved = await admin.send("PATCH", path, json=changes, headers={"If-Match": harmless.headers["etag"]})
    assert moved.json()["credential"] is None
    assert await rows(database, "SELECT 1 FROM provider_credentials") == []


async def opened(portal: Portal, database: TestDatabase, provider_id: str) -> str | None:
    """What a process calls the provider with."""
    ((tenant_id,),) = await rows(
        database, "SELECT tenant_id FROM providers WHERE id = :id", id=UUID(provider_id)
    )
    facts = next(one.facts for one in await _views(portal, tenant_id) if one.facts.id == UUID(provider_id))
    credentials = Credentials(database.app, portal.services.keys, environment=Environment.PRODUCTION)
    return await credentials.secret(facts)


async def _views(portal: Portal, tenant_id: UUID) -> Any:
    async with portal.services.database.tenant(tenant_id) as session:
        return await providers.page(session, tenant_id=tenant_id, after=None, limit=10)
