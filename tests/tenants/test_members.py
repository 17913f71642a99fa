"""People of a tenant: lists, roles, blocks, and what a sign-in leaves behind."""

import asyncio
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.core.clock import new_id
from app.tenants import members
from app.tenants.directory import TenantDirectory
from app.tenants.errors import LastAdministrator, MemberNotFound
from app.tenants.members import MOST_GROUPS, SignIn
from app.vocabulary import MemberState, Role
from tests.conftest import TestDatabase
from tests.tenants.administration import administrator, execute, make_admin, rows


async def _change(
    database: TestDatabase,
    member_id: UUID,
    *,
    role: Role | None = None,
    state: MemberState | None = None,
    tenant_id: UUID | None = None,
) -> members.MemberFacts:
    tenant = tenant_id or database.tenant_id
    async with database.app.tenant(tenant) as session:
        return await members.change(
            session,
            tenant_id=tenant,
            member_id=member_id,
            actor=administrator(database.member_id),
            role=role,
            state=state,
        )


async def _actions(database: TestDatabase) -> list[str]:
    return [row[0] for row in await rows(database, "SELECT action FROM audit_entries ORDER BY id")]


async def test_a_role_is_given_and_recorded(database: TestDatabase) -> None:
    await make_admin(database, database.member_id)

    changed = await _change(database, database.colleague_id, role=Role.AUDITOR)

    assert changed.role is Role.AUDITOR
    assert await _actions(database) == ["member.role"]


async def test_what_is_so_already_is_not_recorded(database: TestDatabase) -> None:
    await _change(database, database.colleague_id, role=Role.MEMBER, state=MemberState.ACTIVE)
    assert await _actions(database) == []


async def test_blocking_and_unblocking_are_recorded(database: TestDatabase) -> None:
    await make_admin(database, database.member_id)

    blocked = await _change(database, database.colleague_id, state=MemberState.BLOCKED)
    unblocked = await _change(database, database.colleague_id, state=MemberState.ACTIVE)

    assert (blocked.state, unblocked.state) == (MemberState.BLOCKED, MemberState.ACTIVE)
    assert await _actions(database) == ["member.block", "member.unblock"]


@pytest.mark.parametrize(
    ("role", "state"), [(Role.AUDITOR, None), (Role.MEMBER, None), (None, MemberState.BLOCKED)]
)
async def test_the_last_administrator_stays(
    database: TestDatabase, role: Role | None, state: MemberState | None
) -> None:
    await make_admin(database, database.member_id)
    # A blocked administrator is none, and neither is another tenant's.
    await make_admin(database, database.colleague_id)
    await execute(database, "UPDATE members SET state = 'blocked' WHERE id = :id", id=database.colleague_id)
    await make_admin(database, database.other_member_id)

    with pytest.raises(LastAdministrator):
        await _change(database, database.member_id, role=role, state=state)

    assert await _actions(database) == []


async def test_two_administrators_cannot_remove_each_other_at_the_same_time(database: TestDatabase) -> None:
    await make_admin(database, database.member_id)
    await make_admin(database, database.colleague_id)

    answers = await asyncio.gather(
        _change(database, database.member_id, role=Role.MEMBER),
        _change(database, database.colleague_id, state=MemberState.BLOCKED),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in answers) == ["LastAdministrator", "MemberFacts"]
    left = await rows(
        database,
        "SELECT count(*) FROM members WHERE tenant_id = :id AND role = 'TenantAdmin' AND state = 'active'",
        id=database.tenant_id,
    )
    assert left == [(1,)]


async def test_another_tenants_member_is_nobody_here(database: TestDatabase) -> None:
    await make_admin(database, database.member_id)

    with pytest.raises(MemberNotFound):
        await _change(database, database.other_member_id, state=MemberState.BLOCKED)

    found = await rows(database, "SELECT state FROM members WHERE id = :id", id=database.other_member_id)
    assert found == [("active",)]


async def test_a_page_shows_only_the_tenants_own_and_can_be_searched(database: TestDatabase) -> None:
    await execute(
        database,
        "UPDATE members SET display_name = 'Zoë 100%_safe', department = 'Legal' WHERE id = :id",
        id=database.colleague_id,
    )
    await execute(
        database,
        "UPDATE members SET display_name = 'Zoë 100%_safe' WHERE id = :id",
        id=database.other_member_id,
    )

    async def found(**values: object) -> list[UUID]:
        async with database.app.tenant(database.tenant_id) as session:
            people = await members.page(session, tenant_id=database.tenant_id, **values)  # type: ignore[arg-type]
        return [one.id for one in people]

    object_id = (
        await rows(database, "SELECT entra_object_id FROM members WHERE id = :id", id=database.colleague_id)
    )[0][0]
    assert await found() == sorted([database.member_id, database.colleague_id])
    assert await found(search="ZOË 100%_") == [database.colleague_id]
    assert await found(search="legal") == [database.colleague_id]
    assert await found(search=str(object_id)) == [database.colleague_id]
    assert await found(search="100%%") == await found(search="x_safe") == []
    assert await found(role=Role.AUDITOR) == await found(state=MemberState.BLOCKED) == []
    first = await found(limit=1)
    assert await found(after=first[0]) == sorted({database.member_id, database.colleague_id} - set(first))


