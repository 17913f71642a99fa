"""Erasure removes everything and proves it; killed anywhere it goes on; a hold keeps it from beginning."""

from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.core.clock import new_id
from app.core.crypto import Place, SealBroken, Sealed
from app.lifecycle import erasure, holds
from app.lifecycle.erasing import Subject
from app.lifecycle.errors import ErasureUnderWay, HeldByLegalHold
from app.lifecycle.states import ErasureState
from tests.lifecycle.conftest import SECRET, Archive
from tests.tenants.administration import snapshot


def mentions(shot: dict[str, set[str]], what: UUID) -> dict[str, int]:
    found = {table: sum(str(what) in row for row in rows) for table, rows in shot.items()}
    return {table: count for table, count in found.items() if count}


async def run_to_the_end(archive: Archive, *, batch: int = 200) -> erasure.ErasureView:
    for _ in range(50):
        await archive.erasing(batch=batch).run()
        view = await archive.erasure()
        if view.state is ErasureState.FINISHED:
            return view
    raise AssertionError(f"the erasure did not finish: {await archive.erasure()}")


async def test_of_an_erased_tenant_nothing_is_left_but_what_is_kept_on_purpose(archive: Archive) -> None:
    database = archive.database
    for _ in range(3):
        await archive.fill()
    await archive.fill(database.other_member_id, tenant_id=database.other_tenant_id)
    others_before = {
        table: {row for row in rows if str(database.other_tenant_id) in row}
        for table, rows in (await snapshot(database)).items()
    }
    await archive.ask(None, by_operator=True)
    done = await run_to_the_end(archive, batch=2)
    assert done.proof is not None
    assert (done.proof["rows_left"], done.proof["redis_keys_left"]) == (0, 0)
    assert done.removed["jobs"] == done.removed["documents"] == 3
    async with database.owner.system() as session:
        (entry,) = await session.scalars(
            text("SELECT detail FROM audit_entries WHERE action = 'erasure.finish'")
        )
    assert {
        "rows_left": 0,
        "redis_keys_left": 0,
        "tables_swept": done.proof["tables_swept"],
    }.items() <= entry.items()
    assert {f"removed.{store}": count for store, count in done.removed.items()}.items() <= entry.items()
    assert entry["kept.erasures"] == 1
    after = await snapshot(database)
    left = mentions(after, database.tenant_id)
    assert set(left) <= {"tenants", "erasures", *done.proof["kept"]}
    assert not {"tenant_keys", "documents", "jobs", "members"} & set(left)
    assert not mentions(after, database.member_id).keys() - {"audit_entries"}
    assert not [key async for key in archive.redis.scan_iter(f"*{database.tenant_id}*")]
    for table, rows in others_before.items():
        assert rows <= after[table], table


async def test_an_erased_tenant_does_not_come_back_by_itself(archive: Archive) -> None:
    await archive.fill()
    await archive.ask(None, by_operator=True)
    await run_to_the_end(archive)
    tenant_id = archive.database.tenant_id
    # A request that was let in before the erasure began, or a worker's cached data key.
    values = {"tenant": tenant_id, "id": new_id()}
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with archive.database.app.tenant(tenant_id) as session:
            await session.execute(
                text(
                    "INSERT INTO members (tenant_id, id, entra_object_id, display_name, role, state)"
                    " VALUES (:tenant, :id, :id, 'Late', 'Member', 'active')"
                ),
                values,
            )
    with pytest.raises(ProgrammingError, match="row-level security"):
        # What a process has cached is over in a minute; then it would make a new key.
        await archive.another_process().sealer(tenant_id)
    async with archive.database.owner.system() as session:
        state = await session.scalar(
            text("SELECT state FROM tenants WHERE id = :tenant"), {"tenant": tenant_id}
        )
    assert state == "erased"


