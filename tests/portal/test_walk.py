"""The trial of docs/portal.md, with its own words: a newcomer becomes a customer, is suspended, resumed and erased."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis

from app.lifecycle.erasing import Erasing
from app.tenants.seed import import_tenants
from tests.conftest import TestDatabase
from tests.entra import BARBARA, KATHERINE, operators_tenant
from tests.portal.browsers import Browser, Portal, code

PAGE = Path(__file__).resolve().parents[2] / "docs" / "portal.md"
_CALL = re.compile(r"""await call\("(\w+)", ["`]([^"`]+)["`](?:, (\{.*\}))?\)""")


@pytest.fixture
def changes() -> dict[str, Any]:
    return {"operator_tenant": UUID(operators_tenant()["entra_tenant_id"])}


async def test_a_newcomer_is_brought_in_suspended_resumed_and_erased_as_the_page_says(
    portal: Portal, browser: Browser, database: TestDatabase, redis: Redis
) -> None:
    async with database.owner.system() as session:
        await import_tenants(session, [operators_tenant()])
    steps = iter(_CALL.findall(PAGE.read_text()))
    katherine = browser
    async with portal.browser() as barbara:
        assert "You are not signed in" in (await home(katherine)).text
        await bring_in(katherine)
        page = await home(katherine)
        assert page.status_code == 200
        assert [word in page.text for word in ("Katherine Johnson", "Northwind", "TenantAdmin")] == [True] * 3

        await barbara.sign_in(BARBARA)
        assert "/portal/v1/tenants" in (await home(barbara)).text
        (found,) = (await call(barbara, next(steps))).json()["value"]
        assert found["state"] == "active"

        assert (await call(barbara, next(steps), found["id"])).json()["state"] == "suspended"
        assert "You are not signed in" in (await home(katherine)).text
        await katherine.sign_in(KATHERINE)
        shut = await home(katherine)
        assert (shut.status_code, "is suspended" in shut.text) == (403, True)
        assert (await call(barbara, next(steps), found["id"])).json()["state"] == "active"
        await katherine.sign_in(KATHERINE)
        assert (await home(katherine)).status_code == 200

        assert (await call(barbara, next(steps), found["id"])).status_code == 202
        for _ in range(3):
            await Erasing(database.system, database.eraser, redis, settle_seconds=0).run()
        (proven,) = (await call(barbara, next(steps), found["id"])).json()["value"]
        assert (proven["state"], proven["proof"]["rows_left"]) == ("finished", 0)

        await katherine.sign_in(KATHERINE)
        assert code(await katherine.send("POST", "/onboarding", json={})) == (403, "not_invited")
        assert (await call(barbara, next(steps))).status_code == 201
        await bring_in(katherine)
        assert (await home(katherine)).status_code == 200
    assert next(steps, None) is None


async def home(browser: Browser) -> httpx.Response:
    """The page, with what keeps scripts of others out of it."""
    page = await browser.http.get("/portal/", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    assert "style=" not in page.text
    return page


async def bring_in(browser: Browser) -> None:
    """What the administrator does: signs in, presses the page's button, consents, and comes back to the page."""
    await browser.sign_in(KATHERINE)
    page = await home(browser)
    assert page.status_code == 403
    assert "an administrator of your directory signs in" in page.text
    (pressed,) = re.findall(r'data-post="/portal/v1(/onboarding)"', page.text)
    place = (await browser.send("POST", pressed, json={"name": "Northwind"})).json()["consent_url"]
    answer = browser.at_entra(f"{place}&login_hint={KATHERINE}")
    back = await browser.get("/onboarding/consent", params=answer, headers={"Accept": "text/html"})
    assert (back.status_code, back.headers["location"]) == (303, "/portal/")


async def call(browser: Browser, step: tuple[str, str, str], tenant_id: str = "") -> httpx.Response:
    """A line of the page's code, as the browser would send it."""
    method, path, body = step
    named = path.replace("${id}", tenant_id)
    return await browser.send(method, named, **({"json": json.loads(body)} if body else {}))
