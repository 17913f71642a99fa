"""Work for people who are away: sessions, jobs that fetch by them, that wait for their member, and go on."""

import asyncio
import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from app.core.clock import now
from app.identity.sign_in import sign_in
from app.jobs import dispatch
from app.jobs.reap import fail_overdue
from app.local.entra.registrations import ADDIN_CLIENT_ID, AUTOMATION_CLIENT_ID, SCOPE
from app.local.entra.tokens import LIFETIME_SECONDS
from app.local.graph.drives import Item
from app.vocabulary import Lane, StepKind
from tests.entra import ADA, ALAN, GRACE
from tests.house import House, StreamEvent
from tests.pane import sign_in_again
from tests.processes import until
from tests.trust import PLAIN

CONTOSO = "contoso.example"


async def start(house: House, login: str = ADA, **body: Any) -> str:
    """A session of the person; gives its id."""
    answer = await house.client(login).post("/graph-sessions", json=body)
    assert answer.status_code == 201, answer.text
    session_id: str = answer.json()["id"]
    return session_id


async def start_stale(house: House) -> str:
    """A session whose access token is too old to be used again: the next one is asked of Entra."""
    house.entra.app.tokens.lifetime_seconds = 120
    session_id = await start(house)
    house.entra.app.tokens.lifetime_seconds = LIFETIME_SECONDS
    return session_id


async def submit(
    house: House, session_id: str, *items: Item, login: str = ADA, **changes: Any
) -> httpx.Response:
    """A job that fetches the items, the memo of the person without any."""
    named = [
        {"drive_id": one.drive_id, "item_id": one.id}
        for one in items or house.entra.app.graph.items(login)[:1]
    ]
    body = {"input": {"drive_items": named, "graph_session": session_id}, "lane": "background", **changes}
    return await house.submit(body, login)


async def accepted(house: House, session_id: str, *items: Item, **changes: Any) -> str:
    answer = await submit(house, session_id, *items, **changes)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


async def waiting(house: House, job_id: str) -> dict[str, Any]:
    """What the job waits for, once it does."""

    async def waits() -> bool:
        return (await house.job(job_id))["waiting"] is not None

    await until(waits, house.system.autopsy)
    found: dict[str, Any] = (await house.job(job_id))["waiting"]
    return found


async def resume(house: House, job_id: str, token: str | None = None) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return await house.client().post(f"/jobs/{job_id}/resume", headers=headers)


async def sessions(house: House, login: str = ADA) -> list[str]:
    listed = await house.client(login).get("/graph-sessions")
    return [one["id"] for one in listed.json()["value"]]


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def follow_from_now(house: House, job_id: str) -> "asyncio.Task[list[StreamEvent]]":
    return asyncio.create_task(house.follow(job_id))


async def test_sessions_are_started_listed_renewed_and_revoked_by_their_member_alone(house: House) -> None:
    first, second = await start(house), await start(house, days=3)
    listed = (await house.client().get("/graph-sessions")).json()["value"]
    assert [one["id"] for one in listed] == [second, first]
    assert listed[0]["expires_at"] < listed[1]["expires_at"]

    for login in (ALAN, GRACE):
        stranger = house.client(login)
        assert await sessions(house, login) == []
        assert refused(await stranger.delete(f"/graph-sessions/{first}")) == (404, "graph_session_not_found")
        assert refused(await stranger.post(f"/graph-sessions/{first}/renew")) == (
            404,
            "graph_session_not_found",
        )
        assert refused(await submit(house, first, login=login)) == (404, "graph_session_not_found")

    renewed = (await house.client().post(f"/graph-sessions/{first}/renew")).json()
    assert renewed["renewed_at"] > listed[1]["renewed_at"]
    assert renewed["expires_at"] == listed[1]["expires_at"]
    assert (await house.client().delete(f"/graph-sessions/{first}")).status_code == 204
    assert refused(await house.client().delete(f"/graph-sessions/{first}")) == (
        404,
        "graph_session_not_found",
    )
    assert await sessions(house) == [second]
    kept = await house.system.rows("SELECT session_key FROM token_caches")
    assert [row["session_key"] for row in kept] == [f"session:{second}"]
    recorded = await house.system.rows(
        "SELECT action, target_id FROM audit_entries WHERE target_type = 'graph_session' ORDER BY at"
    )
    assert [(row["action"], row["target_id"]) for row in recorded] == [
        ("graph_session.begin", first),
        ("graph_session.begin", second),
        ("graph_session.renew", first),
        ("graph_session.revoke", first),
    ]


