"""The `tenants:` part of a configuration file: checked with places, and the same however often it is read."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.core.errors import SeedError
from app.tenants.policy import Policy, load_policy
from app.tenants.seed import import_tenants, parse_tenants
from app.vocabulary import PLATFORM, Role
from tests.conftest import TestDatabase
from tests.entra import seed_tenants


async def _import(database: TestDatabase, tenants: list[dict[str, Any]]) -> list[str]:
    async with database.owner.system() as session:
        return await import_tenants(session, tenants)


async def _rows(database: TestDatabase, query: str) -> list[tuple[Any, ...]]:
    async with database.owner.system() as session:
        return [tuple(row) for row in await session.execute(text(query))]


_MEMBERS = (
    "SELECT t.id, t.name, t.state, m.id, m.display_name, m.role, m.state FROM members m"
    " JOIN tenants t ON t.id = m.tenant_id ORDER BY t.id, m.id"
)


def test_the_seed_of_the_project_has_two_tenants_with_every_role() -> None:
    tenants = parse_tenants(seed_tenants())

    assert [tenant.name for tenant in tenants] == ["Contoso", "Fabrikam"]
    for tenant in tenants:
        assert {person.role for person in tenant.people} == set(Role) - {Role.PLATFORM_OPERATOR}


async def test_reading_a_file_twice_changes_nothing(database: TestDatabase) -> None:
    lines = await _import(database, seed_tenants())
    before = await _rows(database, _MEMBERS)

    assert await _import(database, seed_tenants()) == lines
    assert await _rows(database, _MEMBERS) == before
    assert len([row for row in before if row[5] == "TenantAdmin"]) == 2
    assert await _rows(database, f"SELECT name FROM tenants WHERE id = '{PLATFORM}'") == [("PLATFORM",)]


async def test_an_empty_file_still_makes_the_platform_tenant(database: TestDatabase) -> None:
    await _rows_changed(database, "DELETE FROM tenants WHERE name = 'PLATFORM'")

    assert await _import(database, []) == []
    assert await _rows(database, f"SELECT count(*) FROM tenants WHERE id = '{PLATFORM}'") == [(1,)]


async def test_names_roles_and_states_follow_the_file_and_a_block_stays(database: TestDatabase) -> None:
    await _import(database, seed_tenants())
    await _rows_changed(database, "UPDATE members SET state = 'blocked' WHERE display_name = 'Ada Lovelace'")
    changed = seed_tenants()
    changed[0] |= {"name": "Contoso AG", "state": "suspended"}
    changed[0]["people"][0] |= {"name": "Ada King", "role": "Auditor"}

    await _import(database, changed)

    rows = await _rows(database, _MEMBERS)
    assert [row[2] for row in rows if row[1] == "Contoso AG"] == ["suspended"] * 3
    assert [row[5:] for row in rows if row[4] == "Ada King"] == [("Auditor", "blocked")]
    assert not [row for row in rows if row[4] == "Ada Lovelace"]


async def test_a_policy_is_written_for_its_tenant_alone(database: TestDatabase) -> None:
    tenants = seed_tenants()
    tenants[1]["policy"] = {"allowed_regions": ["eu"], "retention_days": 7}
    await _import(database, tenants)
    tenants[1]["policy"]["weight"] = 5
    await _import(database, tenants)

    policies: dict[str, list[Policy]] = {}
    for tenant_id, name in await _rows(database, "SELECT id, name FROM tenants WHERE name <> 'PLATFORM'"):
        async with database.app.tenant(tenant_id) as session:
            policies.setdefault(name, []).append(await load_policy(session, tenant_id))
    assert Policy(weight=5, allowed_regions=("eu",), retention_days=7) in policies["Fabrikam"]
    assert set(policies["Contoso"]) == {Policy()}


def _broken(*path: int | str, value: Any) -> list[dict[str, Any]]:
    tenants: Any = copy.deepcopy(seed_tenants())
    place = tenants
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    broken: list[dict[str, Any]] = tenants
    return broken


@pytest.mark.parametrize(
    ("tenants", "place"),
    [
        (_broken(0, "people", 1, "object_id", value="ada"), "tenants[0].people[1].object_id"),
        (_broken(1, "people", 0, "role", value="Root"), "tenants[1].people[0].role"),
        (_broken(1, "people", 2, "login", value="ada"), "tenants[1].people[2].login"),
        (_broken(0, "state", value="sleeping"), "tenants[0].state"),
        (_broken(0, "nmae", value="Contoso"), "tenants[0].nmae"),
        (_broken(0, "policy", value={"weight": 0}), "tenants[0].policy.weight"),
        (_broken(0, "policy", value={"allowed_region": ["eu"]}), "tenants[0].policy.allowed_region"),
        (_broken(0, value="Contoso"), "tenants[0]"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tenants: list[dict[str, Any]], place: str) -> None:
    with pytest.raises(SeedError, match=r"infra/seed\.yaml: ") as refused:
        parse_tenants(tenants)

    assert f"infra/seed.yaml: {place}: " in str(refused.value)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    tenants = _broken(0, "state", value="sleeping")
    tenants[1]["name"] = ""

    with pytest.raises(SeedError) as refused:
        parse_tenants(tenants, file="my.yaml")

    assert len(str(refused.value).splitlines()) == 2
    assert "my.yaml: tenants[1].name: " in str(refused.value)


@given(tenant=st.integers(0, 1), person=st.integers(0, 2))
def test_nobody_stands_there_twice(tenant: int, person: int) -> None:
    tenants = seed_tenants()
    tenants[1 - tenant]["people"].append(dict(tenants[tenant]["people"][person]))

    with pytest.raises(SeedError, match="twice"):
        parse_tenants(tenants)


async def test_a_file_that_is_wrong_leaves_nothing_behind(database: TestDatabase) -> None:
    before = await _rows(database, _MEMBERS)

    with pytest.raises(SeedError):
        await _import(database, _broken(1, "people", 0, "role", value="Root"))

    assert await _rows(database, _MEMBERS) == before


async def _rows_changed(database: TestDatabase, statement: str) -> None:
    async with database.owner.system() as session:
        await session.execute(text(statement))


async def test_a_file_brings_back_neither_an_erased_person_nor_an_erased_tenant(
    database: TestDatabase,
) -> None:
    await _import(database, seed_tenants())
    gone, left = seed_tenants()
    async with database.owner.system() as session:
        await session.execute(
            text(
                "UPDATE members SET state = 'erased', entra_object_id = gen_random_uuid(),"
                " tombstone = gen_random_uuid() WHERE display_name = 'Grace Hopper'"
            )
        )
        await session.execute(
            text("UPDATE tenants SET state = 'erased' WHERE entra_tenant_id = :id"),
            {"id": gone["entra_tenant_id"]},
        )
        await session.execute(
            text(
                "DELETE FROM members WHERE tenant_id ="
                " (SELECT id FROM tenants WHERE entra_tenant_id = :id) AND role = 'Member'"
            ),
            {"id": gone["entra_tenant_id"]},
        )
    before = await _rows(database, _MEMBERS)
    await _import(database, [{**gone, "state": "active"}, left])
    assert await _rows(database, _MEMBERS) == before
