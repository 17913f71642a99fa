"""How long a session of the portal lasts, and what ends it."""

import asyncio
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.http.browsers import SESSION_COOKIE
from app.identity.browser_secrets import BrowserSecret
from app.identity.sessions import ABSOLUTE_SECONDS, IDLE_SECONDS
from tests.canaries import logged
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER, GRACE, MARY, seed_tenants
from tests.portal.browsers import Browser, Portal, code
from tests.tenants.administration import execute, rows

GONE = (401, "session_required")


def key_of(browser: Browser) -> str:
    """Where Redis keeps the browser's session."""
    secret = BrowserSecret.read(browser.session)
    assert secret is not None
    return f"portal:session:{secret.digest()}"


async def test_half_an_hour_without_a_request_ends_a_session(browser: Browser, redis: Redis) -> None:
    await browser.sign_in()
    key = key_of(browser)
    assert IDLE_SECONDS - 30 < await redis.ttl(key) <= IDLE_SECONDS

    await redis.expire(key, 5)
    assert (await browser.get("/me")).status_code == 200
    assert IDLE_SECONDS - 30 < await redis.ttl(key) <= IDLE_SECONDS

    await redis.expireat(key, 1)
    assert code(await browser.get("/me")) == GONE


async def test_eight_hours_end_a_session_however_busy_it_is(
    portal: Portal, browser: Browser, redis: Redis
) -> None:
    await browser.sign_in()
    portal.move_clock(ABSOLUTE_SECONDS - 60)
    assert (await browser.get("/me")).status_code == 200
    # Its idle time reaches no further than the end.
    assert await redis.ttl(key_of(browser)) <= 60

    portal.move_clock(61)
    assert code(await browser.get("/me")) == GONE
    assert await redis.exists(key_of(browser)) == 0


