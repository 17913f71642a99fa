"""What administrators allow: where text may go, and who may use which task type."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.local.entra.people import group_id
from app.local.entra.registrations import AUTOMATION_CLIENT_ID
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER, MARY
from tests.portal.browsers import Browser, Portal, code
from tests.portal.models import changed, made, seed_models
from tests.tenants.administration import execute, rows, snapshot
from tests.trust import PLAIN

TEXT = "The harbour was closed for three days. The ferry went on the fourth."
JOB = {"task_type": "summarize", "input": {"text": TEXT}}
ADAS_GROUP = group_id("6a1d3c52-8f0b-4e77-b2c9-15d0a7e4f831", "Finance")


@pytest.fixture
async def admin(portal: Portal, database: TestDatabase) -> AsyncIterator[Browser]:
    await seed_models(database)
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


async def seen(portal: Portal, database: TestDatabase) -> None:
    """Until this process knows the configuration as it is."""
    ((number,),) = await rows(database, "SELECT number FROM configuration_revision")
    await portal.services.configuration.newer_than(number - 1)


async def asks(
    portal: Portal, method: str, path: str, *, token: str, door: str = "addin", **more: Any
) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, verify=PLAIN, timeout=20.0) as client:
        url, headers = f"{portal.origin}/{door}/v1{path}", {"Authorization": f"Bearer {token}"}
        return await client.request(method, url, headers=headers, **more)


async def test_a_policy_says_which_pools_it_would_leave_empty_before_it_holds(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    wanted = {"allowed_regions": ["us", "us"], "require_no_training": True}
    before = await snapshot(database)
    tried = await admin.send("PUT", "/policy", params={"dry_run": "true"}, json=wanted)
    assert tried.status_code == 200, tried.text
    assert await snapshot(database) == before
    told = tried.json()
    assert told["is_applied"] is False
    assert told["pools_left_empty"]
    assert all(
        one["owner"] == "platform"
        and one["is_empty_already"] is False
        and {why["reason"] for why in one["excluded"]} == {"region"}
        for one in told["pools_left_empty"]
    )
    assert (await asks(portal, "POST", "/jobs", token=portal.entra.token(ADA), json=JOB)).status_code == 202

    applied = await changed(admin, "PUT", "/policy", 1, wanted)
    assert applied["pools_left_empty"] == told["pools_left_empty"]
    shown = await admin.get("/policy")
    assert (shown.json()["allowed_regions"], shown.headers["ETag"]) == (["us"], '"2"')
    await seen(portal, database)
    refused = await asks(portal, "POST", "/jobs", token=portal.entra.token(ADA), json=JOB)
    assert code(refused) == (422, "no_eligible_member")
    late = await admin.send("PUT", "/policy", json={}, headers={"If-Match": '"1"'})
    assert code(late) == (412, "changed_meanwhile")
    assert code(await admin.send("PUT", "/policy", json={})) == (400, "bad_request")

    opened = await changed(admin, "PUT", "/policy", 2, {})
    assert (opened["pools_left_empty"], opened["policy"]["allowed_regions"]) == ([], None)
    again = await changed(admin, "PUT", "/policy", 3, {})
    assert again["policy"]["version"] == 3


async def test_a_policy_leaves_what_only_the_operator_sets(admin: Browser, database: TestDatabase) -> None:
    await execute(
        database,
        "INSERT INTO tenant_policies (tenant_id, weight, max_jobs_queued, retention_days)"
        " SELECT id, 7, 5, 9 FROM tenants WHERE name = 'Contoso' AND entra_tenant_id ="
        " '6a1d3c52-8f0b-4e77-b2c9-15d0a7e4f831'",
    )
    await changed(admin, "PUT", "/policy", 1, {"allowed_vendors": []})
    assert await rows(
        database,
        "SELECT weight, max_jobs_queued, retention_days, allowed_vendors FROM tenant_policies",
    ) == [(7, 5, 9, [])]


@pytest.mark.parametrize(
    ("permission", "may"),
    [
        ({"departments": ["research"]}, {ADA}),
        ({"groups": [ADAS_GROUP.upper()]}, {ADA}),
        ({"roles": ["TenantAdmin"]}, {ALAN}),
        ({"roles": ["TenantAdmin"], "departments": ["Research"]}, {ADA, ALAN}),
        ({"groups": []}, set()),
        ({"programs": False}, {ADA, ALAN, MARY}),
    ],
)
async def test_a_task_type_is_used_and_shown_by_those_whom_the_tenant_lets(
    portal: Portal, admin: Browser, database: TestDatabase, permission: dict[str, Any], may: set[str]
) -> None:
    program = await made(admin, "/app-clients", client_id=AUTOMATION_CLIENT_ID, name="Archive")
    await changed(admin, "PUT", "/task-permissions/summarize", 1, permission)
    for login in (ADA, ALAN, MARY):
        # Everybody is seen once, so that there is a row to say more of.
        await asks(portal, "GET", "/me", token=portal.entra.token(login))
    await execute(
        database,
        "UPDATE members SET department = 'Research' WHERE display_name = 'Ada Lovelace'",
    )
    await seen(portal, database)
    for login in (ADA, ALAN, MARY):
        token = portal.entra.token(login)
        shown = (await asks(portal, "GET", "/task-types", token=token)).json()["value"]
        me = (await asks(portal, "GET", "/me", token=token)).json()
        answer = await asks(portal, "POST", "/jobs", token=token, json=JOB)
        if login in may:
            assert answer.status_code == 202, answer.text
        else:
            assert code(answer) == (403, "task_type_not_permitted")
        assert [one["name"] for one in shown] == me["task_types"]
        assert ("summarize" in me["task_types"]) == (login in may)
    answer = await asks(
        portal, "POST", "/jobs", token=portal.entra.application_token(), door="automation", json=JOB
    )
    assert answer.status_code == (403 if permission == {"programs": False} else 202)
    assert program["member_id"]


async def test_permissions_are_a_tenants_own_and_name_their_version(portal: Portal, admin: Browser) -> None:
    await changed(admin, "PUT", "/task-permissions/summarize", 1, {"roles": ["Auditor"]})
    late = await admin.send("PUT", "/task-permissions/summarize", json={}, headers={"If-Match": '"1"'})
    assert code(late) == (412, "changed_meanwhile")
    unknown = await admin.send("PUT", "/task-permissions/cook", json={}, headers={"If-Match": '"1"'})
    assert code(unknown) == (404, "not_found")
    async with portal.browser() as neighbour:
        await neighbour.sign_in(EDSGER)
        theirs = (await neighbour.get("/task-permissions")).json()["value"]
        assert {(one["everybody"], one["version"]) for one in theirs} == {(True, 1)}
    assert (await admin.get("/task-permissions/summarize")).headers["ETag"] == '"2"'
