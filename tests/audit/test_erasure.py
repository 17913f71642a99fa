"""Erasing a member or a tenant leaves a chain that verifies and people that nobody recognises."""

from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from app.audit.actions import AuditAction
from app.audit.anchors import AnchorFile
from app.audit.chain import Flaw
from app.audit.erasure import TABLES
from app.audit.keys import AuditKeys
from app.audit.record import Actor, ActorKind, record
from app.audit.repository import SystemAuditRepository
from app.audit.verify import Verifier
from app.audit.writer import ChainWriter, anchor
from app.core.erasure import count_left, erase_some
from app.core.keyring import LocalKeyring
from tests.audit.history import ADDRESS, happen
from tests.conftest import TestDatabase
from tests.tenants.administration import rows

_EVERYTHING = (
    "SELECT CAST(t AS text) FROM audit_entries t UNION ALL SELECT CAST(p AS text) FROM audit_pseudonyms p"
)


async def _erase(database: TestDatabase, member_id: UUID | None) -> None:
    async with database.eraser.tenant(database.tenant_id) as session:
        await record(
            session,
            tenant_id=database.tenant_id,
            actor=Actor(ActorKind.SYSTEM),
            action=AuditAction.TENANT_ERASE if member_id is None else AuditAction.MEMBER_ERASE,
            target_type="erasure" if member_id is None else "member",
            target_id=str(member_id or database.tenant_id),
        )
    gone = 1
    while gone:
        gone = 0
        async with database.eraser.tenant(database.tenant_id) as session:
            for one in reversed(TABLES):
                gone += await erase_some(
                    session, one, tenant_id=database.tenant_id, member_id=member_id, limit=3
                )
    async with database.eraser.tenant(database.tenant_id) as session:
        for one in TABLES:
            assert await count_left(session, one, tenant_id=database.tenant_id, member_id=member_id) == 0


async def _history(database: TestDatabase, keyring: LocalKeyring, path: Path) -> ChainWriter:
    writer = ChainWriter(database.system, keyring)
    for member_id in (database.member_id, database.colleague_id, database.member_id):
        await happen(database.app, database.tenant_id, member_id=member_id, times=4)
    await writer.run()
    await anchor(database.system, AnchorFile(path))
    return writer


async def _flaws(database: TestDatabase, keyring: LocalKeyring, path: Path) -> list[tuple[Flaw, int]]:
    (verdict,) = await Verifier(database.system, keyring, AnchorFile(path)).run([database.tenant_id])
    return [(one.flaw, one.position) for one in verdict.findings]


async def test_a_members_erasure_leaves_the_chain_valid_and_the_member_nameless(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path
) -> None:
    writer = await _history(database, keyring, tmp_path / "anchors")
    # Not chained yet as the erasure comes.
    await happen(database.app, database.tenant_id, member_id=database.member_id)

    await _erase(database, database.member_id)
    await writer.run()

    assert await _flaws(database, keyring, tmp_path / "anchors") == []
    told = str(await rows(database, _EVERYTHING))
    assert str(database.member_id) not in told
    left = await rows(database, "SELECT count(*) FROM audit_entries WHERE address IS NOT NULL")
    assert left == [(4,)]
    # The colleague is known as before.
    assert await rows(database, "SELECT member_id FROM audit_pseudonyms") == [(database.colleague_id,)]
    async with database.system.system() as session:
        names = SystemAuditRepository(session)
        assert await names.pseudonym(database.tenant_id, database.member_id) is None
        assert await names.pseudonym(database.tenant_id, database.colleague_id)


async def test_an_address_that_goes_without_an_erasure_is_found(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path
) -> None:
    await _history(database, keyring, tmp_path / "anchors")
    await _erase(database, database.member_id)
    async with database.owner.system() as session:
        await session.execute(text("UPDATE audit_entries SET address = NULL WHERE position = 6"))
    await ChainWriter(database.system, keyring).run()

    assert await _flaws(database, keyring, tmp_path / "anchors") == [(Flaw.ADDRESS_REMOVED, 6)]


async def test_a_tenants_erasure_keeps_a_chain_that_still_verifies(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path
) -> None:
    writer = await _history(database, keyring, tmp_path / "anchors")
    await happen(database.app, database.tenant_id, member_id=database.member_id)

    await _erase(database, None)
    await writer.run()
    await anchor(database.system, AnchorFile(tmp_path / "anchors"))

    assert await _flaws(database, keyring, tmp_path / "anchors") == []
    told = str(await rows(database, _EVERYTHING))
    assert ADDRESS not in told
    assert str(database.member_id) not in told
    keys = await AuditKeys(database.system, keyring).of(database.tenant_id)
    assert keys.pseudonym_of(database.member_id) == ""
    assert await rows(database, "SELECT count(*) FROM audit_entries") == [(14,)]