async def _sign_in(database: TestDatabase, object_id: UUID, sign_in: SignIn) -> members.MemberFacts:
    # Whoever comes is let in first, which makes the row of somebody new.
    await TenantDirectory(database.app).member(database.tenant_id, object_id, "")
    async with database.app.tenant(database.tenant_id) as session:
        member_id = await members.signed_in(
            session, tenant_id=database.tenant_id, entra_object_id=object_id, sign_in=sign_in
        )
        assert member_id is not None
        return await members.find(session, tenant_id=database.tenant_id, member_id=member_id)


async def test_a_sign_in_makes_a_plain_member_and_changes_no_role_or_state(database: TestDatabase) -> None:
    object_id = new_id()
    groups = [uuid4(), uuid4()]

    new = await _sign_in(database, object_id, SignIn("Ada", groups=groups, department="Research"))
    await execute(
        database, "UPDATE members SET role = 'Auditor', state = 'blocked' WHERE id = :id", id=new.id
    )
    again = await _sign_in(database, object_id, SignIn("Ada King"))

    assert (new.role, new.state, new.is_guest) == (Role.MEMBER, MemberState.ACTIVE, False)
    assert new.groups == again.groups == tuple(sorted(map(str, groups)))
    assert (again.id, again.display_name, again.department) == (new.id, "Ada King", "Research")
    assert (again.role, again.state) == (Role.AUDITOR, MemberState.BLOCKED)
    assert again.last_seen_at is not None


async def test_more_groups_than_we_keep_are_said_to_be_incomplete(database: TestDatabase) -> None:
    object_id = new_id()
    many = [uuid4() for _ in range(MOST_GROUPS + 1)]

    full = await _sign_in(database, object_id, SignIn("Ada", groups=many))
    exact = await _sign_in(database, object_id, SignIn("Ada", groups=many[:MOST_GROUPS]))
    overage = await _sign_in(database, object_id, SignIn("Ada", groups=None, groups_incomplete=True))

    assert full.groups == tuple(sorted(map(str, many)))[:MOST_GROUPS]
    assert (full.groups_incomplete, exact.groups_incomplete) == (True, False)
    # The token named none of them: what we knew stays, but no longer for certain.
    assert (overage.groups, overage.groups_incomplete) == (exact.groups, True)


@given(groups=st.lists(st.uuids(), max_size=2 * MOST_GROUPS), overage=st.booleans())
@settings(max_examples=30, deadline=None)
def test_groups_are_sorted_unique_bounded_and_honest(groups: list[UUID], overage: bool) -> None:  # noqa: FBT001
    kept, incomplete = members.bounded(groups, incomplete=overage)

    assert kept == sorted(set(kept))
    assert len(kept) <= MOST_GROUPS
    assert set(kept) <= {str(one) for one in groups}
    assert incomplete or set(kept) == {str(one) for one in groups}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE members SET entra_object_id = gen_random_uuid()",
        "UPDATE members SET id = gen_random_uuid()",
        "UPDATE members SET tenant_id = gen_random_uuid()",
        "UPDATE members SET created_at = now()",
        "DELETE FROM members",
        "UPDATE tenants SET state = 'active'",
        "UPDATE tenants SET allow_guests = true",
        "INSERT INTO tenants (id, name, state, allow_guests) VALUES (gen_random_uuid(), 'x', 'active', true)",
        "DELETE FROM tenants",
        "UPDATE tenant_policies SET weight = 1000",
    ],
)
async def test_no_door_writes_who_a_member_is_or_any_tenant(database: TestDatabase, statement: str) -> None:
    with pytest.raises(ProgrammingError) as refused:
        async with database.app.tenant(database.tenant_id) as session:
            await session.execute(text(statement))
    assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)


async def test_a_door_reaches_no_member_of_another_tenant(database: TestDatabase) -> None:
    async with database.app.tenant(database.tenant_id) as session:
        await session.execute(text("UPDATE members SET role = 'TenantAdmin', state = 'blocked'"))

    found = await rows(
        database, "SELECT role, state FROM members WHERE id = :id", id=database.other_member_id
    )
    assert found == [("Member", "active")]
