"""Budgets through the doors: who may set them, whom they bind, and what people are told."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.copilot.prompt_files import load_prompt_files
from app.core.clock import new_id, now
from app.pools.repository import configuration_number
from app.pools.seed import import_platform
from app.usage.budgets import load_budgets
from app.usage.ledger import CallIntent, CallRecord, open_call, settle
from app.vocabulary import CallOutcome
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER, MARY
from tests.portal.browsers import Browser, Portal, code
from tests.portal.test_data import member_id, pane
from tests.tenants.administration import execute, rows
from tests.usage.pools import priced_platform

TEXT = {"task_type": "summarize", "input": {"text": "The harbour was closed for three days. A storm came."}}
MONTH: dict[str, Any] = {"scope": "tenant", "currency": "EUR", "hard_micros": 10_000_000}


@pytest.fixture
async def admin(portal: Portal, database: TestDatabase) -> AsyncIterator[Browser]:
    """Contoso's administrator; one pool with a price serves everybody."""
    async with database.owner.system() as session:
        await import_platform(
            session, priced_platform("http://127.0.0.1:1/v1"), load_prompt_files(), variables={}
        )
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


@pytest.fixture
async def ada(portal: Portal) -> AsyncIterator[httpx.AsyncClient]:
    async with pane(portal, ADA) as client:
        yield client


async def created(admin: Browser, **body: Any) -> dict[str, Any]:
    answer = await admin.send("POST", "/budgets", json={**MONTH, **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/portal/v1/budgets/{made['id']}"
    assert answer.headers["ETag"] == made["etag"]
    return made


async def effective(portal: Portal, change: httpx.Response) -> None:
    """Until the process that answers knows of the change."""
    assert change.is_success, change.text
    async with portal.services.database.system() as session:
        number = await configuration_number(session)
    began = now()
    if portal.services.configuration.number < number:
        await portal.services.configuration.newer_than(number - 1)
    assert (now() - began).total_seconds() < 1.0


async def spend(portal: Portal, tenant_id: UUID, micros: int, *, settled: bool = True) -> None:
    """A call of the tenant that costs so much, charged to all of its budgets."""
    call = CallIntent(
        tenant_id=tenant_id,
        member_id=new_id(),
        job_id=new_id(),
        step_id=new_id(),
        fencing=1,
        hop=0,
        pool_revision_id=new_id(),
        pool_member_id=new_id(),
        deployment_id=new_id(),
        price_revision_id=None,
        provider_name="vendor",
        request_model="model",
        reserved_micros=micros,
    )
    async with portal.services.database.tenant(tenant_id) as session:
        await open_call(session, call, await load_budgets(session, tenant_id))
        if settled:
            await settle(session, [CallRecord(call, CallOutcome.SUCCEEDED, cost_micros=micros)])


async def tenant_of(admin: Browser) -> UUID:
    return UUID((await admin.get("/me")).json()["tenant_id"])


async def test_a_budget_is_created_seen_changed_and_deleted_with_its_etag(
    portal: Portal, admin: Browser
) -> None:
    made = await created(admin, soft_micros=5_000_000)
    await spend(portal, await tenant_of(admin), 300)
    await spend(portal, await tenant_of(admin), 50, settled=False)
    path = f"/budgets/{made['id']}"
    (listed,) = (await admin.get("/budgets")).json()["value"]
    one = await admin.get(path)
    assert listed == one.json()
    assert (listed["spent_micros"], listed["reserved_micros"], listed["left_micros"]) == (300, 50, 9_999_650)
    begins, ends = (datetime.fromisoformat(listed[name]) for name in ("starts_at", "resets_at"))
    assert begins <= now() < ends
    assert (begins.day, ends.day, ends.tzinfo) == (1, 1, UTC)
    changed = await admin.send(
        "PATCH", path, json={"soft_micros": None, "hard_micros": 20}, headers={"If-Match": made["etag"]}
    )
    assert changed.status_code == 200, changed.text
    # Below what is spent: nothing is left, and nothing is owed.
    limits = {name: changed.json()[name] for name in ("soft_micros", "hard_micros", "left_micros", "etag")}
    assert limits == {"soft_micros": None, "hard_micros": 20, "left_micros": 0, "etag": '"2"'}
    for method, body in (("PATCH", {"hard_micros": 30}), ("DELETE", None)):
        stale = await admin.send(method, path, json=body, headers={"If-Match": made["etag"]})
        assert code(stale) == (412, "changed_meanwhile")
        assert code(await admin.send(method, path, json=body)) == (400, "bad_request")
    gone = await admin.send("DELETE", path, headers={"If-Match": changed.headers["ETag"]})
    assert gone.status_code == 204
    assert (await admin.get("/budgets")).json()["value"] == []
    assert code(await admin.get(path)) == (404, "budget_not_found")


async def test_the_same_limits_again_change_and_record_nothing(
    admin: Browser, database: TestDatabase
) -> None:
    made = await created(admin)
    again = await admin.send(
        "PATCH", f"/budgets/{made['id']}", json={"hard_micros": 10_000_000}, headers={"If-Match": '"1"'}
    )
    assert again.headers["ETag"] == '"1"'
    actions = await rows(database, "SELECT action FROM audit_entries WHERE target_type = 'budget'")
    assert actions == [("budget.create",)]


async def test_a_list_of_budgets_has_pages(admin: Browser) -> None:
    made = [
        (await created(admin, scope="group", subject=str(uuid4())))["id"],
        (await created(admin, scope="task_type", subject="summarize"))["id"],
        (await created(admin, scope="task_type", subject="probe"))["id"],
        (await created(admin, period="day"))["id"],
    ]
    page = (await admin.get("/budgets", params={"limit": 2})).json()
    rest = (await admin.get(page["next_link"].removeprefix("/portal/v1"))).json()
    assert [one["id"] for one in page["value"] + rest["value"]] == made
    assert rest.get("next_link") is None


async def test_what_cannot_be_a_budget_is_refused_with_its_reason(admin: Browser) -> None:
    await created(admin)
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"currency": "USD", "period": "day"}, 409, "currency_differs"),
        ({}, 409, "budget_exists"),
        ({"period": "day", "soft_micros": 2, "hard_micros": 1}, 409, "limits_cross"),
        ({"period": "day", "hard_micros": None}, 409, "limits_cross"),
        ({"period": "day", "hard_micros": -1}, 422, "malformed"),
        ({"currency": "euro"}, 422, "malformed"),
        ({"subject": "x"}, 422, "malformed"),
        ({"scope": "group", "subject": "everybody"}, 422, "malformed"),
        ({"scope": "task_type"}, 422, "malformed"),
        ({"scope": "task_type", "subject": "juggle"}, 422, "unknown_task_type"),
        ({"scope": "member", "subject": str(uuid4())}, 404, "member_not_found"),
        ({"limit": 3}, 422, "malformed"),
    ]
    for body, status, error in cases:
        assert code(await admin.send("POST", "/budgets", json={**MONTH, **body})) == (status, error), body
    assert len((await admin.get("/budgets")).json()["value"]) == 1


