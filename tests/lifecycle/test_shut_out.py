"""Whoever was erased stays out until somebody lets them in again; the last administrator is not erased."""

from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.clock import new_id
from app.lifecycle.erasing import Subject
from app.lifecycle.states import ErasureState, Phase
from app.tenants import members
from app.tenants.directory import MemberView, TenantDirectory
from app.tenants.errors import LastAdministrator, MemberErased
from app.tenants.members import SignIn
from app.vocabulary import MemberState, Role
from tests.lifecycle.conftest import Archive


async def object_id(archive: Archive, member_id: UUID) -> UUID:
    async with archive.database.owner.system() as session:
        found = await session.scalar(
            text("SELECT entra_object_id FROM members WHERE id = :id"), {"id": member_id}
        )
    assert isinstance(found, UUID)
    return found


async def comes(archive: Archive, person: UUID) -> MemberView:
    """Who somebody is to a process that remembers nothing."""
    archive = archive.another_process()
    directory = TenantDirectory(archive.database.app, archive.keys)
    return await directory.member(archive.database.tenant_id, person, "Somebody")


async def erased(archive: Archive, member_id: UUID) -> UUID:
    """Erase a member; gives the person's object id."""
    person = await object_id(archive, member_id)
    await archive.ask(member_id)
    for _ in range(3):
        await archive.erasing().run()
    assert (await archive.erasure()).state is ErasureState.FINISHED
    return person


async def set_up(archive: Archive, **change: object) -> members.MemberFacts:
    database = archive.database
    async with database.app.tenant(database.tenant_id) as session:
        return await members.change(
            session,
            tenant_id=database.tenant_id,
            member_id=database.member_id,
            actor=archive.actor(),
            **change,  # type: ignore[arg-type]
        )


async def test_somebody_who_was_erased_is_known_when_they_come_back_and_by_nothing_else(
    archive: Archive,
) -> None:
    person = await erased(archive, archive.database.member_id)

    back = await comes(archive, person)

    assert (back.id, back.state) == (archive.database.member_id, MemberState.ERASED)
    assert (await comes(archive, new_id())).state is MemberState.ACTIVE
    async with archive.database.owner.system() as session:
        kept = await session.execute(text("SELECT m::text FROM members m"))
    assert str(person) not in "".join(kept.scalars())


async def test_a_sign_in_that_was_let_in_before_the_erasure_brings_nobody_back(archive: Archive) -> None:
    database = archive.database
    person = await erased(archive, database.member_id)
    async with database.app.tenant(database.tenant_id) as session:
        assert not await members.signed_in(
            session,
            tenant_id=database.tenant_id,
            entra_object_id=person,
            sign_in=SignIn(display_name="Ada Lovelace"),
        )
    assert (await comes(archive, person)).state is MemberState.ERASED


async def test_whoever_is_let_in_again_is_somebody_new_and_may_be_erased_again(archive: Archive) -> None:
    person = await erased(archive, archive.database.member_id)
    with pytest.raises(MemberErased):
        await set_up(archive, role=Role.TENANT_ADMIN)
    with pytest.raises(MemberErased):
        await set_up(archive, state=MemberState.BLOCKED)
    for _ in range(2):
        assert (await set_up(archive, state=MemberState.ACTIVE)).state is MemberState.ERASED

    back = await comes(archive, person)
    assert back.state is MemberState.ACTIVE
    assert back.id != archive.database.member_id

    assert await erased(archive, back.id) == person
    again = await comes(archive, person)
    assert (again.id, again.state) == (back.id, MemberState.ERASED)


async def test_administrators_do_not_erase_each_other_so_that_none_is_left(archive: Archive) -> None:
    database = archive.database
    await archive.change("UPDATE members SET role = 'TenantAdmin' WHERE tenant_id = :t", t=database.tenant_id)
    await archive.ask(database.colleague_id)
    with pytest.raises(LastAdministrator):
        await archive.ask(database.member_id)


async def test_the_erasure_of_who_has_become_the_last_administrator_waits_for_another(
    archive: Archive,
) -> None:
    database = archive.database
    await archive.change("UPDATE members SET role = 'TenantAdmin' WHERE tenant_id = :t", t=database.tenant_id)
    await archive.ask(database.member_id)
    demote = "UPDATE members SET role = :role WHERE id = :id"
    await archive.change(demote, role="Member", id=database.colleague_id)
    await archive.erasing().run()
    assert (await archive.erasure()).state is ErasureState.REQUESTED

    await archive.change(demote, role="TenantAdmin", id=database.colleague_id)
    for _ in range(3):
        await archive.erasing().run()
    assert (await archive.erasure()).state is ErasureState.FINISHED


async def test_a_hold_over_the_tenant_stops_a_members_erasure_where_it_is(archive: Archive) -> None:
    database = archive.database
    for _ in range(3):
        await archive.fill()
    asked = await archive.ask(database.member_id)
    subject = Subject(database.tenant_id, asked.id, database.member_id)
    while (await archive.erasure()).phase is Phase.SHUT or not (await archive.erasure()).removed:
        assert await archive.erasing(batch=1).advance(subject)
    left = await archive.count("documents", database.tenant_id)

    hold = await archive.hold(None)

    for _ in range(3):
        assert not await archive.erasing(batch=1).advance(subject)
    assert await archive.count("documents", database.tenant_id) == left > 0
    await archive.release(hold.id)
    for _ in range(3):
        await archive.erasing().run()
    assert (await archive.erasure()).state is ErasureState.FINISHED
    assert await archive.count("documents", database.tenant_id) == 0
