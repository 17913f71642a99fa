"""Chaining: one chain whoever writes, whatever dies; pseudonyms instead of members."""

import asyncio
from pathlib import Path

import pytest

from app.audit.actions import AuditAction
from app.audit.anchors import AnchorFile
from app.audit.record import Actor, ActorKind, record
from app.audit.repository import SystemAuditRepository
from app.audit.verify import Verifier
from app.audit.writer import ChainWriter, anchor
from app.core.crypto import SealBroken
from app.core.keyring import LocalKeyring
from tests.audit.history import happen
from tests.conftest import TestDatabase
from tests.tenants.administration import rows

_CHAIN = "SELECT position, id FROM audit_entries WHERE tenant_id = :id ORDER BY position"


async def _sound(database: TestDatabase, keyring: LocalKeyring) -> bool:
    return all(verdict.flaws == 0 for verdict in await Verifier(database.system, keyring, None).run())


async def test_entries_are_chained_in_order_and_members_become_pseudonyms(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    await happen(database.app, database.tenant_id, member_id=database.member_id, times=3)
    await happen(database.app, database.other_tenant_id, member_id=database.member_id)
    writer = ChainWriter(database.system, keyring, batch=2)

    assert await writer.run() == 4
    assert await writer.run() == 0
    found = await rows(
        database, "SELECT tenant_id, position, actor, actor_member_id FROM audit_entries ORDER BY id"
    )
    mine = [row for row in found if row[0] == database.tenant_id]
    theirs = [row for row in found if row[0] != database.tenant_id]
    assert [row[1] for row in mine] == [1, 2, 3]
    assert [row[1] for row in theirs] == [1]
    assert {row[3] for row in found} == {None}
    # One name for a person at a tenant, another one for the same id elsewhere.
    assert len({row[2] for row in mine}) == 1
    assert {row[2] for row in mine}.isdisjoint({row[2] for row in theirs})
    assert str(database.member_id) not in str([row[2] for row in found])
    assert await _sound(database, keyring)


async def test_a_member_as_target_becomes_the_same_pseudonym(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    await happen(database.app, database.tenant_id, member_id=database.colleague_id)
    async with database.app.tenant(database.tenant_id) as session:
        await record(
            session,
            tenant_id=database.tenant_id,
            actor=Actor(ActorKind.MEMBER, database.member_id),
            action=AuditAction.MEMBER_BLOCK,
            target_type="member",
            target_id=str(database.colleague_id),
        )
    await ChainWriter(database.system, keyring).run()

    (first, second) = await rows(
        database, "SELECT actor, target_id, target_member_id FROM audit_entries ORDER BY position"
    )
    assert second[1] == first[0] != second[0]
    assert second[2] is None


async def test_writers_at_once_make_one_chain(database: TestDatabase, keyring: LocalKeyring) -> None:
    writers = [ChainWriter(database.system, keyring, batch=7) for _ in range(3)]

    async def record_more() -> None:
        for _ in range(10):
            await happen(database.app, database.tenant_id, member_id=database.member_id, times=3)

    await asyncio.gather(
        record_more(), record_more(), *(w.run() for w in writers), *(w.run() for w in writers)
    )
    await asyncio.gather(*(writer.run() for writer in writers))

    chain = await rows(database, _CHAIN, id=database.tenant_id)
    assert [position for position, _ in chain] == [*range(1, 61)]
    assert await _sound(database, keyring)


class Killed(BaseException):
    """The process is gone: nothing catches it."""


@pytest.mark.parametrize("at", ["lock_chain", "name_members", "write_links", "move_head"])
async def test_a_writer_that_dies_anywhere_leaves_a_chain_to_go_on_from(
    database: TestDatabase, keyring: LocalKeyring, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    await happen(database.app, database.tenant_id, member_id=database.member_id, times=4)
    await ChainWriter(database.system, keyring, batch=2).chain(database.tenant_id)
    done = getattr(SystemAuditRepository, at)

    async def die(self: SystemAuditRepository, *arguments: object, **named: object) -> None:
        await done(self, *arguments, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SystemAuditRepository, at, die)
        with pytest.raises(Killed):
            await ChainWriter(database.system, keyring).run()

    assert await ChainWriter(database.system, keyring).run() == 2
    assert [row[0] for row in await rows(database, _CHAIN, id=database.tenant_id)] == [1, 2, 3, 4]
    assert await _sound(database, keyring)


async def test_without_its_key_entries_wait_and_other_tenants_do_not(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path
) -> None:
    await happen(database.app, database.tenant_id)
    await ChainWriter(database.system, keyring).run()
    LocalKeyring.create(tmp_path / "another.json")
    another = LocalKeyring.load(tmp_path / "another.json")
    await happen(database.app, database.tenant_id)
    await happen(database.app, database.other_tenant_id)

    with pytest.raises(SealBroken):
        await ChainWriter(database.system, another).run()

    waiting = await rows(database, "SELECT tenant_id FROM audit_entries WHERE mac IS NULL")
    assert waiting == [(database.tenant_id,)]
    await ChainWriter(database.system, keyring).run()
    assert [row[0] for row in await rows(database, _CHAIN, id=database.tenant_id)] == [1, 2]


async def test_heads_are_anchored_when_they_move(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path
) -> None:
    writer, path = ChainWriter(database.system, keyring), tmp_path / "anchors"
    anchors = AnchorFile(path)
    assert await anchor(database.system, anchors) == 0
    await happen(database.app, database.tenant_id, times=3)
    await writer.run()
    assert await anchor(database.system, anchors) == 1
    assert await anchor(database.system, anchors) == 0
    # Another process, after this one: it knows from the file what was anchored.
    assert await anchor(database.system, AnchorFile(path)) == 0
    await happen(database.app, database.tenant_id)
    await writer.run()
    assert await anchor(database.system, AnchorFile(path)) == 1
    assert [one.position for one in AnchorFile(path).read()] == [3, 4]


async def test_the_writers_role_sees_no_content_and_the_doors_no_keys(database: TestDatabase) -> None:
    async def may(role: str, table: str) -> set[str]:
        found = await rows(
            database,
            "SELECT column_name, privilege_type FROM information_schema.column_privileges"
            " WHERE grantee = :role AND table_name = :table",
            role=role,
            table=table,
        )
        return {f"{privilege} {column}" for column, privilege in found}

    assert await may("switchboard_system", "tenant_keys") == set()
    assert await may("switchboard_app", "audit_chains") == {"SELECT tenant_id", "SELECT position"}
    assert "UPDATE detail" not in await may("switchboard_system", "audit_entries")


async def test_a_chain_made_by_two_processes_at_the_same_time_has_one_key(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    await happen(database.app, database.tenant_id, times=2)
    await asyncio.gather(*(ChainWriter(database.system, keyring, batch=1).run() for _ in range(3)))
    assert await rows(database, "SELECT count(*) FROM audit_chains") == [(1,)]
    assert await _sound(database, keyring)
