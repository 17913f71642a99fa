"""A directory brings itself in: an administrator, consent proven by Entra, and nothing on anybody's word."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.local.entra.registrations import API_CLIENT_ID, PORTAL_CLIENT_ID
from tests.conftest import TestDatabase
from tests.entra import ALAN, JOAN, KATHERINE, NORTHWIND
from tests.local.entra_clients import browser_of
from tests.portal.browsers import Browser, Portal, code
from tests.tenants.administration import rows, snapshot

CONSENT = "/onboarding/consent"


async def ask(browser: Browser, name: str | None = "Northwind") -> httpx.Response:
    return await browser.send("POST", "/onboarding", json={} if name is None else {"name": name})


def consent_at_entra(portal: Portal, place: str, login: str = KATHERINE, **query: str) -> dict[str, str]:
    """What Entra's consent page sends the browser back with."""
    with browser_of(portal.entra) as client:
        answer = client.get(place, params={**_query(place), "login_hint": login, **query})
    assert answer.status_code == 302, answer.text
    return _query(answer.headers["location"])


def _query(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


async def tenants(database: TestDatabase) -> list[tuple[Any, ...]]:
    return await rows(
        database, "SELECT name, state FROM tenants WHERE entra_tenant_id = CAST(:id AS uuid)", id=NORTHWIND
    )


async def test_an_administrator_consents_and_is_the_first_of_the_new_customer(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    await browser.sign_in(KATHERINE)
    assert code(await browser.get("/me")) == (403, "tenant_not_onboarded")
    place = (await ask(browser)).json()["consent_url"]
    made = await browser.get(CONSENT, params=consent_at_entra(portal, place))
    assert made.status_code == 200, made.text
    assert (made.json()["name"], made.json()["state"]) == ("Northwind", "active")
    me = (await browser.get("/me")).json()
    assert me["roles"] == ["Member", "TenantAdmin"]
    actions = await rows(
        database,
        "SELECT action FROM audit_entries e JOIN tenants t ON t.id = e.tenant_id"
        " WHERE t.entra_tenant_id = CAST(:id AS uuid) ORDER BY e.id",
        id=NORTHWIND,
    )
    assert [action for (action,) in actions][:3] == ["tenant.invite", "tenant.consent", "tenant.onboard"]
    async with portal.browser() as colleague:
        await colleague.sign_in(JOAN)
        assert (await colleague.get("/me")).json()["roles"] == ["Member"]


async def test_who_is_no_administrator_changes_nothing(browser: Browser, database: TestDatabase) -> None:
    await browser.sign_in(JOAN)
    before = await snapshot(database)
    assert code(await ask(browser)) == (403, "not_an_administrator")
    assert await snapshot(database) == before


@pytest.mark.parametrize("forged", ["state", "no state", "tenant", "declined", "error"])
async def test_a_forged_answer_changes_nothing(
    portal: Portal, browser: Browser, database: TestDatabase, forged: str
) -> None:
    await browser.sign_in(KATHERINE)
    answer = consent_at_entra(portal, (await ask(browser)).json()["consent_url"])
    changed: dict[str, dict[str, str]] = {
        "state": {**answer, "state": "x" * 43},
        "no state": {name: value for name, value in answer.items() if name != "state"},
        "tenant": {**answer, "tenant": "6a1d3c52-8f0b-4e77-b2c9-15d0a7e4f831"},
        "declined": {**answer, "admin_consent": "False"},
        "error": {**answer, "error": "access_denied"},
    }
    before = await snapshot(database)
    assert code(await browser.get(CONSENT, params=changed[forged])) == (400, "onboarding_refused")
    assert await snapshot(database) == before


async def test_a_state_is_good_once_and_for_the_session_that_began(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    await browser.sign_in(KATHERINE)
    answer = consent_at_entra(portal, (await ask(browser)).json()["consent_url"])
    async with portal.browser() as other:
        await other.sign_in(KATHERINE)
        assert code(await other.get(CONSENT, params=answer)) == (400, "onboarding_refused")
    # Whoever sent it from elsewhere has used it up.
    assert code(await browser.get(CONSENT, params=answer)) == (400, "onboarding_refused")
    assert await tenants(database) == []


async def test_the_word_of_the_address_alone_proves_no_consent(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    """The callback says `admin_consent=True`, but nobody has consented at Entra."""
    await browser.sign_in(KATHERINE)
    place = (await ask(browser)).json()["consent_url"]
    forged = {"state": _query(place)["state"], "tenant": NORTHWIND, "admin_consent": "True"}
    before = await snapshot(database)
    assert code(await browser.get(CONSENT, params=forged)) == (409, "consent_not_proven")
    assert await snapshot(database) == before


async def test_one_persons_own_consent_is_no_consent_of_the_directory(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    entra = portal.entra.app
    katherine = entra.people.find(KATHERINE)
    assert katherine is not None
    entra.consents.grant_person(katherine, API_CLIENT_ID)
    entra.consents.grant_person(katherine, PORTAL_CLIENT_ID)
    await browser.sign_in(KATHERINE)
    place = (await ask(browser)).json()["consent_url"]
    forged = {"state": _query(place)["state"], "tenant": NORTHWIND, "admin_consent": "True"}
    assert code(await browser.get(CONSENT, params=forged)) == (409, "consent_not_proven")
    assert await tenants(database) == []


async def test_a_guest_administrator_brings_no_directory_in(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    entra = portal.entra.app
    katherine = entra.people.find(KATHERINE)
    assert katherine is not None
    entra.people.add(replace(katherine, home_tenant_id="6a1d3c52-8f0b-4e77-b2c9-15d0a7e4f831"))
    await browser.sign_in(KATHERINE, tenant=NORTHWIND)
    assert code(await ask(browser)) == (403, "guest_refused")
    assert await tenants(database) == []


async def test_a_customer_is_not_onboarded_again(browser: Browser) -> None:
    await browser.sign_in(ALAN)
    assert code(await ask(browser, None)) == (409, "already_onboarded")


class TestInvited:
    """Where only invited directories may come in."""

    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        return {"onboarding": "invited"}

    async def test_a_directory_that_nobody_invited_stays_out(
        self, browser: Browser, database: TestDatabase
    ) -> None:
        await browser.sign_in(KATHERINE)
        assert code(await ask(browser)) == (403, "not_invited")
        assert await tenants(database) == []


class TestMany:
    """An address that begins consent after consent."""

    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        return {"rate_limit_sign_in_starts": 2}

    async def test_it_waits_for_a_minute(self, portal: Portal, browser: Browser) -> None:
        # The minute must not end meanwhile.
        portal.services.sign_in_limits._clock = lambda: 600.0
        await browser.sign_in(KATHERINE)
        assert (await ask(browser)).status_code == 200

        refused = await ask(browser)

        assert code(refused) == (429, "too_many_sign_ins")
        assert refused.headers["Retry-After"] == "70"
