"""The portal's one page: what stands on it is escaped, its buttons are the API's, and nothing of others runs."""

import re
from dataclasses import replace

from app.main import create_app
from app.settings import Settings
from tests.entra import ALAN
from tests.portal.browsers import Browser, Portal


async def test_names_are_escaped_and_buttons_lead_to_operations_of_the_contract(
    portal: Portal, browser: Browser
) -> None:
    people = portal.entra.app.people
    alan = people.find(ALAN)
    assert alan is not None
    people.add(replace(alan, name="<script>alert(1)</script> & Co"))
    await browser.sign_in(ALAN)
    page = (await browser.http.get("/portal/")).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in page
    assert "<script>" not in page
    paths = create_app(Settings(env="development")).openapi()["paths"]
    pressed, linked = re.findall(r'data-post="([^"]+)"', page), re.findall(r'href="(/portal/v1[^"]*)"', page)
    assert len(pressed) == 2
    assert all("post" in paths[one] for one in pressed)
    assert len(linked) > 3
    assert all("get" in paths[one] for one in linked)


async def test_a_session_that_is_no_session_sees_the_way_in(browser: Browser) -> None:
    browser.planted["__Host-switchboard-session"] = "A" * 43
    page = await browser.http.get("/portal/")
    assert (page.status_code, 'href="/portal/v1/sign-in"' in page.text) == (200, True)


async def test_its_style_and_script_are_files_of_ours(browser: Browser) -> None:
    for name, kind in (("portal.css", "text/css"), ("portal.js", "text/javascript")):
        answer = await browser.http.get(f"/portal/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
