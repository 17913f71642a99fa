"""Tenant isolation as the catalogue of a migrated database shows it, and that each rule would tell."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from app.core.database import SealedBytes
from app.local.postgres import EmbeddedPostgres
from app.tables import Base
from tests.architecture import catalogue
from tests.architecture.reviewed import SEALED

Rule = Callable[[catalogue.Connection], set[str]]
RULES: list[Rule] = [
    catalogue.unprotected_tables,
    catalogue.open_policies,
    catalogue.keys_without_tenant,
    catalogue.references_across_tenants,
    catalogue.unruled_tenants,
    catalogue.unreviewed_relations,
    catalogue.mighty_roles,
    catalogue.makers,
    catalogue.grants_through_others,
    catalogue.rights_beyond_rows,
    catalogue.writes_of_unsecured_tables,
    catalogue.erasers_rights,
    catalogue.functions,
    catalogue.dynamic_functions,
    catalogue.content_columns,
    catalogue.readers_of_content,
]

_NOTES = "CREATE TABLE notes (tenant_id uuid, id uuid, {}, PRIMARY KEY (tenant_id, id))"
_SHOUT = "CREATE FUNCTION shout(words text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER {} AS $$ BEGIN {} END $$"
_PATH = "SET search_path = pg_catalog, public, pg_temp"

OFFENCES: list[tuple[Rule, str, str]] = [
    (catalogue.unprotected_tables, _NOTES.format("size int"), "notes"),
    (catalogue.unprotected_tables, "ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY", "jobs"),
    (catalogue.unprotected_tables, "ALTER TABLE documents DISABLE ROW LEVEL SECURITY", "documents"),
    (
        catalogue.open_policies,
        "CREATE POLICY all_seeing ON jobs TO switchboard_app USING (true)",
        "jobs.all_seeing",
    ),
    (
        catalogue.open_policies,
        "CREATE POLICY anybody ON jobs USING (tenant_id IS NOT NULL)",
        "jobs.anybody",
    ),
    (
        catalogue.open_policies,
        "CREATE POLICY planting ON jobs FOR INSERT TO switchboard_app WITH CHECK (true)",
        "jobs.planting",
    ),
    (
        catalogue.open_policies,
        "ALTER POLICY erasure ON jobs TO switchboard_eraser USING (tenant_id <> gen_random_uuid())",
        "jobs.erasure",
    ),
    (catalogue.keys_without_tenant, "CREATE UNIQUE INDEX by_name ON routes (name)", "by_name"),
    (
        catalogue.keys_without_tenant,
        "CREATE TABLE notes (tenant_id uuid, id uuid PRIMARY KEY)",
        "notes_pkey",
    ),
    (
        # Both tenants are there, crosswise.
        catalogue.references_across_tenants,
        _NOTES.format("CONSTRAINT crossed FOREIGN KEY (id, tenant_id) REFERENCES jobs (tenant_id, id)"),
        "notes.crossed",
    ),
    (
        # Only configuration may be the platform's.
        catalogue.references_across_tenants,
        _NOTES.format(
            "job_tenant_id uuid, job_id uuid, CONSTRAINT foreign_job"
            " FOREIGN KEY (job_tenant_id, job_id) REFERENCES jobs (tenant_id, id)"
        ),
        "notes.foreign_job",
    ),
    (
        catalogue.references_across_tenants,
        "CREATE UNIQUE INDEX one ON documents (id); "
        + _NOTES.format("document uuid, CONSTRAINT bare FOREIGN KEY (document) REFERENCES documents (id)"),
        "notes.bare",
    ),
    (
        catalogue.references_across_tenants,
        _NOTES.format("CONSTRAINT of_a_row FOREIGN KEY (id) REFERENCES tenants (id)"),
        "notes.of_a_row",
    ),
    (catalogue.unruled_tenants, _NOTES.format("job_tenant_id uuid"), "notes.job_tenant_id"),
    (
        # There is a rule about the column, and it allows every tenant.
        catalogue.unruled_tenants,
        _NOTES.format("job_tenant_id uuid CHECK (job_tenant_id IN (tenant_id, job_tenant_id))"),
        "notes.job_tenant_id",
    ),
    (catalogue.unreviewed_relations, "CREATE VIEW names AS SELECT sealed_name FROM documents", "names"),
    (catalogue.unreviewed_relations, "CREATE SCHEMA aside; CREATE TABLE aside.notes (id int)", "aside.notes"),
    (catalogue.mighty_roles, "ALTER ROLE switchboard_app BYPASSRLS", "switchboard_app has an attribute"),
    (
        catalogue.mighty_roles,
        "GRANT switchboard_owner TO switchboard_app",
        "switchboard_app is in switchboard_owner",
    ),
    (
        catalogue.makers,
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "switchboard_app creates in public",
    ),
    (
        catalogue.makers,
        "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$",
        "switchboard_app has TEMPORARY",
    ),
    (
        catalogue.grants_through_others,
        "GRANT SELECT ON tenant_keys TO PUBLIC",
        "switchboard_system: SELECT on tenant_keys",
    ),
    (
        catalogue.grants_through_others,
        "GRANT SELECT (sealed_result) ON jobs TO PUBLIC",
        "switchboard_system: SELECT on jobs.sealed_result",
    ),
    (
        catalogue.grants_through_others,
        "GRANT pg_read_all_data TO switchboard_system",
        "switchboard_system: SELECT on document_parts",
    ),
    (
        catalogue.grants_through_others,
        "GRANT EXECUTE ON FUNCTION forget_member(uuid) TO PUBLIC",
        "switchboard_app: EXECUTE on forget_member(uuid)",
    ),
    (
        catalogue.rights_beyond_rows,
        "GRANT TRUNCATE ON jobs TO switchboard_app",
        "switchboard_app: TRUNCATE on jobs",
    ),
    (
        catalogue.rights_beyond_rows,
        "GRANT SELECT ON jobs TO switchboard_app WITH GRANT OPTION",
        "switchboard_app: passes on jobs",
    ),
    (
        catalogue.writes_of_unsecured_tables,
        "GRANT UPDATE (name) ON tenants TO switchboard_app",
        "tenants: switchboard_app UPDATE",
    ),
    (
        catalogue.erasers_rights,
        "GRANT SELECT (sealed_name) ON documents TO switchboard_eraser",
        "documents: SELECT sealed_name",
    ),
    (
        catalogue.erasers_rights,
        "GRANT UPDATE ON members TO switchboard_eraser",
        "members: UPDATE role",
    ),
    (
        catalogue.erasers_rights,
        "GRANT DELETE ON audit_entries TO switchboard_eraser",
        "audit_entries: DELETE",
    ),
    (catalogue.erasers_rights, "REVOKE DELETE ON jobs FROM switchboard_eraser", "jobs: DELETE"),
    (catalogue.functions, _SHOUT.format(_PATH, "NULL;"), "shout(text) "),
    (catalogue.functions, "ALTER FUNCTION forget_member(uuid) RESET search_path", "forget_member(uuid) "),
    (
        catalogue.functions,
        "ALTER FUNCTION forget_member(uuid) SET search_path = public",
        "forget_member(uuid) ",
    ),
    (catalogue.functions, "ALTER FUNCTION forget_member(uuid) OWNER TO postgres", "forget_member(uuid) "),
    (
        catalogue.functions,
        "GRANT EXECUTE ON FUNCTION forget_member(uuid) TO switchboard_app",
        "forget_member(uuid) ",
    ),
    (catalogue.functions, "ALTER FUNCTION keep_audit_entries() SECURITY DEFINER", "keep_audit_entries() "),
    (catalogue.dynamic_functions, _SHOUT.format(_PATH, "EXECUTE words;"), "shout(text)"),
    (
        catalogue.dynamic_functions,
        _SHOUT.format(_PATH, "UPDATE tenants SET name = words;"),
        "shout(text)",
    ),
    (catalogue.content_columns, "ALTER TABLE jobs ADD COLUMN words text", "jobs.words"),
    (catalogue.content_columns, "ALTER TABLE jobs ADD COLUMN words jsonb[]", "jobs.words"),
    (catalogue.content_columns, "ALTER TABLE jobs DROP COLUMN sealed_result", "jobs.sealed_result"),
    (
        catalogue.readers_of_content,
        "GRANT SELECT ON jobs TO switchboard_system",
        "switchboard_system reads jobs.sealed_result",
    ),
    (
        catalogue.readers_of_content,
        "GRANT SELECT (wrapped) ON tenant_keys TO PUBLIC",
        "switchboard_eraser reads tenant_keys.wrapped",
    ),
]


@pytest.fixture
def migrated(postgres: EmbeddedPostgres) -> Iterator[catalogue.Connection]:
    """A superuser's transaction in the migrated template, taken back at the end: the rights on a database
    itself are not cloned with it, and roles are shared with every test of this process.
    """
    with psycopg.connect(postgres.url, dbname="migrated") as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_schema_keeps(rule: Rule, migrated: catalogue.Connection) -> None:
    assert rule(migrated) == set(), rule.__doc__


@pytest.mark.parametrize(("rule", "offence", "told"), OFFENCES, ids=lambda one: getattr(one, "__name__", one))
def test_an_offence_is_told(rule: Rule, offence: str, told: str, migrated: catalogue.Connection) -> None:
    migrated.execute(offence)
    assert any(one.startswith(told) for one in rule(migrated)), rule(migrated)


def test_every_rule_is_shown_to_tell() -> None:
    assert {rule for rule, _, _ in OFFENCES} == set(RULES)


def test_sealed_columns_take_only_what_a_sealer_made() -> None:
    sealed = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, SealedBytes)
    }
    assert sealed == {f"{table}.{column}" for table, columns in SEALED for column in columns.split()}
