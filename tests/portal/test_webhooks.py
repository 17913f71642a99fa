"""Webhooks at the portal: addresses outside only, the secret shown once, ETags, and what others never see."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.core.clock import now
from tests.entra import ADA, ALAN, EDSGER
from tests.portal.browsers import Browser, Portal, code

BODY = {
    "url": "https://hooks.contoso.example/switchboard",
    "events": ["contract.end", "deployment.retirement"],
}


@pytest.fixture
async def admin(portal: Portal) -> AsyncIterator[Browser]:
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


async def made(admin: Browser, **changes: Any) -> dict[str, Any]:
    answer = await admin.send("POST", "/webhooks", json={**BODY, **changes})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/portal/v1/webhooks/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


async def test_the_secret_is_shown_once(admin: Browser) -> None:
    webhook = await made(admin)
    assert webhook.pop("secret").startswith("whsec_")
    assert (await admin.get(f"/webhooks/{webhook['id']}")).json() == webhook
    assert (await admin.get("/webhooks")).json()["value"] == [webhook]
    assert webhook["events"] == BODY["events"]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.contoso.example/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest",
        "https://localhost/",
        "https://db.internal/",
        "https://user@hooks.contoso.example/",
        "https://hooks.contoso.example:22/",
    ],
)
async def test_an_address_inside_is_refused(admin: Browser, url: str) -> None:
    assert code(await admin.send("POST", "/webhooks", json={**BODY, "url": url})) == (
        422,
        "address_not_allowed",
    )
    webhook = await made(admin)
    answer = await admin.send(
        "PATCH", f"/webhooks/{webhook['id']}", json={"url": url}, headers={"If-Match": '"1"'}
    )
    assert code(answer) == (422, "address_not_allowed")


async def test_a_change_names_the_version_that_it_changes(admin: Browser) -> None:
    path = f"/webhooks/{(await made(admin))['id']}"
    assert code(await admin.send("PATCH", path, json={"state": "paused"}))[0] == 400
    tag = (await admin.get(path)).headers["ETag"]
    changed = await admin.send("PATCH", path, json={"state": "paused"}, headers={"If-Match": tag})
    assert (changed.json()["state"], changed.json()["url"]) == ("paused", BODY["url"])
    assert changed.headers["ETag"] != tag
    late = await admin.send("PATCH", path, json={"state": "active"}, headers={"If-Match": tag})
    assert code(late)[0] == 412


async def test_a_fresh_secret_is_shown_once_with_the_time_until_which_the_old_one_signs(
    admin: Browser,
) -> None:
    webhook = await made(admin)
    path = f"/webhooks/{webhook['id']}"
    changed = await admin.send("POST", f"{path}/secret/rotate", json={})
    fresh, shown = changed.json(), (await admin.get(path)).json()
    assert fresh.pop("secret") not in {webhook["secret"], shown.get("secret")}
    assert (shown, changed.headers["ETag"]) == (fresh, '"2"')
    left = datetime.fromisoformat(shown["previous_secret_expires_at"]) - now()
    assert timedelta(hours=23.9) < left <= timedelta(hours=24)
    again = await admin.send("POST", f"{path}/secret/rotate", json={"keep_previous_seconds": 60})
    assert code(again) == (409, "secret_still_rotating")
    ended = await admin.send("POST", f"{path}/secret/rotate", json={"keep_previous_seconds": 0})
    assert ended.json()["previous_secret_expires_at"] is None


async def test_a_test_message_is_accepted_and_stands_in_the_deliveries(admin: Browser) -> None:
    path = f"/webhooks/{(await made(admin))['id']}"
    sent = []
    for _ in range(3):
        answer = await admin.send("POST", f"{path}/test")
        assert answer.status_code == 202
        sent.append(answer.json())
    assert {(one["event_type"], one["state"], one["attempts"]) for one in sent} == {
        ("webhook.test", "pending", 0)
    }
    first = (await admin.get(f"{path}/deliveries", params={"limit": 2})).json()
    assert first["value"] == sent[:0:-1]
    rest = (await admin.get(first["next_link"].removeprefix("/portal/v1"))).json()
    assert rest["value"] == sent[:1]
    assert (await admin.send("DELETE", path)).status_code == 204
    assert code(await admin.get(f"{path}/deliveries")) == (404, "webhook_not_found")


async def test_ten_are_enough(admin: Browser) -> None:
    for _ in range(10):
        await made(admin)
    assert code(await admin.send("POST", "/webhooks", json=BODY)) == (409, "too_many_webhooks")


async def test_others_have_none_of_it(portal: Portal, admin: Browser) -> None:
    webhook = (await made(admin))["id"]
    async with portal.browser() as theirs, portal.browser() as member:
        await theirs.sign_in(EDSGER)
        await member.sign_in(ADA)
        assert (await theirs.get("/webhooks")).json()["value"] == []
        for path in (f"/webhooks/{webhook}", f"/webhooks/{webhook}/deliveries", f"/webhooks/{uuid4()}"):
            assert code(await theirs.get(path)) == (404, "webhook_not_found")
        assert code(await theirs.send("DELETE", f"/webhooks/{webhook}")) == (404, "webhook_not_found")
        assert code(await member.get("/webhooks")) == (403, "role_missing")
