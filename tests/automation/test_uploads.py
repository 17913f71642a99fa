"""A program's uploads through its own door: parts, a break, the document in a job, and nobody else's eyes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.core.clock import new_id
from app.local.entra.registrations import AUTOMATION_CLIENT_ID
from app.tenants.app_clients import register_app_client
from tests.documents.uploading import STEP, Upload, begin, error, expected
from tests.entra import seed_tenants
from tests.house import House
from tests.trust import PLAIN

_OTHER_CLIENT_ID = "5b0c3c5e-7d0f-4d0b-9a53-0f2e8f6f1a77"
TEXT = b"The harbour was closed for three days. " * 6_000
"""Over three steps of 64 KiB."""


async def contoso(house: House) -> UUID:
    """The tenant of Ada, and of the programs here."""
    found = await house.system.rows(
        "SELECT id FROM tenants WHERE entra_tenant_id = CAST(:id AS uuid)",
        id=seed_tenants()[0]["entra_tenant_id"],
    )
    tenant_id: UUID = found[0]["id"]
    return tenant_id


@asynccontextmanager
async def program(house: House, client_id: str) -> AsyncIterator[httpx.AsyncClient]:
    """A registered program of Contoso at its door."""
    tenant_id = await contoso(house)
    async with house.system.database.app.tenant(tenant_id) as session:
        await register_app_client(session, tenant_id=tenant_id, client_id=UUID(client_id), name="Archive")
    object_id = str(new_id())
    token = house.entra.application_token(azp=client_id, oid=object_id, sub=object_id)
    async with httpx.AsyncClient(
        base_url=f"{house.api}/automation/v1",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        verify=PLAIN,
        timeout=30.0,
    ) as client:
        yield client


@pytest.fixture
async def archive(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with program(house, AUTOMATION_CLIENT_ID) as client:
        yield client


@pytest.fixture
async def other_program(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with program(house, _OTHER_CLIENT_ID) as client:
        yield client


async def recorded(house: House) -> list[dict[str, Any]]:
    return await house.system.rows(
        "SELECT e.action, e.actor_kind, m.display_name FROM audit_entries e"
        " JOIN members m ON m.id = e.actor_member_id ORDER BY e.at"
    )


async def test_a_program_uploads_in_parts_goes_on_after_a_break_and_has_a_job_done(
    house: House, archive: httpx.AsyncClient
) -> None:
    upload = await begin(archive, "report.txt", TEXT, checksum=True)
    assert (await upload.put(0, STEP)).status_code == 202

    class Gone(Exception):
        pass

    async def breaking() -> AsyncIterator[bytes]:
        yield TEXT[STEP : STEP + 1000]
        raise Gone

    with pytest.raises(Gone):
        await archive.put(
            upload.path,
            content=breaking(),
            headers={"Content-Range": f"bytes {STEP}-{len(TEXT) - 1}/{len(TEXT)}"},
        )
    gap = await upload.put(2 * STEP, len(TEXT))
    assert error(gap) == (416, "invalid_range")
    assert expected(gap) == (await upload.status())["next_expected_ranges"] == [f"{STEP}-{len(TEXT) - 1}"]
    assert (await upload.put(STEP, 3 * STEP)).json()["received_bytes"] == 3 * STEP
    last = await upload.put(3 * STEP, len(TEXT))
    assert last.status_code == 201, last.text
    again = await upload.finish()
    assert (again.status_code, again.json()["id"]) == (201, last.json()["id"])

    body = {"task_type": "summarize", "input": {"documents": [last.json()["id"]]}}
    job = await archive.post("/jobs", json=body)
    assert job.status_code == 202, job.text
    assert job.headers["Location"].startswith("/automation/v1/jobs/")
    assert (await archive.post(f"/jobs/{job.json()['id']}/cancel")).json()["state"] == "cancelled"
    assert (await archive.delete(upload.path)).status_code == 204
    assert error(await archive.get(upload.path)) == (404, "upload_session_not_found")

    assert [tuple(one.values()) for one in await recorded(house)] == [
        ("document.upload", "application", "Archive"),
        ("job.accept", "application", "Archive"),
        ("job.cancel", "application", "Archive"),
    ]


async def test_a_programs_upload_is_not_there_for_another_program_or_a_person_of_its_tenant(
    house: House, archive: httpx.AsyncClient, other_program: httpx.AsyncClient
) -> None:
    upload = await begin(archive, "report.txt", TEXT)
    assert (await upload.put(0, STEP)).status_code == 202
    for client in (other_program, house.client()):
        stranger = Upload(client, TEXT, upload.session)
        for answer in (
            await stranger.put(STEP, len(TEXT)),
            await stranger.finish(),
            await client.get(stranger.path),
            await client.delete(stranger.path),
        ):
            assert error(answer) == (404, "upload_session_not_found")
    assert (await upload.status())["received_bytes"] == STEP
    document = (await upload.put(STEP, len(TEXT))).json()["id"]
    for client in (other_program, house.client()):
        body = {"task_type": "summarize", "input": {"documents": [document]}}
        assert error(await client.post("/jobs", json=body)) == (404, "document_not_found")
    assert [one["action"] for one in await recorded(house)] == ["document.upload"]


async def test_a_program_has_so_many_sessions_open_as_a_person_and_for_itself(
    archive: httpx.AsyncClient, other_program: httpx.AsyncClient
) -> None:
    body = {"name": "a.txt", "size_bytes": 4}
    answers = [await archive.post("/upload_sessions", json=body) for _ in range(11)]
    assert [one.status_code for one in answers] == [201] * 10 + [429]
    assert error(answers[-1]) == (429, "too_many_upload_sessions")
    assert (await other_program.post("/upload_sessions", json=body)).status_code == 201
