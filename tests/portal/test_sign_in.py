"""Signing in at the portal: the whole way over HTTP, and what must not open the door."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from app.http.browsers import FLOW_COOKIE, SESSION_COOKIE
from app.http.sign_in_limits import Door, TooManySignIns
from app.local.entra.registrations import PORTAL_CLIENT_ID
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER, GRACE, KATHERINE
from tests.portal.browsers import SIGN_IN, Browser, Portal, code
from tests.tenants.administration import execute, rows


async def test_a_person_signs_in_and_sees_who_they_are(browser: Browser, database: TestDatabase) -> None:
    answer = await browser.sign_in(ALAN, return_to="/portal/members?search=alan")

    assert (answer.status_code, answer.headers["location"]) == (302, "/portal/members?search=alan")
    me = (await browser.get("/me")).json()
    assert (me["display_name"], me["tenant_name"]) == ("Alan Turing", "Contoso")
    assert me["roles"] == ["Member", "TenantAdmin"]
    [(groups, seen)] = await rows(
        database, "SELECT groups, last_seen_at FROM members WHERE id = :id", id=me["member_id"]
    )
    assert len(groups) == 2
    assert seen is not None
    assert await rows(database, "SELECT action FROM audit_entries") == [("session.begin",)]


async def test_cookies_are_for_this_host_only_and_out_of_reach_of_scripts(browser: Browser) -> None:
    place = await browser.begin()
    assert "code_challenge_method=S256" in place
    assert "nonce=" in place
    await browser.come_back(browser.at_entra(place))

    for name in (FLOW_COOKIE, SESSION_COOKIE):
        cookie = browser.cookie(name)
        assert name.startswith("__Host-")
        assert (cookie.secure, cookie.path, cookie.domain_specified) == (True, "/", False)
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.get_nonstandard_attr("SameSite") == "lax"
    assert browser.cookie(SESSION_COOKIE).expires is None


async def test_no_token_reaches_the_browser_and_redis_holds_only_ciphertext(
    browser: Browser, redis: Redis
) -> None:
    answer = await browser.sign_in()
    me = await browser.get("/me")

    for seen in (answer, me):
        assert "eyJ" not in seen.text + str(seen.headers)
    keys: Any = await redis.keys("portal:*")
    kept = b"".join([(await redis.dump(key)) or b"" for key in keys])
    names = b"".join(keys)
    session = (browser.session or "").encode()
    assert session
    for secret in (session, b"eyJ", b"refresh", b"Lovelace"):
        assert secret not in kept
        assert secret not in names


async def test_a_state_is_good_once(browser: Browser) -> None:
    answer = browser.at_entra(await browser.begin())
    assert (await browser.come_back(answer)).status_code == 302

    assert code(await browser.come_back(answer)) == (400, "sign_in_refused")


@pytest.mark.parametrize("change", ["unknown", "none", "long"])
async def test_a_state_that_we_never_gave_is_refused(browser: Browser, change: str) -> None:
    answer = browser.at_entra(await browser.begin())
    changed = {"unknown": "x" * 16, "none": "", "long": "x" * 5000}[change]

    assert code(await browser.come_back({**answer, "state": changed})) == (400, "sign_in_refused")
    assert browser.session is None


async def test_a_sign_in_ends_only_in_the_browser_that_began_it(portal: Portal, browser: Browser) -> None:
    answer = browser.at_entra(await browser.begin(GRACE))

    async with portal.browser() as victim:
        # Without a cookie, and with one of a sign-in of its own.
        assert code(await victim.come_back(answer)) == (400, "sign_in_refused")
        answer = browser.at_entra(await browser.begin(GRACE))
        await victim.begin()
        assert code(await victim.come_back(answer)) == (400, "sign_in_refused")
        assert victim.session is None


async def test_two_tabs_of_a_browser_do_not_take_away_each_others_sign_in(browser: Browser) -> None:
    first, second = await browser.begin(), await browser.begin()

    assert (await browser.come_back(browser.at_entra(first))).status_code == 302
    assert (await browser.come_back(browser.at_entra(second))).status_code == 302


async def test_an_id_token_with_another_nonce_is_refused(browser: Browser) -> None:
    place = await browser.begin()
    [nonce] = [part for part in place.partition("?")[2].split("&") if part.startswith("nonce=")]
    answer = browser.at_entra(place.replace(nonce, "nonce=" + "0" * 64))

    assert code(await browser.come_back(answer)) == (400, "sign_in_refused")
    assert browser.session is None


async def test_a_code_of_another_sign_in_is_refused(browser: Browser) -> None:
    other = browser.at_entra(await browser.begin(GRACE))
    mine = browser.at_entra(await browser.begin(ADA))

    assert code(await browser.come_back({**mine, "code": other["code"]})) == (400, "sign_in_refused")


async def test_a_sign_in_that_was_cancelled_is_refused_without_repeating_entras_words(
    browser: Browser,
) -> None:
    state = browser.at_entra(await browser.begin())["state"]
    answer = await browser.come_back(
        {"state": state, "error": "access_denied", "error_description": "<script>alert(1)</script>"}
    )

    assert code(answer) == (400, "sign_in_refused")
    assert "script" not in answer.text


async def test_a_token_that_names_another_program_is_refused(portal: Portal, browser: Browser) -> None:
    place = await browser.begin()
    answer = browser.at_entra(place)
    known = portal.entra.app.registrations
    known[PORTAL_CLIENT_ID] = replace(known[PORTAL_CLIENT_ID], name="As it is")
    before = portal.entra.app.tokens.identity
    try:
        portal.entra.app.tokens.identity = (  # type: ignore[method-assign]
            lambda *given, **options: {**before(*given, **options), "aud": "another"}
        )
        assert code(await browser.come_back(answer)) == (400, "sign_in_refused")
    finally:
        del portal.entra.app.tokens.identity
    assert browser.session is None


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/portal/",
        "//evil.example/portal/",
        "/\\evil.example/portal/",
        "/portal/\\evil",
        "/portal/\r\nLocation: https://evil.example",
        "javascript:alert(1)",
        "/addin/v1/jobs",
        "portal/",
        "/portal/" + "x" * 600,
    ],
)
async def test_nobody_is_led_elsewhere_after_a_sign_in(browser: Browser, place: str) -> None:
    answer = await browser.http.get(SIGN_IN, params={"return_to": place})

    assert code(answer) == (400, "bad_request")


async def test_a_directory_that_is_no_customer_signs_in_but_sees_nothing(browser: Browser) -> None:
    assert (await browser.sign_in(KATHERINE)).status_code == 302

    for path in ("/me", "/members", "/tenants", "/settings", "/jobs", "/app-clients"):
        assert code(await browser.get(path)) == (403, "tenant_not_onboarded")
    assert (await browser.send("POST", "/sign-out")).status_code == 200


async def test_people_of_another_customer_see_their_own(portal: Portal, browser: Browser) -> None:
    await browser.sign_in(ADA)
    async with portal.browser() as other:
        await other.sign_in(EDSGER)
        mine = (await browser.get("/me")).json()
        assert (await other.get("/me")).json()["tenant_name"] == "Fabrikam"
        assert code(await other.get(f"/members/{mine['member_id']}")) == (404, "member_not_found")


async def test_a_guest_is_refused_unless_the_tenant_lets_guests_in(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    alan = portal.entra.app.person(ALAN)
    portal.entra.app.people.add(replace(alan, home_tenant_id="9188040d-6c67-4c5b-b112-36a304b66dad"))

    assert code(await browser.sign_in(ALAN)) == (403, "guest_refused")
    assert browser.session is None
    assert await rows(database, "SELECT action FROM audit_entries") == [("session.refuse",)]

    contoso = UUID(alan.tenant_id)
    await execute(database, "UPDATE tenants SET allow_guests = true WHERE entra_tenant_id = :id", id=contoso)
    portal.services.directory.forget(contoso)
    assert (await browser.sign_in(ALAN)).status_code == 302


async def test_an_office_with_a_broken_client_signs_in_at_the_portal(
    portal: Portal, browser: Browser
) -> None:
    limits = portal.services.sign_in_limits
    limits._clock = lambda: 600.0
    await browser.sign_in(ADA)
    for _ in range(portal.services.settings.rate_limit_sign_ins):
        limits.refused(Door.TOKEN, "127.0.0.1")
    with pytest.raises(TooManySignIns):
        limits.check(Door.TOKEN, "127.0.0.1", None)

    assert (await browser.sign_in(ADA)).status_code == 302
    assert (await browser.get("/me")).status_code == 200


async def test_somebody_who_names_a_directory_must_come_from_it(portal: Portal, browser: Browser) -> None:
    contoso = portal.entra.app.person(ADA).tenant_id
    assert (await browser.sign_in(ADA, tenant=contoso)).status_code == 302

    place = await browser.begin(GRACE, tenant=contoso)
    elsewhere = place.replace(contoso, portal.entra.app.person(GRACE).tenant_id)
    assert code(await browser.come_back(browser.at_entra(elsewhere))) == (400, "sign_in_refused")


async def test_a_sign_in_gives_a_new_session_and_ends_the_one_before(
    portal: Portal, browser: Browser
) -> None:
    await browser.sign_in()
    first = browser.session
    await browser.sign_in()

    assert browser.session != first
    async with portal.browser() as thief:
        thief.planted = {SESSION_COOKIE: first or ""}
        assert code(await thief.get("/me")) == (401, "session_required")


@pytest.mark.parametrize("fixed", ["A" * 43, "short", "x" * 5000, ""])
async def test_an_id_that_somebody_chose_is_no_session_and_becomes_none(
    portal: Portal, browser: Browser, fixed: str
) -> None:
    browser.planted = {SESSION_COOKIE: fixed}
    assert code(await browser.get("/me")) == (401, "session_required")

    await browser.sign_in()
    assert browser.session not in {None, fixed}
    async with portal.browser() as planter:
        planter.planted = {SESSION_COOKIE: fixed}
        assert code(await planter.get("/me")) == (401, "session_required")


async def test_entra_away_is_503_and_not_a_refusal(portal: Portal, browser: Browser) -> None:
    answer = browser.at_entra(await browser.begin())
    portal.entra.app.failing = True

    refused = await browser.come_back(answer)
    assert code(refused) == (503, "identity_unavailable")
    assert int(refused.headers["Retry-After"]) > 0


async def test_a_bearer_token_does_not_open_the_portal(portal: Portal, browser: Browser) -> None:
    headers = {"Authorization": f"Bearer {portal.entra.token(ADA)}"}

    assert code(await browser.get("/me", headers=headers)) == (401, "session_required")


async def test_a_session_does_not_open_the_add_ins_door(browser: Browser) -> None:
    await browser.sign_in()

    assert (await browser.http.get("/addin/v1/jobs")).status_code == 401


class TestMany:
    """An address that begins sign-in after sign-in."""

    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        return {"rate_limit_sign_in_starts": 2}

    async def test_it_waits_for_a_minute_and_leaves_no_more_in_redis(
        self, browser: Browser, portal: Portal, redis: Redis
    ) -> None:
        # The minute must not end meanwhile.
        portal.services.sign_in_limits._clock = lambda: 600.0
        assert (await browser.sign_in(ALAN)).status_code == 302
        await browser.begin(ALAN)
        kept = await redis.dbsize()

        refused = await browser.http.get(SIGN_IN)

        assert code(refused) == (429, "too_many_sign_ins")
        assert refused.headers["Retry-After"] == "70"
        assert await redis.dbsize() == kept
        # Who is in stays in.
        assert (await browser.get("/me")).status_code == 200
