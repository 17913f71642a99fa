"""What Postgres itself keeps: entries as durable as what they record, never changed, never deleted."""

from uuid import UUID

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import MOST_DETAIL_CHARACTERS, Actor, ActorKind, record
from app.audit.writer import ChainWriter
from app.core.keyring import LocalKeyring
from tests.audit.history import happen
from tests.conftest import TestDatabase
from tests.tenants.administration import rows

_BACKDATED = (
    "INSERT INTO audit_entries (id, tenant_id, actor_kind, action, target_type, target_id, detail, at)"
    " VALUES (gen_random_uuid(), gen_random_uuid(), 'system', 'x', 'x', 'x', '{}', '1999-01-01')"
)
_COUNT = "SELECT count(*) FROM audit_entries"


class Undone(Exception):
    pass


async def _cancel(session: AsyncSession, tenant_id: UUID) -> None:
    await record(
        session,
        tenant_id=tenant_id,
        actor=Actor(ActorKind.SYSTEM),
        action=AuditAction.JOB_CANCEL,
        target_type="job",
        target_id="1",
    )


async def test_an_entry_is_as_durable_as_what_it_records(database: TestDatabase) -> None:
    async def begin_and_fail() -> None:
        async with database.app.tenant(database.tenant_id) as session:
            await _cancel(session, database.tenant_id)
            raise Undone

    with pytest.raises(Undone):
        await begin_and_fail()
    assert await rows(database, _COUNT) == [(0,)]


async def test_recording_is_one_statement(database: TestDatabase) -> None:
    statements: list[str] = []
    async with database.app.tenant(database.tenant_id) as session:
        await session.execute(text("SELECT 1"))
        event.listen(
            database.app.engine.sync_engine,
            "before_cursor_execute",
            lambda _conn, _cursor, statement, *_: statements.append(statement),
        )
        await record(
            session,
            tenant_id=database.tenant_id,
            actor=Actor(ActorKind.MEMBER, database.member_id, "192.0.2.1"),
            action=AuditAction.DOCUMENT_UPLOAD,
            target_type="document",
            target_id="1",
        )
    assert [statement.split()[0] for statement in statements] == ["INSERT"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "UPDATE audit_entries SET action = 'job.cancel'",
        "UPDATE audit_entries SET address = NULL",
        "UPDATE audit_entries SET mac = NULL",
        _BACKDATED,
        "SELECT wrapped_chain_key FROM audit_chains",
        "UPDATE audit_chains SET position = 0",
        "DELETE FROM audit_pseudonyms",
    ],
)
async def test_no_door_changes_the_record_or_reads_its_keys(database: TestDatabase, statement: str) -> None:
    await happen(database.app, database.tenant_id)
    with pytest.raises(ProgrammingError) as refused:
        async with database.app.tenant(database.tenant_id) as session:
            await session.execute(text(statement))
    assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "UPDATE audit_entries SET detail = '{}'",
        "UPDATE audit_entries SET at = now()",
        "UPDATE audit_entries SET address = '192.0.2.99'",
        "UPDATE audit_entries SET address_digest = NULL",
        "UPDATE audit_entries SET position = 7, previous_mac = mac",
        "UPDATE audit_entries SET mac = NULL",
        "UPDATE audit_entries SET actor = ''",
    ],
)
async def test_the_owner_of_the_tables_cannot_change_a_chained_entry_by_mistake(
    database: TestDatabase, keyring: LocalKeyring, statement: str
) -> None:
    await happen(database.app, database.tenant_id, member_id=database.member_id)
    await ChainWriter(database.system, keyring).run()

    with pytest.raises(IntegrityError) as refused:
        async with database.owner.system() as session:
            await session.execute(text(statement))
    assert isinstance(refused.value.orig, psycopg.errors.RestrictViolation)


async def test_neither_writer_nor_eraser_deletes_entries(database: TestDatabase) -> None:
    await happen(database.app, database.tenant_id)
    for session_of in (database.system.system(), database.eraser.tenant(database.tenant_id)):
        with pytest.raises(ProgrammingError) as refused:
            async with session_of as session:
                await session.execute(text("DELETE FROM audit_entries"))
        assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)


async def test_a_tenant_sees_its_own_entries_only(database: TestDatabase) -> None:
    await happen(database.app, database.tenant_id, times=2)
    async with database.app.tenant(database.other_tenant_id) as session:
        assert await session.scalar(text(_COUNT)) == 0
    with pytest.raises(ProgrammingError):
        async with database.app.tenant(database.other_tenant_id) as session:
            await _cancel(session, database.tenant_id)


async def test_detail_holds_no_documents(database: TestDatabase) -> None:
    async def tell(value: object) -> None:
        async with database.app.tenant(database.tenant_id) as session:
            await record(
                session,
                tenant_id=database.tenant_id,
                actor=Actor(ActorKind.SYSTEM),
                action=AuditAction.TENANT_SUSPEND,
                target_type="tenant",
                target_id="1",
                detail={"reason": value},  # type: ignore[dict-item]
            )

    await tell("x" * 10_000)
    with pytest.raises(TypeError):
        await tell(["a", "list"])
    with pytest.raises(TypeError):
        await tell({"a": "tree"})
    ((kept,),) = await rows(database, "SELECT detail->>'reason' FROM audit_entries")
    assert len(kept) == MOST_DETAIL_CHARACTERS
