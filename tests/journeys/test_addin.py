"""The add-in's story: upload, submit, follow, read, cancel; and what it is told when something is wrong."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from app.jobs import dispatch
from app.local import state
from app.vocabulary import Lane
from tests.entra import ADA, GRACE
from tests.house import House, serve

SAMPLES = Path(state.__file__).parent / "samples"
TEXT = (
    "The harbour of Rostock was closed for three days in March. A storm had torn two cranes from their rails. "
    "The port authority says that repairs will cost 4.2 million euros. Ships were sent to Warnemünde meanwhile."
)


@pytest.mark.processes
async def test_a_word_document_is_summarized_with_citations_coverage_and_the_reason(house: House) -> None:
    house.system.start_all()
    content = (SAMPLES / "memo.docx").read_bytes()
    document = await house.upload("memo.docx", content)
    assert document["segments"] > 10
    accepted = await house.submit({"input": {"documents": [document["id"]]}})
    assert accepted.status_code == 202
    job_id = accepted.json()["id"]
    assert (
        accepted.headers["location"] == accepted.headers["operation-location"] == f"/addin/v1/jobs/{job_id}"
    )
    assert accepted.headers["retry-after"]
    events = await house.follow(job_id)
    job = await house.job(job_id)
    assert job["state"] == "succeeded"
    result = job["result"]
    # The transcript, replayed, is the stored result.
    shown = [event for event in events if event.type == "text"]
    assert "".join(event.data["sentence"] for event in shown) == result["text"]
    assert events[-1].type == "result"
    assert events[-1].data["link"] == f"/addin/v1/jobs/{job_id}"
    assert result["coverage"]["ratio"] == 1.0
    assert result["citations"]
    for citation in result["citations"]:
        assert citation["anchor"]["type"] == "word"
        assert citation["quote"]
    assert job["decision"]["member"]["deployment"] == "extractive"
    assert "summarize-long" in job["decision"]["why"]
    assert job["usage"]["calls"] >= 1


@pytest.mark.processes
async def test_citations_of_several_documents_say_which(house: House) -> None:
    house.system.start_all()
    texts = ["# Notes\n", TEXT]
    documents = [(await house.upload(f"{n}.md", text.encode()))["id"] for n, text in enumerate(texts)]
    accepted = await house.submit({"input": {"documents": documents}})
    await house.follow(accepted.json()["id"])
    job = await house.job(accepted.json()["id"])
    found = {(one["document"], one["quote"]) for one in job["result"]["citations"]}
    assert found
    assert all(quote in texts[document] for document, quote in found)
    assert {document for document, _ in found} == {1}


@pytest.mark.processes
async def test_a_stream_is_resumed_after_any_event(house: House) -> None:
    house.system.start_all()
    job_id = (await house.submit({"input": {"text": TEXT}})).json()["id"]
    everything = await house.follow(job_id)
    for position, event in enumerate(everything[:-1]):
        rest = await house.follow(job_id, after=event.id)
        assert [one.id for one in rest] == [one.id for one in everything[position + 1 :]]
    again = await house.follow(job_id, after="unknown.1-1")
    result = (await house.job(job_id))["result"]
    assert again[0].type == "snapshot"
    assert again[0].data["text"] == result["text"]
    assert again[-1].type == "result"


@pytest.mark.processes
async def test_fifty_equal_submissions_at_once_are_one_job(house: House) -> None:
    body: dict[str, Any] = {"input": {"text": TEXT}}
    answers = await asyncio.gather(*(house.submit(body, key="same") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await house.system.rows("SELECT 1 FROM jobs")) == 1
    assert len(await house.system.rows("SELECT 1 FROM documents")) == 1
    other = await house.submit({**body, "parameters": {"length": "sentence"}}, key="same")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")


async def test_a_queued_job_is_cancelled_and_its_stream_says_so(house: House) -> None:
    job_id = (await house.submit({"input": {"text": TEXT}})).json()["id"]
    answer = await house.client().post(f"/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    events = await house.follow(job_id)
    assert events[-1].data["state"] == "cancelled"


async def test_own_jobs_are_listed_in_pages(house: House) -> None:
    ids = [(await house.submit({"input": {"text": f"{TEXT} {number}"}})).json()["id"] for number in range(5)]
    first = (await house.client().get("/jobs", params={"limit": 3})).json()
    second = (await house.client().get(first["next_link"].removeprefix("/addin/v1"))).json()
    assert [job["id"] for job in first["value"] + second["value"]] == ids[::-1]
    assert second["next_link"] is None


BAD_BODIES: list[tuple[dict[str, Any], int, str, str]] = [
    ({"task_type": "sumarize", "input": {"text": TEXT}}, 422, "unknown_task_type", "task_type"),
    (
        {"parameters": {"lenght": "page"}, "input": {"text": TEXT}},
        422,
        "invalid_parameters",
        "parameters.lenght",
    ),
    (
        {"parameters": {"length": "novel"}, "input": {"text": TEXT}},
        422,
        "invalid_parameters",
        "parameters.length",
    ),
    ({"input": {}}, 422, "wrong_input", "input"),
    ({"input": {"text": TEXT, "documents": [str(uuid.uuid4())]}}, 422, "malformed", "input"),
    ({"input": {"documents": [str(uuid.uuid4())]}}, 404, "document_not_found", "input.documents"),
    ({"input": {"text": TEXT}, "api_base": "http://evil.example"}, 422, "malformed", "api_base"),
    (
        {"input": {"text": TEXT}, "parameters": {"base_url": "x"}},
        422,
        "invalid_parameters",
        "parameters.base_url",
    ),
    ({"input": {"text": "   "}}, 422, "no_text", "content"),
    ({"input": {"text": TEXT}, "parameters": {"audience": "board"}}, 422, "no_eligible_member", ""),
    ({"input": {"text": TEXT}, "task_type": "compare"}, 422, "wrong_input", "input"),
    (
        {"input": {"text": TEXT}, "task_type": "ask", "parameters": {"question": "Why?"}},
        422,
        "no_route",
        "ask",
    ),
]


@pytest.mark.parametrize(("body", "status", "code", "target"), BAD_BODIES)
async def test_a_wrong_request_is_told_its_place(
    house: House, body: dict[str, Any], status: int, code: str, target: str
) -> None:
    answer = await house.submit(body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("target", "")) == (status, code, target)
    assert error["message"]
    assert error["innererror"]["request-id"] == answer.headers["request-id"]
    assert await house.system.rows("SELECT 1 FROM jobs") == []


BAD_FILES = [
    ("empty.docx", b"", 422, "empty_file"),
    ("broken.docx", b"PK\x03\x04 this is no archive", 422, "unreadable_file"),
    (
        "locked.docx",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600 + "EncryptedPackage".encode("utf-16-le"),
        422,
        None,
    ),
    ("picture.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 64, 422, "unsupported_format"),
    ("report.docx", b"just words", 422, "mislabelled_file"),
    ("text.pdf", b"%PDF-1.7\nnothing else", 422, "unreadable_file"),
]


@pytest.mark.parametrize(("name", "content", "status", "code"), BAD_FILES)
async def test_a_bad_file_is_refused_at_the_door(
    house: House, name: str, content: bytes, status: int, code: str | None
) -> None:
    answer = await house.client().post("/documents", params={"name": name}, content=content)
    assert answer.status_code == status, answer.text
    if code is not None:
        assert answer.json()["error"]["code"] == code
    assert await house.system.rows("SELECT 1 FROM documents") == []


async def test_a_file_beyond_the_limit_is_refused_before_it_is_read(house: House) -> None:
    async with serve(house.system, house.entra, max_upload_bytes=2**20) as api:
        client = house.client()
        answer = await client.post(
            f"{api}/addin/v1/documents", params={"name": "big.txt"}, content=b"x" * (2**20 + 1)
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "file_too_large")


async def test_callers_without_a_good_token_are_told_to_sign_in(house: House) -> None:
    client = house.client()
    for token in ("", "Bearer", "Bearer nonsense", f"Bearer {house.entra.token(ADA, exp=1)}", "Basic YTpi"):
        answer = await client.get("/me", headers={"Authorization": token})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_token"), token
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_tenant_that_is_not_onboarded_is_told_so(house: House) -> None:
    await house.system.rows("UPDATE tenants SET state = 'suspended' WHERE name = 'Fabrikam' RETURNING id")
    answer = await house.client(GRACE).get("/me")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "tenant_not_onboarded")


async def test_a_german_summary_of_an_english_document_without_a_model_for_it_is_a_refusal_that_says_so(
    house: House,
) -> None:
    answer = await house.submit({"input": {"text": TEXT}, "parameters": {"language": "de"}})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "no_eligible_member")
    assert {one["code"] for one in error["details"]} == {"language"}
    assert all("does not write the language asked for" in one["message"] for one in error["details"])


async def test_the_caller_sees_itself_and_what_it_may_ask_for(house: House) -> None:
    me = (await house.client().get("/me")).json()
    assert me["roles"] == ["Member"]
    assert "summarize" in me["task_types"]
    listed = await house.client().get("/task-types", headers={"Accept-Language": "de-DE,de;q=0.9"})
    summarize = next(one for one in listed.json()["value"] if one["name"] == "summarize")
    assert summarize["available"]
    ask = next(one for one in listed.json()["value"] if one["name"] == "ask")
    assert (ask["title"], ask["available"]) == ("Fragen", False)
    assert "OPENAI_API_KEY" in ask["reason"]
    length = summarize["parameters"]["properties"]["length"]
    assert (length["title"], length["x-choices"]["bullets"]) == ("Länge", "Stichpunkte")


async def test_health_says_what_is_missing(house: House) -> None:
    client = house.client()
    assert (await client.get(f"{house.api}/health/live")).json() == {"status": "ok"}
    assert (await client.get(f"{house.api}/health/ready")).json() == {
        "status": "ok",
        "database": "ok",
        "redis": "ok",
    }
    await house.system.rows("UPDATE alembic_version SET version_num = 'older' RETURNING 1")
    answer = await client.get(f"{house.api}/health/ready")
    assert answer.status_code == 503
    assert "switchboard migrate" in answer.json()["database"]


async def test_ids_are_issued_and_echoed(house: House) -> None:
    answer = await house.client().get("/me", headers={"client-request-id": "from-the-pane"})
    assert answer.headers["client-request-id"] == "from-the-pane"
    assert uuid.UUID(answer.headers["request-id"]).version == 7
    answer = await house.client().get("/nothing-here")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_json_nested_too_deeply_is_malformed(house: House) -> None:
    nested = '{"a":' * 900 + "1" + "}" * 900
    body = f'{{"task_type": "summarize", "input": {{"text": "x"}}, "parameters": {nested}}}'
    answer = await house.client().post(
        "/jobs", content=body, headers={"Idempotency-Key": "k", "Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text


@pytest.mark.processes
async def test_a_forged_event_id_of_one_member_silences_nobody(house: House) -> None:
    house.system.start_all()
    job_id = (await house.submit({"input": {"text": TEXT}})).json()["id"]
    epoch = (await house.follow(job_id))[0].id.partition(".")[0]
    forged = await house.follow(job_id, after=f"{epoch}.99999999999999999999999-0")
    assert forged[0].type == "snapshot"
    waiting = (await house.submit({"input": {"text": TEXT + " Again."}}, GRACE)).json()["id"]
    events = await house.follow(waiting, GRACE)
    assert "text" in {event.type for event in events}


async def test_a_blocked_members_stream_ends_and_its_steps_wait(house: House) -> None:
    job_id = (await house.submit({"input": {"text": TEXT}})).json()["id"]
    async with house.client().stream("GET", f"/jobs/{job_id}/events") as following:
        assert following.status_code == 200
        await house.system.rows("UPDATE members SET state = 'blocked' RETURNING 1")
        assert "event:" not in (await following.aread()).decode()
    answer = await house.client().get("/me")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "member_blocked")
    async with house.system.database.system.system() as session:
        assert await dispatch.pick(session, lane=Lane.INTERACTIVE, slots=5, stale_hint_seconds=2.0) == []


async def test_too_much_text_for_one_job_is_refused_at_the_door(house: House) -> None:
    document = await house.upload("text.txt", TEXT.encode())
    await house.system.rows("UPDATE documents SET estimated_tokens = 2000000 RETURNING 1")
    answer = await house.submit({"input": {"documents": [document["id"]]}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "job_too_large")