async def test_auditors_look_and_only_administrators_of_the_tenant_change(
    portal: Portal, admin: Browser
) -> None:
    made = await created(admin)
    async with portal.browser() as auditor, portal.browser() as others, portal.browser() as plain:
        await auditor.sign_in(MARY)
        await others.sign_in(EDSGER)
        await plain.sign_in(ADA)
        assert (await auditor.get("/budgets")).json()["value"] == [made]
        assert code(await auditor.send("POST", "/budgets", json=MONTH)) == (403, "role_missing")
        assert code(await plain.get("/budgets")) == (403, "role_missing")
        assert (await others.get("/budgets")).json()["value"] == []
        tag = {"If-Match": made["etag"]}
        for method in ("PATCH", "DELETE"):
            refused = await others.send(method, f"/budgets/{made['id']}", json={}, headers=tag)
            assert code(refused) == (404, "budget_not_found")


async def test_a_used_up_budget_refuses_jobs_until_it_is_raised(
    portal: Portal, admin: Browser, ada: httpx.AsyncClient
) -> None:
    answer = await admin.send("POST", "/budgets", json={**MONTH, "hard_micros": 10})
    await effective(portal, answer)
    budget = answer.json()
    left = (datetime.fromisoformat(budget["resets_at"]) - now()).total_seconds()
    refused = await ada.post("/jobs", json=TEXT)
    assert code(refused) == (429, "budget_exhausted")
    error = refused.json()["error"]
    assert "your organisation" in error["message"]
    assert {one["code"]: one["message"] for one in error["details"]} == {
        "resets_at": _utc(budget["resets_at"]),
        "scope": "tenant",
        "period": "month",
        "limit": "hard",
    }
    # Counted when it is refused, after `left`, and rounded up.
    assert left - 30 < int(refused.headers["Retry-After"]) <= left + 1
    raised = await admin.send(
        "PATCH", f"/budgets/{budget['id']}", json={"hard_micros": 10**9}, headers={"If-Match": budget["etag"]}
    )
    # At once, not only when this process has read its configuration again.
    assert raised.status_code == 200
    assert (await ada.post("/jobs", json=TEXT)).status_code == 202