async def test_of_an_erased_member_no_content_and_no_name_is_left_and_the_sums_stay(archive: Archive) -> None:
    database = archive.database
    await archive.fill()
    await archive.fill(database.colleague_id)
    await archive.ask(database.member_id)
    done = await run_to_the_end(archive)
    for table in ("documents", "jobs", "job_steps", "idempotency_keys"):
        assert await archive.count(table, database.tenant_id, database.member_id) == 0, table
        assert await archive.count(table, database.tenant_id, database.colleague_id) == 1, table
    assert await archive.count("model_calls", database.tenant_id, database.member_id) == 1
    async with database.owner.system() as session:
        row = (
            await session.execute(
                text("SELECT display_name, state, department FROM members WHERE id = :id"),
                {"id": database.member_id},
            )
        ).one()
    assert tuple(row) == ("(erased)", "erased", "")
    assert done.member_id == database.member_id


async def test_an_erasure_interrupted_after_any_part_goes_on_to_the_same_end(archive: Archive) -> None:
    for _ in range(4):
        await archive.fill()
    await archive.ask(None, by_operator=True)
    parts = 0
    while (await archive.erasure()).state is not ErasureState.FINISHED:
        # A new process each time, and a second one beside it.
        (subject,) = await archive.erasing().due()
        await archive.erasing(batch=1).advance(subject)
        await archive.erasing(batch=1).advance(subject)
        parts += 1
        assert parts < 200
    assert parts > 5
    assert (await archive.erasure()).removed["documents"] == 4


async def test_a_hold_forbids_to_ask_and_keeps_what_was_asked_from_beginning(archive: Archive) -> None:
    hold = await archive.hold(archive.database.member_id)
    with pytest.raises(HeldByLegalHold):
        await archive.ask(archive.database.member_id)
    with pytest.raises(HeldByLegalHold):
        await archive.ask(None)
    await archive.release(hold.id)
    await archive.fill()
    await archive.ask(archive.database.member_id)
    late = await archive.hold(archive.database.member_id)
    await archive.erasing().run()
    assert (await archive.erasure()).state is ErasureState.REQUESTED
    assert await archive.count("documents", archive.database.tenant_id) == 1
    await archive.release(late.id)
    assert (await run_to_the_end(archive)).state is ErasureState.FINISHED


async def test_a_hold_that_is_just_being_placed_keeps_an_erasure_from_beginning(archive: Archive) -> None:
    database = archive.database
    await archive.fill()
    asked = await archive.ask(database.member_id)
    subject = Subject(database.tenant_id, asked.id, database.member_id)

    async with database.app.tenant(database.tenant_id) as session:
        await holds.place(
            session,
            tenant_id=database.tenant_id,
            member_id=database.member_id,
            reason="case 8",
            until=None,
            placed_by=database.colleague_id,
            actor=archive.actor(),
        )
        # Nobody else sees the hold yet.
        assert not await archive.erasing().advance(subject)

    assert not await archive.erasing().advance(subject)
    assert (await archive.erasure()).state is ErasureState.REQUESTED


async def test_a_request_can_be_taken_back_until_it_begins_and_only_one_is_open(archive: Archive) -> None:
    tenant_id = archive.database.tenant_id
    asked = await archive.ask(None)
    with pytest.raises(ErasureUnderWay):
        await archive.ask(None)
    async with archive.database.app.tenant(tenant_id) as session:
        await erasure.cancel(session, tenant_id=tenant_id, erasure_id=asked.id, actor=archive.actor())
    await archive.fill()
    await archive.erasing().run()
    assert await archive.count("documents", tenant_id) == 1


async def test_without_the_data_key_a_copy_of_the_rows_cannot_be_read(archive: Archive) -> None:
    database = archive.database
    await archive.fill()
    async with database.owner.system() as session:
        copied = (await session.execute(text("SELECT id, sealed_name FROM documents"))).one()
    assert SECRET.encode() not in bytes(copied.sealed_name)
    await archive.ask(None, by_operator=True)
    await run_to_the_end(archive)
    # No key of the system opens what a backup still holds.
    other = await archive.sealer(database.other_tenant_id)
    with pytest.raises(SealBroken):
        other.open(Place("documents", copied.id, "sealed_name"), Sealed(copied.sealed_name))
