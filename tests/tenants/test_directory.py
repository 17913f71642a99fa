"""Tenants and members as identity finds them, and how soon a change is seen."""

import asyncio
import time
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.clock import new_id
from app.core.database import after_commit
from app.core.listener import Listener
from app.jobs.notify import PEOPLE
from app.tenants.directory import TenantDirectory
from app.vocabulary import MemberState, Role, TenantState
from tests.conftest import TestDatabase


async def _entra_id(database: TestDatabase, tenant_id: UUID) -> UUID:
    async with database.owner.system() as session:
        found = await session.scalar(
            text("SELECT entra_tenant_id FROM tenants WHERE id = :id"), {"id": tenant_id}
        )
    assert isinstance(found, UUID)
    return found


async def _object_id(database: TestDatabase, member_id: UUID) -> UUID:
    async with database.owner.system() as session:
        found = await session.scalar(
            text("SELECT entra_object_id FROM members WHERE id = :id"), {"id": member_id}
        )
    assert isinstance(found, UUID)
    return found


async def test_a_tenant_is_found_by_its_entra_id(database: TestDatabase) -> None:
    directory = TenantDirectory(database.app)

    ours = await directory.by_entra_id(await _entra_id(database, database.tenant_id))
    theirs = await directory.by_entra_id(await _entra_id(database, database.other_tenant_id))

    assert ours is not None
    assert theirs is not None
    assert (ours.id, ours.name, ours.state) == (database.tenant_id, "Contoso", TenantState.ACTIVE)
    assert theirs.id == database.other_tenant_id


async def test_an_unknown_tenant_is_nobody(database: TestDatabase) -> None:
    assert await TenantDirectory(database.app).by_entra_id(new_id()) is None


async def test_a_suspended_tenant_is_seen_within_half_a_second(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = TenantDirectory(database.app)
    entra_id = await _entra_id(database, database.tenant_id)
    await directory.by_entra_id(entra_id)
    async with database.owner.system() as session:
        await session.execute(
            text("UPDATE tenants SET state = 'suspended' WHERE id = :id"), {"id": database.tenant_id}
        )
    later = time.monotonic() + 0.5
    monkeypatch.setattr("app.tenants.directory.time.monotonic", lambda: later)

    view = await directory.by_entra_id(entra_id)

    assert view is not None
    assert view.state is TenantState.SUSPENDED


async def test_a_blocked_member_is_seen_within_half_a_second(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = TenantDirectory(database.app)
    object_id = await _object_id(database, database.member_id)
    first = await directory.member(database.tenant_id, object_id, "Ada")
    assert (first.id, first.role, first.state) == (database.member_id, Role.MEMBER, MemberState.ACTIVE)
    async with database.owner.system() as session:
        await session.execute(
            text("UPDATE members SET state = 'blocked' WHERE id = :id"), {"id": database.member_id}
        )
    later = time.monotonic() + 0.5
    monkeypatch.setattr("app.tenants.directory.time.monotonic", lambda: later)

    assert (await directory.member(database.tenant_id, object_id, "Ada")).state is MemberState.BLOCKED


async def test_within_half_a_second_the_last_answer_is_given_again(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = TenantDirectory(database.app)
    entra_id = await _entra_id(database, database.tenant_id)
    object_id = await _object_id(database, database.member_id)
    moment = time.monotonic()
    monkeypatch.setattr("app.tenants.directory.time.monotonic", lambda: moment)
    tenant = await directory.by_entra_id(entra_id)
    member = await directory.member(database.tenant_id, object_id, "Ada")
    async with database.owner.system() as session:
        await session.execute(text("UPDATE tenants SET name = 'Changed'"))
        await session.execute(text("UPDATE members SET state = 'blocked'"))

    assert await directory.by_entra_id(entra_id) is tenant
    assert await directory.member(database.tenant_id, object_id, "Ada") is member


async def test_what_a_request_caches_before_the_commit_of_a_change_is_forgotten(
    database: TestDatabase,
) -> None:
    directory = TenantDirectory(database.app)
    object_id = await _object_id(database, database.member_id)

    async with database.app.tenant(database.tenant_id) as session:
        await session.execute(text("UPDATE members SET state = 'blocked'"))
        after_commit(session, directory.changed)
        # Somebody else's request, which cannot see the change yet.
        before = await directory.member(database.tenant_id, object_id, "Ada")

    assert before.state is MemberState.ACTIVE
    assert (await directory.member(database.tenant_id, object_id, "Ada")).state is MemberState.BLOCKED


async def test_a_change_that_is_not_committed_is_told_to_nobody(database: TestDatabase) -> None:
    told: list[bool] = []

    async def change() -> None:
        async with database.app.tenant(database.tenant_id) as session:
            await session.execute(text("UPDATE members SET state = 'blocked'"))
            after_commit(session, lambda: told.append(True))
            raise LookupError

    with pytest.raises(LookupError):
        await change()

    assert not told


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE members SET state = 'blocked' WHERE id = :member",
        "UPDATE members SET role = 'Auditor' WHERE id = :member",
        (
            "INSERT INTO app_clients (tenant_id, id, client_id, name, member_id, permissions, state)"
            " VALUES (:tenant, :member, :member, 'A program', :member, '[]', 'active')"
        ),
    ],
)
async def test_postgres_tells_of_roles_states_and_programs_but_not_of_sign_ins(
    database: TestDatabase, change: str
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = Listener(database.app_url, {PEOPLE: heard.put_nowait})
    listener.start()
    values = {"tenant": database.tenant_id, "member": database.member_id}
    try:
        assert await heard.get() == ""
        for statement in (
            "UPDATE members SET last_seen_at = now(), state = 'active' WHERE id = :member",
            change,
            f"SELECT pg_notify('{PEOPLE}', 'the end')",
        ):
            async with database.owner.system() as session:
                await session.execute(text(statement), values)
        told = [await asyncio.wait_for(heard.get(), 20) for _ in range(2)]
    finally:
        await listener.close()

    assert told == ["", "the end"]


async def test_members_are_kept_apart_by_tenant(database: TestDatabase) -> None:
    directory = TenantDirectory(database.app)
    object_id = await _object_id(database, database.member_id)

    namesake = await directory.member(database.other_tenant_id, object_id, "Namesake")

    assert namesake.id != database.member_id
    async with database.app.tenant(database.other_tenant_id) as session:
        seen = (await session.scalars(text("SELECT id FROM members"))).all()
    assert set(seen) == {database.other_member_id, namesake.id}


async def test_a_new_person_gets_one_row_and_no_special_role(database: TestDatabase) -> None:
    object_id = new_id()

    views = await asyncio.gather(
        *(
            TenantDirectory(database.app).member(database.tenant_id, object_id, f"Name {number}")
            for number in range(10)
        )
    )

    assert len({view.id for view in views}) == 1
    assert views[0].role is Role.MEMBER
    async with database.app.tenant(database.tenant_id) as session:
        names = (
            await session.scalars(
                text("SELECT display_name FROM members WHERE entra_object_id = :id"), {"id": object_id}
            )
        ).all()
    assert len(names) == 1


async def test_the_caches_stay_small(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tenants.directory._MOST_ENTRIES", 3)
    directory = TenantDirectory(database.app)

    for _ in range(8):
        await directory.by_entra_id(new_id())

    assert len(directory._tenants) <= 3
