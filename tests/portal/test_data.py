"""Holds, erasures and exports through the doors: who may, what it does, and what others never see."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from app.lifecycle.erasing import Erasing
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER, GRACE, MARY
from tests.portal.browsers import Browser, Portal, code
from tests.processes import until
from tests.tenants.administration import execute, rows
from tests.trust import PLAIN

CONTOSO = "6a1d3c52-8f0b-4e77-b2c9-15d0a7e4f831"
TEXT = "Ms. Quux leaves in March. Her desk goes to Mr. Foo. The lease of the office ends in May."


@pytest.fixture
async def admin(portal: Portal) -> Any:
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


def pane(portal: Portal, login: str = ADA) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{portal.origin}/addin/v1",
        headers={"Authorization": f"Bearer {portal.entra.token(login)}"},
        trust_env=False,
        verify=PLAIN,
        timeout=20.0,
    )


async def member_id(admin: Browser, name: str) -> str:
    found = (await admin.get("/members", params={"search": name})).json()["value"]
    assert len(found) == 1, found
    chosen: str = found[0]["id"]
    return chosen


async def upload(portal: Portal, login: str = ADA) -> str:
    async with pane(portal, login) as client:
        answer = await client.post("/documents", params={"name": "plan.txt"}, content=TEXT.encode())
        assert answer.status_code == 201, answer.text
        document: str = answer.json()["id"]
        return document


async def erase(database: TestDatabase, redis: Redis) -> None:
    for _ in range(3):
        await Erasing(database.system, database.eraser, redis, settle_seconds=0).run()


@pytest.mark.parametrize("path", ["/members?search=a%00b", "/prompt-sets?task_type=a%00b"])
async def test_a_search_that_no_text_can_meet_is_refused(admin: Browser, path: str) -> None:
    assert code(await admin.get(path)) == (422, "malformed")


async def test_an_administrator_erases_a_member_and_sees_the_proof(
    portal: Portal, admin: Browser, database: TestDatabase, redis: Redis
) -> None:
    await upload(portal)
    ada = await member_id(admin, "Ada")
    asked = await admin.send("POST", "/erasures", json={"member_id": ada})
    assert asked.status_code == 202, asked.text
    assert asked.json()["state"] == "requested"
    await erase(database, redis)
    (shown,) = (await admin.get("/erasures")).json()["value"]
    assert (shown["state"], shown["proof"]["rows_left"]) == ("finished", 0)
    assert await rows(database, "SELECT 1 FROM documents") == []
    assert await rows(database, "SELECT 1 FROM members WHERE display_name LIKE '%Ada%'") == []


async def test_an_erased_person_is_out_at_both_doors_until_an_administrator_lets_them_in_again(
    portal: Portal, admin: Browser, database: TestDatabase, redis: Redis
) -> None:
    await upload(portal)
    ada = await member_id(admin, "Ada")
    person = portal.entra.app.person(ADA).object_id
    asked = await admin.send("POST", "/erasures", json={"member_id": ada})
    assert asked.status_code == 202, asked.text
    async with portal.browser() as browser, pane(portal) as client:
        # The erasure has not begun yet: whoever signs in now has a session that it must find.
        assert (await browser.sign_in(ADA)).status_code == 302
        before = await redis.keys("portal:session:*")
        await erase(database, redis)
        left = await redis.keys("portal:session:*")
        assert len(left) == len(before) - 1
        assert (await browser.get("/me")).status_code == 401
        assert code(await browser.sign_in(ADA)) == (403, "member_blocked")
        assert code(await client.get("/me")) == (403, "member_blocked")

        (found,) = (await admin.get("/members", params={"search": person})).json()["value"]
        assert (found["id"], found["state"], found["display_name"]) == (ada, "erased", "(erased)")
        again = await admin.send("PATCH", f"/members/{ada}", json={"state": "active"})
        assert (again.status_code, again.json()["state"]) == (200, "erased")
        assert (await client.get("/me")).status_code == 200
        assert (await browser.sign_in(ADA)).status_code == 302
        assert (await browser.get("/me")).json()["member_id"] != ada


async def test_a_hold_keeps_a_member_from_being_erased_until_it_is_released(
    admin: Browser, portal: Portal
) -> None:
    await upload(portal)
    ada = await member_id(admin, "Ada")
    placed = await admin.send("POST", "/holds", json={"member_id": ada, "reason": "case 7"})
    assert placed.status_code == 201, placed.text
    hold = placed.json()["id"]
    assert code(await admin.send("POST", "/erasures", json={"member_id": ada})) == (409, "legal_hold")
    assert code(await admin.send("POST", "/erasures", json={"name": "Contoso"})) == (409, "legal_hold")
    released = await admin.send("POST", f"/holds/{hold}/release")
    assert released.json()["released_at"] is not None
    assert code(await admin.send("POST", f"/holds/{hold}/release")) == (409, "hold_released")
    assert (await admin.send("POST", "/erasures", json={"member_id": ada})).status_code == 202


async def test_the_whole_tenant_is_erased_only_by_its_name_and_can_be_taken_back(admin: Browser) -> None:
    assert code(await admin.send("POST", "/erasures", json={"name": "contoso"})) == (422, "name_differs")
    both = await admin.send("POST", "/erasures", json={"name": "Contoso", "member_id": str(uuid4())})
    assert both.status_code == 422
    asked = (await admin.send("POST", "/erasures", json={"name": "Contoso"})).json()
    assert asked["not_before"] > asked["requested_at"]
    assert code(await admin.send("POST", "/erasures", json={"name": "Contoso"})) == (
        409,
        "erasure_under_way",
    )
    taken_back = await admin.send("POST", f"/erasures/{asked['id']}/cancel")
    assert taken_back.json()["state"] == "cancelled"


async def test_nobody_erases_themselves_or_a_stranger(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    own = (await admin.get("/me")).json()["member_id"]
    assert code(await admin.send("POST", "/erasures", json={"member_id": own})) == (
        409,
        "cannot_erase_oneself",
    )
    async with portal.browser() as others:
        await others.sign_in(EDSGER)
        foreign = (await others.get("/me")).json()["member_id"]
        for path, body in (("/erasures", {}), ("/holds", {"reason": "x"})):
            answer = await admin.send("POST", path, json={"member_id": foreign, **body})
            assert code(answer) == (404, "member_not_found"), path
        hold = (await admin.send("POST", "/holds", json={"reason": "case"})).json()["id"]
        assert code(await others.send("POST", f"/holds/{hold}/release")) == (404, "hold_not_found")
        assert (await others.get("/holds")).json()["value"] == []
    assert await rows(database, "SELECT 1 FROM erasures") == []


@pytest.mark.parametrize(("login", "may_look"), [(MARY, True), (ADA, False)])
async def test_auditors_look_and_members_do_not(portal: Portal, login: str, may_look: bool) -> None:  # noqa: FBT001
    async with portal.browser() as browser:
        await browser.sign_in(login)
        for path in ("/holds", "/erasures"):
            assert (await browser.get(path)).status_code == (200 if may_look else 403)
        assert code(await browser.send("POST", "/holds", json={"reason": "x"})) == (403, "role_missing")
        assert code(await browser.send("POST", "/erasures", json={"name": "Contoso"})) == (
            403,
            "role_missing",
        )


async def test_a_blocked_member_is_out_at_both_doors_at_once(portal: Portal, admin: Browser) -> None:
    async with pane(portal) as client, portal.browser() as browser:
        await browser.sign_in(ADA)
        assert (await browser.get("/me")).status_code == 200
        ada = (await browser.get("/me")).json()["member_id"]
        await admin.send("PATCH", f"/members/{ada}", json={"state": "blocked"})
        assert code(await browser.get("/me"))[0] in {401, 403}
        assert code(await client.get("/jobs")) == (403, "member_blocked")
        await admin.send("PATCH", f"/members/{ada}", json={"state": "active"})
        assert (await client.get("/jobs")).status_code == 200


async def test_a_member_takes_a_copy_of_what_is_theirs_and_of_nothing_else(portal: Portal) -> None:
    own = await upload(portal)
    others = [await upload(portal, ALAN), await upload(portal, GRACE)]
    async with pane(portal) as client:
        answer = await client.get("/me/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["kind"] for line in lines] == ["member", "document"]
    assert (lines[1]["id"], " ".join(lines[1]["text"])) == (own, TEXT)
    assert not any(other in answer.text for other in others)


async def test_an_administrator_sees_that_there_is_work_but_never_what_it_says(
    portal: Portal, admin: Browser
) -> None:
    await upload(portal)
    seen = ""
    for path in ("/members", "/jobs", "/erasures", "/holds", "/settings", "/app-clients", "/me"):
        seen += (await admin.get(path)).text
    assert "Ada" in seen
    assert "Quux" not in seen
    assert "plan.txt" not in seen


class TestOperator:
    """Whoever operates the platform, from the tenant that is named in the settings."""

    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        return {"operator_tenant": UUID(CONTOSO)}

    @pytest.fixture
    async def operator(self, portal: Portal, database: TestDatabase) -> Any:
        from dataclasses import replace

        people = portal.entra.app.people
        for login in (ALAN, EDSGER):
            person = people.find(login)
            assert person is not None
            people.add(replace(person, role="PlatformOperator"))
        await execute(database, "UPDATE members SET role = 'PlatformOperator' WHERE role = 'TenantAdmin'")
        async with portal.browser() as browser:
            await browser.sign_in(ALAN)
            yield browser

    async def test_the_operator_erases_a_customer_by_its_name(
        self,
        operator: Browser,
        database: TestDatabase,
        redis: Redis,
        portal: Portal,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # What processes remember of a customer does not run out here: they must be told that it is gone.
        monkeypatch.setattr("app.tenants.directory._CACHE_SECONDS", 3600.0)
        await upload(portal, GRACE)
        listed = (await operator.get("/tenants")).json()["value"]
        (fabrikam,) = [
            one["id"] for one in listed if one["entra_tenant_id"] == "d48e9b07-3c61-4a25-9f5d-b7e2816c0f34"
        ]
        path = f"/tenants/{fabrikam}/erase"
        assert code(await operator.send("POST", path, json={"name": "Wrong"})) == (422, "name_differs")
        asked = await operator.send("POST", path, json={"name": "Fabrikam"})
        assert asked.status_code == 202
        proofs = asked.headers["Location"].removeprefix("/portal/v1")
        (begun,) = (await operator.get(proofs)).json()["value"]
        assert (begun["id"], begun["state"], begun["proof"]) == (asked.json()["id"], "requested", None)
        async with pane(portal, GRACE) as client:
            # Remembered as a customer until the job begins.
            assert (await client.get("/jobs")).status_code == 200
        await erase(database, redis)
        assert (await operator.get(f"/tenants/{fabrikam}")).json()["state"] == "erased"
        assert await rows(database, "SELECT 1 FROM documents") == []
        (done,) = (await operator.get(proofs)).json()["value"]
        assert (done["state"], done["by_operator"], done["removed"]["documents"]) == ("finished", True, 1)
        assert (done["proof"]["rows_left"], done["proof"]["redis_keys_left"]) == (0, 0)
        assert code(await operator.get(f"/tenants/{uuid4()}/erasures")) == (404, "tenant_not_found")
        async with pane(portal, GRACE) as client:

            async def refused() -> bool:
                # The job that erases is a process of its own; Postgres tells the others.
                return (await client.get("/jobs")).status_code == 403

            await until(refused, seconds=5)
            assert code(await client.get("/jobs")) == (403, "tenant_not_onboarded")
        assert code(await operator.send("POST", path, json={"name": "(erased)"})) == (
            404,
            "tenant_not_found",
        )

    async def test_the_role_counts_in_the_operators_tenant_only(
        self, operator: Browser, portal: Portal
    ) -> None:
        assert (await operator.get("/tenants")).status_code == 200
        # No text of Postgres holds a NUL, so nothing can be found by one.
        assert code(await operator.get("/tenants?search=a%00b")) == (422, "malformed")
        async with portal.browser() as foreign:
            await foreign.sign_in(EDSGER)
            assert code(await foreign.get("/tenants")) == (403, "role_missing")

    async def test_the_operators_own_tenant_is_not_erased(self, operator: Browser) -> None:
        own = (await operator.get("/me")).json()["tenant_id"]
        answer = await operator.send("POST", f"/tenants/{own}/erase", json={"name": "Contoso"})
        assert code(answer) == (409, "cannot_erase_oneself")