async def test_a_session_that_entra_does_not_allow_leaves_nothing_behind(house: House) -> None:
    house.entra.app.consent(CONTOSO, False)
    answer = await house.client().post("/graph-sessions", json={})
    assert refused(answer) == (403, "consent_required")
    assert await sessions(house) == []
    assert await house.system.rows("SELECT 1 FROM token_caches") == []


async def test_nobody_has_sessions_without_end(house: House) -> None:
    for _ in range(20):
        await start(house, days=1)
    assert refused(await house.client().post("/graph-sessions", json={})) == (409, "too_many_graph_sessions")
    assert refused(await house.client().post("/graph-sessions", json={"days": 91})) == (422, "malformed")


@pytest.mark.processes
async def test_a_job_fetches_its_files_while_its_member_is_away(house: House) -> None:
    house.system.start_all()
    graph = house.entra.app.graph
    note = graph.add(
        ADA, "note.txt", b"The harbour was closed for three days. Repairs cost 4.2 million euros."
    )

    job_id = await accepted(house, await start(house), graph.items(ADA)[0], note)
    job = await house.finished(job_id)

    assert (job["state"], job["language"], job["waiting"]) == ("succeeded", "en", None)
    assert job["result"]["coverage"]["ratio"] == 1.0
    assert "chosen once the documents were there" in job["decision"]["why"]
    kept = await house.system.rows(
        "SELECT ordinal, size_bytes FROM job_inputs JOIN documents ON documents.id = document_id ORDER BY 1"
    )
    assert [row["size_bytes"] for row in kept] == [len(graph.items(ADA)[0].content), len(note.content)]
    assert job["usage"]["calls"] >= 1


@pytest.mark.processes
async def test_a_job_whose_session_entra_has_ended_waits_and_goes_on_when_its_member_is_back(
    house: House,
) -> None:
    house.system.start_all()
    session_id, old = await start_stale(house), house.entra.token(ADA)
    house.entra.app.revoke(ADA)
    job_id = await accepted(house, session_id)
    following = await follow_from_now(house, job_id)

    found = await waiting(house, job_id)

    assert (found["reason"], found["code"]) == ("needs_user", "interaction_required")
    assert f"/addin/v1/jobs/{job_id}/resume" in found["message"]
    # A token from before the sign-ins were ended does not help, and the job goes on waiting.
    assert refused(await resume(house, job_id, old)) == (401, "interaction_required")
    assert (await house.job(job_id))["state"] == "waiting"
    answer = await resume(house, job_id, sign_in_again(house.entra, ADA))
    assert answer.status_code == 200, answer.text
    events = await following
    told = [(one.type, one.data.get("state")) for one in events if one.type in {"state", "waiting", "result"}]
    assert told == [
        ("state", "running"),
        ("waiting", None),
        ("state", "running"),
        ("state", "succeeded"),
        ("result", None),
    ]
    assert next(one.data for one in events if one.type == "waiting")["code"] == "interaction_required"
    assert (await house.job(job_id))["state"] == "succeeded"


@pytest.mark.processes
async def test_a_job_whose_session_its_member_has_revoked_goes_on_by_a_short_one(house: House) -> None:
    session_id = await start(house)
    job_id = await accepted(house, session_id)
    assert (await house.client().delete(f"/graph-sessions/{session_id}")).status_code == 204
    house.system.start_all()
    assert (await waiting(house, job_id))["code"] == "graph_session_not_found"

    assert (await resume(house, job_id)).status_code == 200

    assert (await house.finished(job_id))["state"] == "succeeded"
    (short,) = (await house.client().get("/graph-sessions")).json()["value"]
    assert short["id"] != session_id
    assert datetime.fromisoformat(short["expires_at"]) < now() + timedelta(days=1, minutes=1)


