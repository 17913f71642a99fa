"""Administrators see which members have let us read their files while they are away, and end it."""

import pytest

from app.jobs import dispatch
from app.vocabulary import Lane
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, GRACE, MARY
from tests.pools.test_configuration import seeded
from tests.portal.browsers import Portal, code
from tests.portal.test_data import pane
from tests.tenants.administration import rows


async def begin(portal: Portal, login: str = ADA) -> str:
    async with pane(portal, login) as client:
        answer = await client.post("/graph-sessions", json={"days": 1})
        assert answer.status_code == 201, answer.text
        session_id: str = answer.json()["id"]
        return session_id


async def test_an_administrator_ends_a_members_session_and_an_auditor_only_sees_it(
    portal: Portal, database: TestDatabase
) -> None:
    session_id, theirs = await begin(portal), await begin(portal, GRACE)
    async with portal.browser() as auditor, portal.browser() as admin:
        await auditor.sign_in(MARY)
        await admin.sign_in(ALAN)
        (listed,) = (await auditor.get("/graph-sessions")).json()["value"]
        assert listed["id"] == session_id
        assert code(await auditor.send("DELETE", f"/graph-sessions/{session_id}")) == (403, "role_missing")
        assert code(await admin.send("DELETE", f"/graph-sessions/{theirs}")) == (
            404,
            "graph_session_not_found",
        )

        assert (await admin.send("DELETE", f"/graph-sessions/{session_id}")).status_code == 204

        assert (await admin.get("/graph-sessions")).json()["value"] == []
    assert await rows(database, "SELECT id::text FROM graph_sessions") == [(theirs,)]
    assert len(await rows(database, "SELECT 1 FROM token_caches")) == 1
    recorded = "SELECT actor_kind FROM audit_entries WHERE action = 'graph_session.revoke'"
    assert await rows(database, recorded) == [("member",)]


@pytest.mark.parametrize("login", [ADA, GRACE])
async def test_members_administer_nobodys_sessions(portal: Portal, login: str) -> None:
    async with portal.browser() as browser:
        await browser.sign_in(login)
        assert code(await browser.get("/graph-sessions")) == (403, "role_missing")


async def test_whoever_is_blocked_loses_sessions_tokens_browsers_and_streams(
    portal: Portal, database: TestDatabase
) -> None:
    await seeded(database)
    own, theirs = await begin(portal), await begin(portal, GRACE)
    async with portal.browser() as admin, portal.browser() as browser, pane(portal) as client:
        await admin.sign_in(ALAN)
        await browser.sign_in(ADA)
        ada = (await browser.get("/me")).json()["member_id"]
        drive = portal.entra.app.graph.items(ADA)[0]
        named = {"drive_id": drive.drive_id, "item_id": drive.id}
        body = {"task_type": "summarize", "input": {"drive_items": [named], "graph_session": own}}
        accepted = await client.post("/jobs", json={**body, "lane": "background"})
        assert accepted.status_code == 202, accepted.text
        async with client.stream("GET", f"/jobs/{accepted.json()['id']}/events") as following:
            blocked = await admin.send("PATCH", f"/members/{ada}", json={"state": "blocked"})
            assert blocked.status_code == 200
            assert "event:" not in (await following.aread()).decode()

        assert code(await browser.get("/me")) == (401, "session_required")
        assert code(await client.get("/graph-sessions")) == (403, "member_blocked")
        assert await rows(database, "SELECT id::text FROM graph_sessions") == [(theirs,)]
        kept = await rows(database, "SELECT session_key FROM token_caches")
        assert kept == [(f"session:{theirs}",)]
        ended = "SELECT target_id, detail->>'reason' FROM audit_entries WHERE action = 'graph_session.revoke'"
        assert await rows(database, ended) == [(own, "member_blocked")]

        async with database.system.system() as session:
            assert await dispatch.pick(session, lane=Lane.BACKGROUND, slots=5, stale_hint_seconds=2.0) == []
        assert (await admin.send("PATCH", f"/members/{ada}", json={"state": "active"})).status_code == 200
        async with database.system.system() as session:
            offered = await dispatch.pick(session, lane=Lane.BACKGROUND, slots=5, stale_hint_seconds=2.0)
        assert [str(step.job_id) for step in offered] == [accepted.json()["id"]]
        assert (await client.get("/graph-sessions")).json()["value"] == []
