"""Sealed values that were damaged: everybody who asks is told so, and nobody gets anything else."""

from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from app.local import keys as command
from tests import canaries
from tests.documents import uploading
from tests.entra import ADA, ALAN
from tests.house import House

MEMO = "The harbour was closed in March because a storm came. Ships were sent elsewhere for three days."
UNREADABLE = (500, "content_unreadable")


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def damage(house: House, place: str, where: str = "true", **values: Any) -> None:
    """Change the last byte of sealed values, as a bad disk or a hand would."""
    table, column = place.split(".")
    changed = await house.system.rows(
        f"UPDATE {table} SET {column} = set_byte({column}, length({column}) - 1,"
        f" get_byte({column}, length({column}) - 1) # 1) WHERE {where} RETURNING 1",
        **values,
    )
    assert changed, f"nothing to damage in {place}"


async def unreadable(house: House) -> dict[str, int]:
    """What `switchboard keys status` counts."""
    found = await command.status(house.system.database.owner, house.system.keyring)
    assert found.ok == (not found.unreadable)
    return dict(found.unreadable)


async def test_documents_and_uploads_that_do_not_open_are_refused_by_name(house: House) -> None:
    document = await house.upload("memo.txt", MEMO.encode())
    content = b"x" * 200_000
    named, parts, checked = [
        await uploading.begin(house.client(), "memo.txt", content, checksum=True) for _ in range(3)
    ]
    for upload in (named, parts, checked):
        assert (await upload.put(0, 2 * uploading.STEP)).status_code == 202
    await damage(house, "documents.sealed_name")
    await damage(house, "upload_sessions.sealed_name", "id = :id", id=named.session["id"])
    await damage(house, "upload_sessions.sealed_sha256", "id = :id", id=checked.session["id"])
    await damage(house, "upload_parts.content", "session_id = :id", id=parts.session["id"])

    with canaries.logged() as written:
        answers = [
            await house.submit({"input": {"documents": [document["id"]]}}),
            await house.client().get(named.path),
            await house.client().get(checked.path),
            await parts.put(2 * uploading.STEP, len(content)),
        ]

    assert [told(answer) for answer in answers] == [UNREADABLE] * 4
    assert all("send the document again" in answer.json()["error"]["message"] for answer in answers)
    assert written.getvalue().count("content unreadable") == 4
    assert await unreadable(house) == {
        "documents.sealed_name": 1,
        "upload_parts.content": 1,
        "upload_sessions.sealed_name": 1,
        "upload_sessions.sealed_sha256": 1,
    }
    # What is left of the file is not taken for the file: nothing came of it.
    assert len(await house.system.rows("SELECT 1 FROM documents")) == 1


@pytest.mark.processes
async def test_jobs_whose_content_does_not_open_fail_by_that_name_and_results_are_never_others(
    house: House, redis: Redis
) -> None:
    async def submit(login: str = ADA) -> str:
        answer = await house.submit({"input": {"text": MEMO}}, login)
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    parameters, document, broken, mine, theirs = [await submit(login) for login in (ADA, ADA, ADA, ADA, ALAN)]
    await damage(house, "jobs.sealed_parameters", "id = :id", id=parameters)
    inputs = "document_id IN (SELECT document_id FROM job_inputs WHERE job_id = :id)"
    await damage(house, "document_parts.content", inputs, id=document)
    # No reaper: nothing here has to be found again.
    for name in ("relay", "worker"):
        house.system.start(name)

    for job_id in (parameters, document):
        job = await house.finished(job_id)
        assert (job["state"], job["error"]["code"]) == ("failed", "content_unreadable")
        assert (await house.follow(job_id))[-1].data["error"]["code"] == "content_unreadable"
    for job_id, login in ((broken, ADA), (mine, ADA), (theirs, ALAN)):
        assert (await house.finished(job_id, login))["state"] == "succeeded"
    (worker,) = [child for child in house.system.children if child.name == "worker"]
    assert worker.log.read_text().count("content unreadable") == 2

    await damage(house, "jobs.sealed_result", "id = :id", id=broken)
    swapped = (
        "UPDATE jobs SET sealed_result = other.sealed_result FROM jobs other WHERE jobs.id = :id"
        " AND other.id = :other RETURNING 1"
    )
    await house.system.rows(swapped, id=mine, other=theirs)
    with canaries.logged() as written:
        for job_id in (broken, mine):
            answer = await house.client().get(f"/jobs/{job_id}")
            assert told(answer) == UNREADABLE
            assert "harbour" not in answer.text
            await redis.delete(*[key async for key in redis.scan_iter(f"events:*:{job_id}")])
            events = await house.follow(job_id)
            assert [event.type for event in events] == ["state", "error"]
            assert events[-1].data["error"]["code"] == "content_unreadable"
    assert written.getvalue().count("content unreadable") == 2
    # The list of jobs opens nothing, and stays.
    assert len((await house.client().get("/jobs")).json()["value"]) == 4

    (stream,) = [key async for key in redis.scan_iter(f"events:*:{theirs}")]
    assert 0 < await redis.ttl(stream) <= 900
    await _damage_events(redis, stream)
    with canaries.logged() as written:
        events = await house.follow(theirs, ALAN)
    assert [event.type for event in events] == ["snapshot", "state", "result"]
    assert "harbour" in events[0].data["text"]
    assert "table=events" in written.getvalue()
    assert await unreadable(house) == {
        "document_parts.content": 1,
        "jobs.sealed_parameters": 1,
        "jobs.sealed_result": 2,
    }


async def _damage_events(redis: Redis, stream: bytes) -> None:
    entries: Any = await redis.xrange(stream)
    assert entries
    await redis.delete(stream)
    for entry_id, fields in entries:
        payload = fields[b"payload"]
        changed = payload[:-1] + bytes([payload[-1] ^ 1])
        await redis.xadd(stream, {**fields, b"payload": changed}, id=entry_id)
