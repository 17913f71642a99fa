"""`switchboard operator`: the first operator of an installation, as somebody who runs it makes one."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.core.errors import Conflict
from app.local import operators
from app.settings import MissingSetting, Settings
from app.tenants import service
from app.tenants.errors import LastAdministrator, TenantExists
from app.vocabulary import TenantState
from tests.conftest import TestDatabase
from tests.tenants.administration import OPERATOR, execute, rows, snapshot

_DIRECTORY = UUID("5f3d9c1e-6a47-4b2f-8c3a-2b6d1f7e9a10")
_PERSON = UUID("7c1b5e2d-3f88-4d0a-9b64-0e5a8c2f6d21")


def _settings(database: TestDatabase, directory: UUID | None = _DIRECTORY) -> Settings:
    return Settings(DATABASE_URL=database.app_url, operator_tenant=directory)


async def _onboard(database: TestDatabase) -> UUID:
    """What the consent at the portal ends with."""
    async with database.app.system() as session:
        known = await service.by_entra_id(session, entra_tenant_id=_DIRECTORY)
    assert known is not None
    async with database.app.tenant(known.id) as session:
        await service.activate(session, tenant_id=known.id, actor=OPERATOR)
    return known.id


async def _in_thread(function: Any, *given: Any, **named: Any) -> Any:
    return await asyncio.to_thread(function, *given, **named)


async def test_the_first_operator_is_made_from_nothing_and_unmade(database: TestDatabase) -> None:
    settings = _settings(database)

    assert "is invited" in await _in_thread(operators.invite, settings, name="Our own")
    tenant_id = await _onboard(database)
    assert "is now a platform operator" in await _in_thread(operators.grant, settings, object_id=_PERSON)
    assert "is already" in await _in_thread(operators.grant, settings, object_id=_PERSON)

    role = "SELECT tenant_id, role FROM members WHERE entra_object_id = :person"
    assert await rows(database, role, person=_PERSON) == [(tenant_id, "PlatformOperator")]
    assert "any more" in await _in_thread(operators.revoke, settings, object_id=_PERSON)
    assert await rows(database, role, person=_PERSON) == [(tenant_id, "Member")]
    assert await rows(
        database,
        "SELECT tenant_id, actor_kind, detail->>'from', detail->>'to' FROM audit_entries"
        " WHERE action = 'member.role' ORDER BY at",
    ) == [
        (tenant_id, "operator", "Member", "PlatformOperator"),
        (tenant_id, "operator", "PlatformOperator", "Member"),
    ]


async def test_nobody_operates_before_the_directory_was_brought_in(database: TestDatabase) -> None:
    settings = _settings(database)
    with pytest.raises(Conflict, match="operator invite"):
        await _in_thread(operators.grant, settings, object_id=_PERSON)

    await _in_thread(operators.invite, settings, name="Our own")
    before = await snapshot(database)

    with pytest.raises(Conflict, match="consents"):
        await _in_thread(operators.grant, settings, object_id=_PERSON)
    with pytest.raises(TenantExists, match=TenantState.PENDING):
        await _in_thread(operators.invite, settings, name="Twice")
    assert await snapshot(database) == before


async def test_the_last_administrator_does_not_become_an_operator(database: TestDatabase) -> None:
    settings = _settings(database)
    await _in_thread(operators.invite, settings, name="Our own")
    tenant_id = await _onboard(database)
    await _in_thread(operators.grant, settings, object_id=_PERSON)
    await execute(database, "UPDATE members SET role = 'TenantAdmin' WHERE tenant_id = :id", id=tenant_id)

    with pytest.raises(LastAdministrator):
        await _in_thread(operators.grant, settings, object_id=_PERSON)
    # Whoever is no operator keeps the role that they have.
    assert "is no platform operator" in await _in_thread(operators.revoke, settings, object_id=_PERSON)
    assert await rows(database, "SELECT role FROM members WHERE tenant_id = :id", id=tenant_id) == [
        ("TenantAdmin",)
    ]


async def test_other_tenants_are_left_alone(database: TestDatabase) -> None:
    settings = _settings(database)
    await _in_thread(operators.invite, settings, name="Our own")
    tenant_id = await _onboard(database)
    # An object id is unique in its directory only.
    await execute(
        database,
        "UPDATE members SET entra_object_id = :person WHERE id = :id",
        person=_PERSON,
        id=database.other_member_id,
    )
    others = "SELECT CAST(m AS text) FROM members m WHERE tenant_id <> :id ORDER BY 1"
    before = await rows(database, others, id=tenant_id)

    await _in_thread(operators.grant, settings, object_id=_PERSON)
    await _in_thread(operators.revoke, settings, object_id=database.member_id)

    assert len(before) >= 3
    assert await rows(database, others, id=tenant_id) == before


async def test_without_a_directory_of_the_operators_it_says_which_setting_is_missing(
    database: TestDatabase,
) -> None:
    with pytest.raises(MissingSetting, match="SWITCHBOARD_OPERATOR_TENANT"):
        await _in_thread(operators.grant, _settings(database, None), object_id=_PERSON)


async def test_the_command_says_what_it_did(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("SWITCHBOARD_OPERATOR_TENANT", str(_DIRECTORY))

    invited = await _in_thread(CliRunner().invoke, app, ["operator", "invite", "Our own"])
    await _onboard(database)
    granted = await _in_thread(CliRunner().invoke, app, ["operator", "grant", str(_PERSON)])
    revoked = await _in_thread(CliRunner().invoke, app, ["operator", "revoke", str(uuid4())])

    assert [one.exit_code for one in (invited, granted, revoked)] == [0, 0, 0]
    assert invited.output.startswith(f"{_DIRECTORY} is invited")
    assert granted.output.startswith(f"{_PERSON} is now a platform operator")
    assert "is no platform operator" in revoked.output
