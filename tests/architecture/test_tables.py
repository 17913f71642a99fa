"""Tenant isolation as the catalogue of a migrated database shows it."""

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.local.migrate import alembic_config
from migrations import HEAD
from tests.conftest import TestDatabase

WITHOUT_TENANT = {"tenants", "worker_heartbeats", "configuration_revision", "alembic_version", "schedules"}
"""Tenants are read before a tenant is known; the others belong to no tenant."""

UNPROTECTED = """
    SELECT c.relname FROM pg_class c
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity
               AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))
"""
KEYS_WITHOUT_TENANT = """
    SELECT con.conrelid::regclass || '.' || con.conname FROM pg_constraint con
    JOIN pg_attribute own ON own.attrelid = con.conrelid AND own.attname = 'tenant_id'
    WHERE con.contype = 'p' AND con.connamespace = 'public'::regnamespace AND own.attnum <> ALL (con.conkey)
"""
REFERENCES_ACROSS_TENANTS = """
    SELECT con.conrelid::regclass || '.' || con.conname FROM pg_constraint con
    JOIN pg_attribute theirs ON theirs.attrelid = con.confrelid AND theirs.attname = 'tenant_id'
    WHERE con.contype = 'f' AND con.connamespace = 'public'::regnamespace AND theirs.attnum <> ALL (con.confkey)
"""
# A reference to a row of this tenant or of PLATFORM has a rule that it is no one else's.
UNRULED_TENANTS = r"""
    SELECT att.attrelid::regclass || '.' || att.attname FROM pg_attribute att
    JOIN pg_class rel ON rel.oid = att.attrelid AND rel.relkind = 'r'
    WHERE rel.relnamespace = 'public'::regnamespace AND att.attname LIKE '%\_tenant\_id'
      AND att.attname <> 'entra_tenant_id' AND NOT EXISTS (
        SELECT 1 FROM pg_constraint con
        WHERE con.conrelid = att.attrelid AND con.contype = 'c' AND att.attnum = ANY (con.conkey))
"""
CONTENT = {
    "documents": {"sealed_name", "sealed_source"},
    "document_parts": {"content"},
    "upload_sessions": {"sealed_name", "sealed_sha256"},
    "upload_parts": {"content"},
    "jobs": {"sealed_parameters", "sealed_result"},
    "job_steps": {"sealed_input", "sealed_output"},
    "provider_credentials": {"sealed"},
    "tenant_keys": {"wrapped"},
    "token_caches": {"sealed_cache"},
}


async def names(database: TestDatabase, statement: str) -> set[str]:
    async with database.owner.system() as session:
        return set((await session.execute(text(statement))).scalars())


async def test_every_table_of_a_tenant_forces_row_level_security(database: TestDatabase) -> None:
    assert await names(database, UNPROTECTED) == WITHOUT_TENANT


async def test_primary_keys_and_references_carry_the_tenant(database: TestDatabase) -> None:
    assert await names(database, KEYS_WITHOUT_TENANT) == set()
    assert await names(database, REFERENCES_ACROSS_TENANTS) == set()


async def test_references_to_another_tenant_than_ones_own_go_to_the_platform_only(
    database: TestDatabase,
) -> None:
    assert await names(database, UNRULED_TENANTS) == set()


async def test_there_is_no_view_that_runs_with_its_owners_rights(database: TestDatabase) -> None:
    views = (
        "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
    )
    assert await names(database, views) == set()


@pytest.mark.parametrize("role", ["switchboard_app", "switchboard_system"])
async def test_no_role_of_ours_goes_past_row_level_security(database: TestDatabase, role: str) -> None:
    async with database.owner.system() as session:
        row = (
            await session.execute(
                text("SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = :role"),
                {"role": role},
            )
        ).one()
    assert tuple(row) == (False, False, False)


async def test_the_system_role_reads_no_content(database: TestDatabase) -> None:
    granted = await names(
        database,
        "SELECT table_name || '.' || column_name FROM information_schema.column_privileges"
        " WHERE grantee = 'switchboard_system' AND privilege_type = 'SELECT'",
    )
    content = {f"{table}.{column}" for table, columns in CONTENT.items() for column in columns}
    assert granted & content == set()


async def test_content_columns_are_sealed_types() -> None:
    from app.core.database import SealedBytes
    from app.tables import Base

    for table, columns in CONTENT.items():
        for column in columns - {"wrapped"}:
            assert isinstance(Base.metadata.tables[table].columns[column].type, SealedBytes), (table, column)


def test_the_expected_revision_is_the_newest() -> None:
    config = alembic_config("postgresql://nobody@127.0.0.1/none")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


async def test_migrations_leave_no_drift_and_go_back(database: TestDatabase) -> None:
    from alembic import command

    config = alembic_config(database.owner_url)
    command.check(config)
    command.downgrade(config, "base")
    assert (
        await names(
            database,
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
        )
        == set()
    )
    command.upgrade(config, "head")
    command.check(config)