@pytest.mark.processes
async def test_a_job_without_consent_waits_until_somebody_has_consented(house: House) -> None:
    session_id = await start_stale(house)
    house.entra.app.consent(CONTOSO, False)
    job_id = await accepted(house, session_id)
    house.system.start_all()

    found = await waiting(house, job_id)

    assert found["code"] == "consent_required"
    assert {one["code"] for one in found["details"]} == {"consent_scope", "admin_consent_url"}
    assert refused(await resume(house, job_id)) == (403, "consent_required")
    for login in (ALAN, GRACE):
        stranger = await house.client(login).post(f"/jobs/{job_id}/resume")
        assert refused(stranger) == (404, "job_not_found")
    assert (await house.job(job_id))["state"] == "waiting"
    house.entra.app.consent(CONTOSO)
    assert (await resume(house, job_id)).status_code == 200
    assert (await house.finished(job_id))["state"] == "succeeded"
    assert refused(await resume(house, job_id)) == (409, "job_not_waiting")


@pytest.mark.processes
async def test_a_job_that_graph_challenges_waits_with_the_claims_for_its_member(house: House) -> None:
    session_id = await start(house)
    house.entra.app.graph.challenge(ADA)
    job_id = await accepted(house, session_id)
    house.system.start_all()

    found = await waiting(house, job_id)

    assert found["code"] == "insufficient_claims"
    (claims,) = [one["message"] for one in found["details"] if one["code"] == "claims"]
    assert json.loads(claims)["access_token"]["nbf"]["essential"]
    fresh = sign_in(house.entra.url, ADDIN_CLIENT_ID, SCOPE, ADA, house.entra.ca, claims=claims)
    assert (await resume(house, job_id, fresh)).status_code == 200
    assert (await house.finished(job_id))["state"] == "succeeded"


@pytest.mark.processes
async def test_a_job_that_nobody_comes_back_for_fails_and_says_why(house: House) -> None:
    session_id = await start(house)
    await house.client().delete(f"/graph-sessions/{session_id}")
    other = await start(house)
    job_id = await accepted(house, other)
    await house.client().delete(f"/graph-sessions/{other}")
    house.system.start_all()
    await waiting(house, job_id)
    following = await follow_from_now(house, job_id)

    await house.system.rows("UPDATE jobs SET expires_at = clock_timestamp() RETURNING 1")

    events = await following
    assert events[-1].type == "error"
    assert events[-1].data["error"]["code"] == "needs_user_expired"
    job = await house.job(job_id)
    assert (job["state"], job["waiting"], job["error"]["code"]) == ("failed", None, "needs_user_expired")
    assert refused(await resume(house, job_id)) == (409, "job_not_waiting")


async def test_a_stream_that_was_lost_tells_that_a_job_waits(house: House) -> None:
    job_id = await accepted(house, await start(house))
    asked = {"code": "consent_required", "message": "Agree."}
    await house.system.rows(
        "UPDATE jobs SET state = 'waiting', waiting_reason = 'needs_user', waiting_for = CAST(:asked AS jsonb),"
        " expires_at = clock_timestamp() + interval '1 day' RETURNING 1",
        asked=json.dumps(asked),
    )
    (event,) = await house.follow(job_id, most=1)
    assert (event.type, event.data["code"], event.data["reason"]) == (
        "waiting",
        "consent_required",
        "needs_user",
    )
    assert datetime.fromisoformat(event.data["expires_at"]) > now()


