"""A member's own jobs at the door: listed by state and kind, removed with their content, and said what of."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis

from app.core.clock import new_id
from app.jobs.events import EventWriter
from tests.conftest import TestDatabase
from tests.entra import ALAN, GRACE
from tests.imported import platform_imported
from tests.portal.browsers import Portal, code
from tests.portal.conftest import changes as changes  # noqa: PLC0414 - a fixture
from tests.portal.conftest import portal as portal  # noqa: PLC0414 - a fixture
from tests.portal.test_data import member_id, pane
from tests.tenants.administration import execute, rows

SECRET = "Ms. Quux leaves in March. Her desk goes to Mr. Foo."


@pytest.fixture
async def ada(portal: Portal, database: TestDatabase) -> AsyncIterator[httpx.AsyncClient]:
    await platform_imported(database)
    async with pane(portal) as client:
        yield client


async def submitted(client: httpx.AsyncClient, input_: dict[str, Any]) -> str:
    answer = await client.post("/jobs", json={"task_type": "summarize", "input": input_})
    assert answer.status_code == 202, answer.text
    made: str = answer.json()["id"]
    return made


async def ended(client: httpx.AsyncClient, **input_: Any) -> str:
    job_id = await submitted(client, input_ or {"text": SECRET})
    assert (await client.post(f"/jobs/{job_id}/cancel")).status_code == 200
    return job_id


async def listed(client: httpx.AsyncClient, **query: Any) -> list[str]:
    """All pages."""
    found: list[str] = []
    answer = (await client.get("/jobs", params=query)).json()
    while True:
        found += [job["id"] for job in answer["value"]]
        link = answer.get("next_link")
        if link is None:
            return found
        answer = (await client.get(link.removeprefix("/addin/v1"))).json()


async def test_own_jobs_are_listed_by_state_and_task_type_page_by_page(ada: httpx.AsyncClient) -> None:
    over = [await ended(ada) for _ in range(3)]
    waiting = await submitted(ada, {"text": SECRET})
    assert await listed(ada, limit=1) == [waiting, *reversed(over)]
    assert await listed(ada, limit=2, state="cancelled", task_type="summarize") == [*reversed(over)]
    assert await listed(ada, limit=1, state=["cancelled", "queued"]) == [waiting, *reversed(over)]
    assert await listed(ada, state="succeeded") == await listed(ada, task_type="translate") == []
    assert code(await ada.get("/jobs", params={"state": "asleep"})) == (422, "malformed")


async def test_jobs_on_the_same_document_draw_alike_whatever_was_edited_and_nobody_can_tell_which_it_is(
    ada: httpx.AsyncClient, database: TestDatabase
) -> None:
    async def key(name: str, text: str) -> bytes:
        kept = await ada.post("/documents", params={"name": name}, content=text.encode())
        return await of(await ended(ada, documents=[kept.json()["id"]]))

    async def of(job_id: str) -> bytes:
        ((found,),) = await rows(database, "SELECT sticky_key FROM jobs WHERE id = :id", id=UUID(job_id))
        return bytes(found)

    first = await key("plan.txt", SECRET)
    assert await key("plan.txt", SECRET + " Edited.") == first
    other, inline = await key("other.txt", SECRET), await of(await ended(ada))
    assert await of(await ended(ada, text="Another text.")) == inline
    assert len({first, other, inline}) == 3
    assert {len(first), len(inline)} == {16}
    ((member, sha256),) = await rows(database, "SELECT member_id, sha256 FROM documents ORDER BY id LIMIT 1")
    assert not {member.bytes, bytes(sha256)[:16]} & {first, other, inline}


async def test_a_removed_job_leaves_its_calls_in_the_ledger_and_nothing_else(
    ada: httpx.AsyncClient, portal: Portal, database: TestDatabase, redis: Redis
) -> None:
    shared = (await ada.post("/documents", params={"name": "a.txt"}, content=SECRET.encode())).json()["id"]
    gone, kept = await ended(ada, documents=[shared]), await ended(ada, documents=[shared])
    await ada.put(f"/jobs/{gone}/feedback", json={"thumb": "up", "comment": SECRET})
    ((tenant_id,),) = await rows(database, "SELECT tenant_id FROM jobs WHERE id = :id", id=UUID(gone))
    written = await EventWriter(redis).emit(
        await portal.services.keys.sealer(tenant_id),
        job_id=UUID(gone),
        step_id=new_id(),
        fencing=1,
        event_type="text",
        body={"sentence": SECRET},
    )
    assert written
    await execute(
        database,
        "INSERT INTO model_calls (tenant_id, id, member_id, job_id, step_id, fencing, hop, pool_revision_id,"
        " pool_member_id, deployment_id, provider_name, request_model, outcome, cost_micros, currency,"
        " input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, reserved_micros)"
        " SELECT tenant_id, id, member_id, id, id, 1, 0, id, id, id, 'vendor', 'model',"
        " 'succeeded', 7, 'EUR', 1, 0, 1, 0, 7 FROM jobs WHERE id = :id",
        id=UUID(gone),
    )
    assert (await ada.delete(f"/jobs/{gone}")).status_code == 204
    assert code(await ada.delete(f"/jobs/{gone}")) == (404, "job_not_found")
    assert await listed(ada) == [kept]
    for table in ("job_steps", "job_inputs", "job_feedback"):
        assert await rows(database, f"SELECT 1 FROM {table} WHERE job_id = :id", id=UUID(gone)) == []
    assert [key async for key in redis.scan_iter(f"*{gone}*")] == []
    assert (await ada.get("/me/usage")).json()["value"][0]["cost_micros"] == 7
    # The other job reads the document; it goes with the last job that does.
    assert len(await rows(database, "SELECT 1 FROM documents WHERE id = :id", id=UUID(shared))) == 1
    assert (await ada.delete(f"/jobs/{kept}")).status_code == 204
    for table in ("documents", "document_parts"):
        assert await rows(database, f"SELECT 1 FROM {table}") == []


async def test_only_what_has_ended_and_no_hold_covers_can_be_removed(
    ada: httpx.AsyncClient, portal: Portal
) -> None:
    open_, over = await submitted(ada, {"text": SECRET}), await ended(ada)
    assert code(await ada.delete(f"/jobs/{open_}")) == (409, "job_not_finished")
    for login in (ALAN, GRACE):
        async with pane(portal, login) as stranger:
            assert code(await stranger.delete(f"/jobs/{over}")) == (404, "job_not_found")
    async with portal.browser() as admin:
        await admin.sign_in(ALAN)
        body = {"member_id": await member_id(admin, "Ada"), "reason": "case 7"}
        hold = (await admin.send("POST", "/holds", json=body)).json()["id"]
        assert code(await ada.delete(f"/jobs/{over}")) == (409, "legal_hold")
        assert over in await listed(ada)
        await admin.send("POST", f"/holds/{hold}/release")
    assert (await ada.delete(f"/jobs/{over}")).status_code == 204


async def test_feedback_is_one_for_each_job_and_administrators_see_counts_of_it(
    ada: httpx.AsyncClient, portal: Portal, database: TestDatabase
) -> None:
    over, silent = await ended(ada), await ended(ada)
    place = f"/jobs/{over}/feedback"
    assert code(await ada.get(place)) == (404, "feedback_not_found")
    await ada.put(place, json={"thumb": "down", "comment": "Who is Ms. Quux?"})
    said = {"thumb": "up", "is_inserted": True, "is_undone": True, "comment": SECRET}
    assert (await ada.put(place, json=said)).json() == said == (await ada.get(place)).json()
    ((comment,),) = await rows(database, "SELECT sealed_comment FROM job_feedback")
    assert SECRET.encode() not in comment
    open_ = await submitted(ada, {"text": SECRET})
    assert code(await ada.put(f"/jobs/{open_}/feedback", json=said)) == (409, "job_not_finished")
    assert code(await ada.put(place, json={"thumb": "sideways"})) == (422, "malformed")
    async with pane(portal, ALAN) as colleague:
        assert code(await colleague.put(place, json=said)) == (404, "job_not_found")
        assert code(await colleague.get(place)) == (404, "feedback_not_found")
    assert SECRET in (await ada.get("/me/export")).text
    async with portal.browser() as admin, portal.browser() as other:
        await admin.sign_in(ALAN)
        await other.sign_in(GRACE)
        answer = await admin.get("/feedback")
        counted = {"jobs": 2, "thumbs_up": 1, "thumbs_down": 0, "inserted": 1, "undone": 1, "comments": 1}
        assert answer.json()["value"] == [{"task_type": "summarize", **counted}]
        assert "Quux" not in answer.text
        assert (await admin.get("/feedback", params={"to": "2020-01-01"})).json()["value"] == []
        assert code(await other.get("/feedback")) == (403, "role_missing")
        assert (await ada.delete(place)).status_code == 204
        assert code(await ada.delete(f"/jobs/{silent}/feedback")) == (404, "feedback_not_found")
        assert (await admin.get("/feedback")).json()["value"][0]["thumbs_up"] == 0


async def test_me_tells_the_organisations_state_and_errors_speak_the_callers_language(
    ada: httpx.AsyncClient,
) -> None:
    me = (await ada.get("/me")).json()
    assert me["tenant"] == {"name": "Contoso", "state": "active", "consented_at": None}
    assert me["limits"]["max_upload_sessions"] == 10
    assert me["budgets"] == []
    answer = await ada.get("/errors", headers={"Accept-Language": "fr, de;q=0.4"})
    assert answer.headers["Content-Language"] == "de"
    told = {one["code"]: one for one in answer.json()["value"]}
    assert told["job_not_found"]["title"] == "Auftrag nicht gefunden"
