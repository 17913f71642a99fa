"""A member gets a copy of everything of its own, opened, and of nobody else's."""

import json

import pytest

from app.core.clock import new_id
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


async def test_an_export_is_recorded_and_of_somebody_unknown_there_is_none(archive: Archive) -> None:
    await exported(archive)
    assert await archive.count("audit_entries", archive.database.tenant_id) >= 1
    with pytest.raises(MemberNotFound):
        await exported(archive, new_id())
    with pytest.raises(MemberNotFound):
        await exported(archive, archive.database.other_member_id)