async def test_a_budget_binds_those_whom_it_names_and_nobody_else(
    portal: Portal, admin: Browser, ada: httpx.AsyncClient
) -> None:
    await ada.get("/me")
    mine = await member_id(admin, "Ada")
    await created(admin, scope="member", subject=mine.upper(), hard_micros=10)
    await created(admin, scope="task_type", subject="summarize", period="day", soft_micros=1)
    answer = await admin.send("POST", "/budgets", json={**MONTH, "scope": "group", "subject": str(uuid4())})
    await effective(portal, answer)
    refused = await ada.post("/jobs", json=TEXT)
    assert code(refused) == (429, "budget_exhausted")
    assert "your account" in refused.json()["error"]["message"]
    async with pane(portal, ALAN) as alan:
        assert (await alan.post("/jobs", json=TEXT)).status_code == 202
        seen = [(one["scope"], one["subject"]) for one in (await alan.get("/me")).json()["budgets"]]
    assert seen == [("task_type", "summarize")]
    shown = (await ada.get("/me")).json()["budgets"]
    assert [(one["scope"], one["subject"], one["left_micros"]) for one in shown] == [
        ("member", "", 10),
        ("task_type", "summarize", 10_000_000),
    ]


async def test_past_a_soft_limit_jobs_bear_a_warning(
    portal: Portal, admin: Browser, ada: httpx.AsyncClient
) -> None:
    accepted = await ada.post("/jobs", json=TEXT)
    assert accepted.json()["warnings"] == []
    answer = await admin.send("POST", "/budgets", json={**MONTH, "soft_micros": 100})
    await effective(portal, answer)
    assert (await ada.get("/jobs")).json()["value"][0]["warnings"] == []
    await spend(portal, await tenant_of(admin), 100)
    told = (await ada.post("/jobs", json=TEXT)).json()["warnings"]
    assert [(one["code"], one["resets_at"]) for one in told] == [
        ("budget_soft_limit", answer.json()["resets_at"])
    ]
    for job in (await ada.get("/jobs")).json()["value"]:
        assert job["warnings"] == told


async def test_jobs_that_wait_for_money_go_on_when_a_budget_is_raised_or_deleted(
    portal: Portal, admin: Browser, ada: httpx.AsyncClient, database: TestDatabase
) -> None:
    first, second = (await created(admin)), await created(admin, period="day")
    job = (await ada.post("/jobs", json=TEXT)).json()["id"]
    for method, budget, body in (("PATCH", first, {"hard_micros": 10**9}), ("DELETE", second, None)):
        await execute(
            database,
            "UPDATE jobs SET state = 'waiting', waiting_reason = 'budget', waiting_for = CAST(:what AS jsonb),"
            " waiting_at = clock_timestamp(), expires_at = clock_timestamp() + interval '1 day' WHERE id = :id",
            id=UUID(job),
            what='{"code": "budget_exhausted", "message": "Nothing is left."}',
        )
        assert (await ada.get(f"/jobs/{job}")).json()["state"] == "waiting"
        tag = {"If-Match": budget["etag"]}
        lowered = await admin.send(
            "PATCH", f"/budgets/{budget['id']}", json={"hard_micros": 9_000_000}, headers=tag
        )
        assert (await ada.get(f"/jobs/{job}")).json()["state"] == "waiting"
        tag = {"If-Match": lowered.headers["ETag"]}
        assert (await admin.send(method, f"/budgets/{budget['id']}", json=body, headers=tag)).is_success
        assert (await ada.get(f"/jobs/{job}")).json()["state"] == "running"


def _utc(moment: str) -> str:
    return datetime.fromisoformat(moment).isoformat()
