"""A customer's life and its settings, as the database lets a door change them."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.clock import new_id
from app.core.errors import ChangedMeanwhile
from app.tenants import service
from app.tenants.errors import TenantExists, TenantNotFound, WrongTenantState
from app.tenants.policy import Policy, load_policy
from app.tenants.service import TenantFacts, TenantSettings
from app.vocabulary import PLATFORM, TenantState
from tests.conftest import TestDatabase
from tests.tenants.administration import OPERATOR, administrator, execute, rows, snapshot


async def _invite(
    database: TestDatabase, *, tenant_id: UUID | None = None, entra: UUID | None = None
) -> TenantFacts:
    chosen = tenant_id or new_id()
    async with database.app.tenant(chosen) as session:
        return await service.invite(
            session,
            tenant_id=chosen,
            entra_tenant_id=entra or new_id(),
            name="Northwind",
            actor=OPERATOR,
        )


async def _suspend(database: TestDatabase, tenant_id: UUID) -> TenantFacts:
    async with database.app.tenant(tenant_id) as session:
        return await service.suspend(session, tenant_id=tenant_id, reason="unpaid", actor=OPERATOR)


async def _resume(database: TestDatabase, tenant_id: UUID) -> TenantFacts:
    async with database.app.tenant(tenant_id) as session:
        return await service.resume(session, tenant_id=tenant_id, actor=OPERATOR)


async def _activate(database: TestDatabase, tenant_id: UUID) -> TenantFacts:
    async with database.app.tenant(tenant_id) as session:
        return await service.activate(session, tenant_id=tenant_id, actor=OPERATOR)


async def _actions(database: TestDatabase, tenant_id: UUID) -> list[str]:
    found = await rows(
        database, "SELECT action FROM audit_entries WHERE tenant_id = :id ORDER BY id", id=tenant_id
    )
    return [row[0] for row in found]


async def test_a_customer_is_invited_activated_suspended_and_resumed(database: TestDatabase) -> None:
    invited = await _invite(database)
    active = await _activate(database, invited.id)
    suspended = await _suspend(database, invited.id)
    resumed = await _resume(database, invited.id)

    assert [one.state for one in (invited, active, suspended, resumed)] == [
        TenantState.PENDING,
        TenantState.ACTIVE,
        TenantState.SUSPENDED,
        TenantState.ACTIVE,
    ]
    assert (invited.onboarded_at, suspended.suspended_reason) == (None, "unpaid")
    assert active.onboarded_at == resumed.onboarded_at is not None
    assert (resumed.suspended_reason, resumed.suspended_at) == (None, None)
    assert await _actions(database, invited.id) == [
        "tenant.invite",
        "tenant.onboard",
        "tenant.suspend",
        "tenant.resume",
    ]


async def test_no_state_is_left_out_and_nobody_else_is_touched(database: TestDatabase) -> None:
    pending = await _invite(database)
    before = await snapshot(database)

    for verb, tenant_id in (
        (_suspend, pending.id),
        (_resume, pending.id),
        (_resume, database.tenant_id),
        (_activate, database.tenant_id),
    ):
        with pytest.raises(WrongTenantState):
            await verb(database, tenant_id)
    for tenant_id in (new_id(), PLATFORM):
        with pytest.raises(TenantNotFound):
            await _suspend(database, tenant_id)

    assert await snapshot(database) == before


async def test_a_session_changes_only_its_own_tenant(database: TestDatabase) -> None:
    async with database.app.tenant(database.tenant_id) as session:
        # The verb is told one tenant and the session is another's: the session counts.
        await service.suspend(session, tenant_id=database.tenant_id, reason="x", actor=OPERATOR)
    found = await rows(database, "SELECT state FROM tenants WHERE id = :id", id=database.other_tenant_id)
    assert found == [("active",)]

    with pytest.raises(WrongTenantState):
        async with database.app.tenant(database.tenant_id) as session:
            await service.suspend(session, tenant_id=database.other_tenant_id, reason="x", actor=OPERATOR)
    async with database.app.system() as session:
        changed = await session.scalar(text("SELECT change_tenant_state('active', 'suspended', '')"))
    assert changed is False


@pytest.mark.parametrize(
    ("expected", "wanted"),
    [("suspended", "pending"), ("pending", "suspended"), ("erasing", "active"), ("active", "erased")],
)
async def test_the_database_knows_the_state_machine(
    database: TestDatabase, expected: str, wanted: str
) -> None:
    with pytest.raises(DBAPIError, match="does not go from"):
        async with database.app.tenant(database.tenant_id) as session:
            await session.execute(
                text("SELECT change_tenant_state(:expected, :wanted, '')"),
                {"expected": expected, "wanted": wanted},
            )


async def test_a_directory_is_invited_once(database: TestDatabase) -> None:
    first = await _invite(database)

    with pytest.raises(TenantExists):
        await _invite(database, entra=first.entra_tenant_id)
    with pytest.raises(TenantExists):
        await _invite(database, tenant_id=first.id, entra=first.entra_tenant_id)
    entra = new_id()
    answers = await asyncio.gather(
        *(_invite(database, entra=entra) for _ in range(4)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in answers) == ["TenantExists"] * 3 + ["TenantFacts"]


async def test_an_erased_customer_begins_anew_only_by_invitation(database: TestDatabase) -> None:
    entra = (
        await rows(database, "SELECT entra_tenant_id FROM tenants WHERE id = :id", id=database.tenant_id)
    )[0][0]
    await execute(database, "UPDATE tenants SET state = 'erased' WHERE id = :id", id=database.tenant_id)

    with pytest.raises(WrongTenantState):
        await _resume(database, database.tenant_id)
    with pytest.raises(WrongTenantState):
        await _activate(database, database.tenant_id)
    invited = await _invite(database, tenant_id=database.tenant_id, entra=entra)

    assert (invited.id, invited.state) == (database.tenant_id, TenantState.PENDING)


async def test_the_operators_list_is_paged_and_searched(database: TestDatabase) -> None:
    pending = await _invite(database)

    async def found(**values: object) -> list[UUID]:
        async with database.app.tenant(database.tenant_id) as session:
            return [one.id for one in await service.page(session, **values)]  # type: ignore[arg-type]

    everybody = await found()
    assert set(everybody) == {database.tenant_id, database.other_tenant_id, pending.id}
    assert PLATFORM not in everybody
    assert await found(search="north") == [pending.id]
    assert await found(state=TenantState.PENDING) == [pending.id]
    assert await found(after=everybody[0], limit=1) == [everybody[1]]


async def _settings(database: TestDatabase) -> TenantSettings:
    async with database.app.tenant(database.tenant_id) as session:
        return await service.settings(session, tenant_id=database.tenant_id)


async def _change(database: TestDatabase, wanted: TenantSettings) -> TenantSettings:
    async with database.app.tenant(database.tenant_id) as session:
        return await service.change_settings(
            session,
            tenant_id=database.tenant_id,
            wanted=wanted,
            actor=administrator(database.member_id),
        )


async def test_settings_have_defaults_and_are_changed_by_version(database: TestDatabase) -> None:
    before = await _settings(database)
    wanted = replace(before, name="Contoso Ltd", allow_guests=True, read_profiles=True, retention_days=7)

    after = await _change(database, wanted)

    assert before.retention_days == Policy().retention_days
    assert await _settings(database) == after == replace(wanted, version=before.version + 1)
    with pytest.raises(ChangedMeanwhile):
        await _change(database, replace(before, retention_days=1))
    assert await _change(database, after) == after
    assert await _actions(database, database.tenant_id) == ["tenant.settings"]


async def test_the_first_policy_row_has_the_defaults_and_a_second_change_keeps_the_rest(
    database: TestDatabase,
) -> None:
    changed = await _change(database, replace(await _settings(database), retention_days=7))
    async with database.app.tenant(database.tenant_id) as session:
        assert await load_policy(session, database.tenant_id) == Policy(retention_days=7)
    await execute(database, "UPDATE tenant_policies SET weight = 5, allowed_regions = '[\"eu\"]'::jsonb")
    await _change(database, replace(changed, retention_days=8))

    async with database.app.tenant(database.tenant_id) as session:
        policy = await load_policy(session, database.tenant_id)
    assert policy == Policy(weight=5, allowed_regions=("eu",), retention_days=8)
    others = await rows(
        database,
        "SELECT count(*) FROM tenant_policies WHERE tenant_id = :id",
        id=database.other_tenant_id,
    )
    assert others == [(0,)]


async def test_of_two_changes_at_once_one_is_told_to_read_again(database: TestDatabase) -> None:
    before = await _settings(database)

    answers = await asyncio.gather(
        *(_change(database, replace(before, retention_days=days)) for days in (5, 6)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in answers) == ["ChangedMeanwhile", "TenantSettings"]