async def test_sign_out_ends_this_session_and_takes_the_cookie_back(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    await browser.sign_in()
    kept = browser.session or ""
    async with portal.browser() as elsewhere:
        await elsewhere.sign_in()
        answer = await browser.send("POST", "/sign-out")

        assert answer.status_code == 200
        assert answer.json()["entra_sign_out_url"].startswith(portal.entra.url)
        assert browser.session is None
        browser.planted = {SESSION_COOKIE: kept}
        assert code(await browser.get("/me")) == GONE
        assert (await elsewhere.get("/me")).status_code == 200
    assert ("session.end",) in await rows(database, "SELECT action FROM audit_entries")


async def test_sign_out_everywhere_ends_every_session_of_the_member_and_nobody_elses(portal: Portal) -> None:
    async with portal.browser() as one, portal.browser() as two, portal.browser() as colleague:
        for browser, login in ((one, ADA), (two, ADA), (colleague, ALAN)):
            await browser.sign_in(login)
        assert (await one.send("POST", "/sign-out-everywhere")).status_code == 200

        assert code(await two.get("/me")) == GONE
        assert (await colleague.get("/me")).status_code == 200


@pytest.mark.parametrize("change", [{"role": "Auditor"}, {"state": "blocked"}])
async def test_a_change_by_an_administrator_ends_the_members_sessions(
    portal: Portal, change: dict[str, str]
) -> None:
    async with portal.browser() as admin, portal.browser() as person:
        await admin.sign_in(ALAN)
        await person.sign_in(ADA)
        member_id = (await person.get("/me")).json()["member_id"]

        answer = await admin.send("PATCH", f"/members/{member_id}", json=change)
        assert answer.status_code == 200, answer.text
        assert code(await person.get("/me")) == GONE
        again = await person.sign_in(ADA)
        assert again.status_code == (403 if change.get("state") else 302)


async def test_what_a_request_caches_before_the_commit_keeps_nobody_in(portal: Portal) -> None:
    # Nobody tells this process of the change: what it has done itself it knows.
    await portal.services.listener.close()
    directory = portal.services.directory
    async with portal.browser() as admin, portal.browser() as person:
        await admin.sign_in(ALAN)
        await person.sign_in(ADA)
        member_id = (await person.get("/me")).json()["member_id"]
        tenant_id = UUID((await admin.get("/me")).json()["tenant_id"])
        object_id = UUID(portal.entra.app.person(ADA).object_id)
        let_in = await directory.member(tenant_id, object_id, "Ada")

        def cache(_session: Session) -> None:
            directory._members[tenant_id, object_id] = (time.monotonic() + 60, let_in)

        event.listen(Session, "before_commit", cache)
        try:
            blocked = await admin.send("PATCH", f"/members/{member_id}", json={"state": "blocked"})
        finally:
            event.remove(Session, "before_commit", cache)
        assert blocked.status_code == 200, blocked.text
        assert code(await person.sign_in(ADA)) == (403, "member_blocked")


async def test_a_change_of_our_rows_counts_in_sessions_that_nobody_ended(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    await browser.sign_in(ALAN)
    me = (await browser.get("/members")).json()["value"]
    assert me
    tenant = UUID(portal.entra.app.person(ALAN).tenant_id)

    await execute(database, "UPDATE members SET role = 'Member' WHERE display_name = 'Alan Turing'")
    portal.services.directory.forget(tenant)
    assert code(await browser.get("/members")) == (403, "role_missing")
    await execute(database, "UPDATE members SET state = 'blocked' WHERE display_name = 'Alan Turing'")
    portal.services.directory.forget(tenant)
    assert code(await browser.get("/me")) == (403, "member_blocked")
    await execute(database, "UPDATE tenants SET state = 'suspended' WHERE entra_tenant_id = :id", id=tenant)
    portal.services.directory.forget(tenant)
    assert code(await browser.get("/me")) == (403, "tenant_not_onboarded")


async def test_ending_a_tenants_sessions_leaves_the_others(portal: Portal) -> None:
    async with portal.browser() as mine, portal.browser() as other:
        await mine.sign_in(ADA)
        await other.sign_in(GRACE)
        await portal.services.sessions.end_tenant(UUID((await mine.get("/me")).json()["tenant_id"]))

        assert code(await mine.get("/me")) == GONE
        assert (await other.get("/me")).status_code == 200


def promote(portal: Portal, login: str, role: str) -> None:
    """Assign another role in Entra."""
    portal.entra.app.people.add(replace(portal.entra.app.person(login), role=role))


async def test_a_role_that_entra_takes_away_is_gone_within_fifteen_minutes(
    portal: Portal, browser: Browser
) -> None:
    await browser.sign_in(ALAN)
    promote(portal, ALAN, "Member")
    portal.move_clock(590)
    assert (await browser.get("/members")).status_code == 200

    portal.move_clock(20)
    assert code(await browser.get("/members")) == (403, "role_missing")
    assert (await browser.get("/me")).json()["roles"] == ["Member"]


async def test_somebody_whom_entra_renews_no_more_is_signed_out(portal: Portal, browser: Browser) -> None:
    await browser.sign_in(ALAN)
    portal.entra.app.revoke(ALAN)
    portal.move_clock(610)

    assert code(await browser.get("/me")) == GONE
    assert code(await browser.get("/me")) == GONE


def token_address(portal: Portal) -> str:
    return f"/{portal.entra.app.person(ADA).tenant_id}/oauth2/v2.0/token"


async def test_while_entra_is_away_a_session_lasts_fifteen_minutes_and_then_waits_for_it(
    portal: Portal, browser: Browser
) -> None:
    await browser.sign_in()
    portal.entra.app.failing = True
    portal.move_clock(610)
    assert (await browser.get("/me")).status_code == 200
    portal.move_clock(300)
    assert code(await browser.get("/me")) == (503, "identity_unavailable")

    portal.entra.app.failing = False
    portal.move_clock(6)
    assert (await browser.get("/me")).status_code == 200


async def test_after_an_hour_without_entra_a_session_is_over_and_its_person_signs_in_again(
    portal: Portal, browser: Browser, redis: Redis
) -> None:
    await browser.sign_in()
    portal.entra.app.failing = True
    portal.move_clock(3590)
    assert code(await browser.get("/me")) == (503, "identity_unavailable")
    portal.move_clock(20)
    assert code(await browser.get("/me")) == GONE
    assert await redis.exists(key_of(browser)) == 0

    portal.entra.app.failing = False
    assert code(await browser.get("/me")) == GONE
    assert (await browser.sign_in()).status_code == 302


async def test_a_dead_entra_is_asked_once_for_many_requests_of_an_overdue_session(
    portal: Portal, browser: Browser
) -> None:
    await browser.sign_in()
    portal.move_clock(1000)
    portal.entra.app.failing = True
    portal.entra.app.requests.clear()
    answers = await asyncio.gather(*(browser.get("/me") for _ in range(12)))
    assert {code(one) for one in answers} == {(503, "identity_unavailable")}
    first = portal.entra.app.requests.total()
    assert code(await browser.get("/me")) == (503, "identity_unavailable")
    assert portal.entra.app.requests.total() == first <= 2

    portal.entra.app.failing = False
    portal.move_clock(6)
    portal.entra.app.requests.clear()
    answers = await asyncio.gather(*(browser.get("/me") for _ in range(12)))
    assert {one.status_code for one in answers} == {200}
    assert portal.entra.app.requests[token_address(portal)] == 1


async def test_many_requests_ask_entra_once(portal: Portal, browser: Browser) -> None:
    await browser.sign_in()
    portal.move_clock(610)
    answers = await asyncio.gather(*(browser.get("/me") for _ in range(8)))

    assert {one.status_code for one in answers} == {200}
    assert portal.entra.app.requests[token_address(portal)] == 1


async def test_a_session_that_ended_while_entra_was_asked_stays_ended(
    portal: Portal, browser: Browser
) -> None:
    await browser.sign_in()
    secret = BrowserSecret.read(browser.session)
    assert secret is not None
    sessions = portal.services.sessions
    found = await sessions.find(secret)
    assert found is not None
    await sessions.end(secret)
    await sessions.replace(found)

    assert code(await browser.get("/me")) == GONE


async def test_an_operators_role_counts_in_the_operators_tenant_only(
    portal: Portal, database: TestDatabase
) -> None:
    await execute(database, "UPDATE members SET role = 'PlatformOperator' WHERE display_name = 'Alan Turing'")
    await execute(
        database, "UPDATE members SET role = 'PlatformOperator' WHERE display_name = 'Edsger Dijkstra'"
    )
    for login in (ALAN, EDSGER):
        promote(portal, login, "PlatformOperator")
    async with portal.browser() as operator, portal.browser() as foreign:
        await operator.sign_in(ALAN)
        await foreign.sign_in(EDSGER)
        assert (await operator.get("/tenants")).status_code == 200
        assert (await foreign.get("/me")).json()["roles"] == ["Member"]
        assert code(await foreign.get("/tenants")) == (403, "role_missing")
        tenant = (await operator.get("/me")).json()["tenant_id"]
        suspended = await foreign.send("POST", f"/tenants/{tenant}/suspend", json={"reason": "Mine now"})
        assert code(suspended) == (403, "role_missing")
        # Operators are no administrators of tenants, not even of their own.
        assert code(await operator.get("/members")) == (403, "role_missing")


@pytest.fixture
def changes() -> dict[str, Any]:
    """Contoso operates the platform."""
    return {"operator_tenant": seed_tenants()[0]["entra_tenant_id"]}


async def test_a_suspension_ends_the_sessions_of_the_customer(portal: Portal, database: TestDatabase) -> None:
    await execute(database, "UPDATE members SET role = 'PlatformOperator' WHERE display_name = 'Alan Turing'")
    promote(portal, ALAN, "PlatformOperator")
    async with portal.browser() as operator, portal.browser() as customer:
        await operator.sign_in(ALAN)
        await customer.sign_in(GRACE)
        tenant = (await customer.get("/me")).json()["tenant_id"]
        answer = await operator.send("POST", f"/tenants/{tenant}/suspend", json={"reason": "Unpaid"})
        assert answer.status_code == 200, answer.text
        assert code(await customer.get("/me")) == GONE
        resumed = await operator.send("POST", f"/tenants/{tenant}/resume")
        assert resumed.json()["state"] == "active"


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Sec-Fetch-Site": "same-origin", "X-Switchboard-Portal": "1"}, True),
        ({"Origin": "own", "X-Switchboard-Portal": "1"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "own", "X-Switchboard-Portal": "1"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Origin": "own"}, False),
        ({"X-Switchboard-Portal": "1"}, False),
        ({}, False),
        ({"Sec-Fetch-Site": "same-site", "X-Switchboard-Portal": "1"}, False),
        ({"Sec-Fetch-Site": "cross-site", "X-Switchboard-Portal": "1"}, False),
        ({"Sec-Fetch-Site": "none", "X-Switchboard-Portal": "1"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "own", "X-Switchboard-Portal": "1"}, False),
        (
            {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example", "X-Switchboard-Portal": "1"},
            False,
        ),
        ({"Origin": "https://evil.example", "X-Switchboard-Portal": "1"}, False),
        ({"Origin": "null", "X-Switchboard-Portal": "1"}, False),
        ({"Origin": "own", "X-Switchboard-Portal": "yes"}, False),
    ],
)
async def test_a_change_comes_from_our_own_pages(
    browser: Browser, headers: dict[str, str], *, allowed: bool
) -> None:
    await browser.sign_in(MARY)
    sent = {name: browser.portal.origin if value == "own" else value for name, value in headers.items()}
    answer = await browser.http.post("/portal/v1/sign-out", headers=sent)

    if allowed:
        assert answer.status_code == 200
    else:
        assert code(answer) == (403, "cross_site")
        assert (await browser.get("/me")).status_code == 200


async def test_a_session_that_does_not_open_ends_and_is_told_in_the_log(
    browser: Browser, redis: Redis
) -> None:
    await browser.sign_in()
    key = key_of(browser)
    sealed = await redis.get(key)
    assert isinstance(sealed, bytes)
    await redis.set(key, sealed[:-1] + bytes([sealed[-1] ^ 1]), keepttl=True)

    with logged() as written:
        assert code(await browser.get("/me")) == GONE

    assert "portal session unreadable" in written.getvalue()
    assert not await redis.exists(key)