@pytest.mark.processes
async def test_what_no_sign_in_helps_with_ends_the_job(house: House) -> None:
    house.system.start_all()
    session_id = await start(house)
    graph = house.entra.app.graph
    theirs, changed = graph.items(ALAN)[0], graph.add(ADA, "note.txt", b"The harbour was closed.")
    graph.drives.change(changed.id, content=b"newer")
    seen = {"drive_id": changed.drive_id, "item_id": changed.id, "etag": changed.etag}

    missing = await accepted(house, session_id, theirs)
    stale = (await house.submit({"input": {"drive_items": [seen], "graph_session": session_id}})).json()["id"]
    bad = await accepted(house, session_id, graph.add(ADA, "x.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 64))

    for job_id, code in (
        (missing, "drive_item_not_found"),
        (stale, "drive_item_changed"),
        (bad, "unsupported_format"),
    ):
        job = await house.finished(job_id)
        assert (job["state"], job["error"]["code"]) == ("failed", code)
    assert await house.system.rows("SELECT 1 FROM documents") == []


@pytest.mark.processes
async def test_what_is_away_for_a_while_is_asked_again(house: House) -> None:
    session_id = await start(house)
    house.entra.app.graph.refuse_next(429, retry_after_seconds=1)
    house.entra.app.graph.refuse_next(503, retry_after_seconds=1)
    job_id = await accepted(house, session_id)
    house.system.start_all()
    assert (await house.finished(job_id))["state"] == "succeeded"
    (step, *_) = await house.system.rows("SELECT attempt, error_chain FROM job_steps ORDER BY id")
    assert (step["attempt"], step["error_chain"]) == (1, ["graph_throttled", "graph_unavailable"])


async def test_a_job_starts_no_earlier_than_asked_and_no_later_than_its_session_ends(house: House) -> None:
    session_id = await start(house, days=2)
    tomorrow = now() + timedelta(days=1)
    job_id = await accepted(house, session_id, start_at=tomorrow.isoformat())
    async with house.system.database.system.system() as session:
        assert await dispatch.pick(session, lane=Lane.BACKGROUND, slots=5, stale_hint_seconds=2.0) == []
    await house.system.rows("UPDATE jobs SET created_at = created_at - interval '2 days' RETURNING 1")
    async with house.system.database.system.system() as session:
        assert await fail_overdue(session) == []
    await house.system.rows("UPDATE job_steps SET run_after = now() RETURNING 1")
    async with house.system.database.system.system() as session:
        (step,) = await dispatch.pick(session, lane=Lane.BACKGROUND, slots=5, stale_hint_seconds=2.0)
    assert (str(step.job_id), step.kind) == (job_id, StepKind.FETCH)

    for start_at, code in (
        (now() + timedelta(days=3), "graph_session_too_short"),
        (now() + timedelta(days=31), "malformed"),
        (tomorrow.replace(tzinfo=None), "malformed"),
    ):
        answer = await submit(house, session_id, start_at=start_at.isoformat())
        assert refused(answer) == (422, code)


@pytest.mark.parametrize(
    "given",
    [
        {"drive_items": [{"drive_id": "b!a", "item_id": "01A"}]},
        {"graph_session": str(uuid.uuid4())},
        {"text": "x", "graph_session": str(uuid.uuid4())},
        {"drive_items": [{"drive_id": "b!a", "item_id": "01A"}] * 2, "graph_session": str(uuid.uuid4())},
    ],
)
async def test_files_and_the_session_to_fetch_them_by_go_together(
    house: House, given: dict[str, Any]
) -> None:
    assert refused(await house.submit({"input": given})) == (422, "malformed")


async def test_a_program_has_no_files_of_its_own(house: House) -> None:
    session_id = await start(house)
    (ada,) = await house.system.rows(
        "SELECT m.tenant_id, m.id FROM members m JOIN graph_sessions s ON s.member_id = m.id"
    )
    await house.system.rows(
        "INSERT INTO app_clients (tenant_id, id, client_id, member_id, name, permissions, state) VALUES"
        " (:tenant_id, gen_random_uuid(), :client, :id, 'x', '[\"Tasks.Process.All\"]', 'active') RETURNING 1",
        **ada,
        client=AUTOMATION_CLIENT_ID,
    )
    item = house.entra.app.graph.items(ADA)[0]
    body = {
        "task_type": "summarize",
        "input": {
            "drive_items": [{"drive_id": item.drive_id, "item_id": item.id}],
            "graph_session": session_id,
        },
    }
    headers = {"Authorization": f"Bearer {house.entra.application_token()}"}
    async with httpx.AsyncClient(trust_env=False, verify=PLAIN, headers=headers) as program:
        answer = await program.post(f"{house.api}/automation/v1/jobs", json=body)
        assert refused(answer) == (403, "no_person_behind")
        for path in ("graph-sessions", "documents/drive-items"):
            assert (await program.post(f"{house.api}/automation/v1/{path}", json={})).status_code == 404
            assert (await program.post(f"{house.api}/addin/v1/{path}", json={})).status_code == 401
