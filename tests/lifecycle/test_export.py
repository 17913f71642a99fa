"""A member gets a copy of everything of its own, opened, and of nobody else's."""

import json
from base64 import b64decode

import pytest

from app.core.clock import new_id
from app.jobs.complete import result_place
from app.jobs.files import keep_file, seal_file
from app.lifecycle.export import export_member
from app.tenants.errors import MemberNotFound
from tests.lifecycle.conftest import SECRET, Archive


async def exported(archive: Archive, member_id: object = None) -> list[dict[str, object]]:
    database = archive.database
    sealer = await archive.sealer(database.tenant_id)
    return [
        json.loads(line)
        async for line in export_member(
            database.app,
            sealer,
            tenant_id=database.tenant_id,
            member_id=member_id or database.member_id,  # type: ignore[arg-type]
            actor=archive.actor(),
        )
    ]


async def test_an_export_holds_all_documents_and_jobs_of_the_member_opened(archive: Archive) -> None:
    jobs = [await archive.fill() for _ in range(3)]
    await archive.fill(archive.database.colleague_id)
    lines = await exported(archive)
    assert [line["kind"] for line in lines] == ["member", *["document"] * 3, *["job"] * 3]
    assert {line["id"] for line in lines if line["kind"] == "job"} == {str(job) for job in jobs}
    assert all(line["text"] == [SECRET] for line in lines if line["kind"] == "document")
    assert all(line["parameters"] == {"focus": SECRET} for line in lines if line["kind"] == "job")
    assert all(line["result"] == {"text": "A summary."} for line in lines if line["kind"] == "job")
    assert str(archive.database.colleague_id) not in json.dumps(lines)


async def test_a_file_that_a_job_has_made_comes_in_parts_after_its_job(archive: Archive) -> None:
    job_id, other = await archive.fill(), await archive.fill()
    tenant_id = archive.database.tenant_id
    sealer = await archive.sealer(tenant_id)
    content = bytes(range(256)) * (5 * 2**12)
    parts = await seal_file(sealer, job_id, content)
    async with archive.database.app.tenant(tenant_id) as session:
        await keep_file(session, parts, tenant_id=tenant_id, job_id=job_id)
    told = b'{"file": {"name": "plan.de.docx", "media_type": "application/x"}}'
    await archive.change(
        "UPDATE jobs SET sealed_result = :result WHERE id = :id",
        id=job_id,
        result=bytes(sealer.seal(result_place(job_id), told)),
    )
    lines = [line for line in await exported(archive) if line["kind"] in {"job", "job_file"}]
    assert [line.get("job_id", line.get("id")) for line in lines] == [*[str(job_id)] * 3, str(other)]
    made = [line for line in lines if line["kind"] == "job_file"]
    assert [(line["name"], line["media_type"], line["number"]) for line in made] == [
        ("plan.de.docx", "application/x", 0),
        ("plan.de.docx", "application/x", 1),
    ]
    assert b"".join(b64decode(str(line["content"])) for line in made) == content


async def test_an_export_is_recorded_and_of_somebody_unknown_there_is_none(archive: Archive) -> None:
    await exported(archive)
    assert await archive.count("audit_entries", archive.database.tenant_id) >= 1
    with pytest.raises(MemberNotFound):
        await exported(archive, new_id())
    with pytest.raises(MemberNotFound):
        await exported(archive, archive.database.other_member_id)
