"""Rules of isolation over Postgres' own catalogue: each gives what breaks it, in words.

They ask for effective rights (`has_table_privilege` and its like), so that a grant to PUBLIC or to a role
that ours are members of counts like one to them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg

from app.vocabulary import PLATFORM
from tests.architecture.reviewed import CONTENT, ERASER, FUNCTIONS, NOT_CONTENT, SEALED, UNSECURED

OWNER = "switchboard_owner"
ROLES = ("switchboard_app", "switchboard_system", "switchboard_eraser")
"""Those that processes connect as."""
Connection = psycopg.Connection[tuple[Any, ...]]

_OURS = "relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'f')"
_OWN = "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"
_OF_PLATFORM = f"(tenant_id = '{PLATFORM}'::uuid)"


def _found(connection: Connection, statement: str, values: Mapping[str, Any] | None = None) -> set[str]:
    return {str(row[0]) for row in connection.execute(statement, values)}


def unprotected_tables(connection: Connection) -> set[str]:
    """Tables without forced row-level security and a policy, but for the reviewed ones."""
    return (
        _found(
            connection,
            f"SELECT relname FROM pg_class c WHERE {_OURS} AND NOT (relrowsecurity AND relforcerowsecurity"
            " AND EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = c.oid))",
        )
        ^ UNSECURED.keys()
    )


def open_policies(connection: Connection) -> set[str]:
    """Policies by which a role sees or writes more than its tenant, but for the owner's and the system role's."""
    return _found(
        connection,
        "SELECT tablename || '.' || policyname FROM pg_policies WHERE schemaname = 'public' AND permissive ="
        " 'PERMISSIVE' AND NOT roles <@ ARRAY[%(owner)s, 'switchboard_system']::name[]"
        " AND NOT (coalesce(qual, with_check) = %(own)s AND coalesce(with_check, qual) = %(own)s)"
        " AND NOT (cmd = 'SELECT' AND qual = %(platform)s AND roles = ARRAY['switchboard_app'::name])",
        {"owner": OWNER, "own": _OWN, "platform": _OF_PLATFORM},
    )


def keys_without_tenant(connection: Connection) -> set[str]:
    """Primary and unique keys without the tenant: one tenant's row would stand in another's way."""
    return _found(
        connection,
        f"""
        SELECT indexrelid::regclass FROM pg_index JOIN pg_class c ON c.oid = indrelid
        JOIN pg_attribute own ON own.attrelid = indrelid AND own.attname = 'tenant_id'
        WHERE {_OURS} AND indisunique AND own.attnum <> ALL (indkey)
        """,
    )


def references_across_tenants(connection: Connection) -> set[str]:
    """Foreign keys that do not pair our tenant with theirs, column by column.

    A reference to configuration may pair a `..._tenant_id` of its own, which `unruled_tenants` holds to this
    tenant and the platform.
    """
    return _found(
        connection,
        r"""
        SELECT con.conrelid::regclass || '.' || con.conname FROM pg_constraint con
        JOIN pg_attribute theirs ON theirs.attrelid = con.confrelid
         AND theirs.attname = CASE con.confrelid::regclass::text WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END
        WHERE con.contype = 'f' AND con.connamespace = 'public'::regnamespace AND NOT EXISTS (
            SELECT 1 FROM unnest(con.conkey, con.confkey) pair(ours, theirs)
            JOIN pg_attribute own ON own.attrelid = con.conrelid AND own.attnum = pair.ours
            WHERE pair.theirs = theirs.attnum
              AND (own.attname = 'tenant_id' OR own.attname LIKE '%\_tenant\_id'
                   AND con.confrelid::regclass::text IN ('deployments', 'model_pools', 'prompt_sets', 'providers')))
        """,
    )


def unruled_tenants(connection: Connection) -> set[str]:
    """Columns that name a second tenant without the rule that it is this one or the platform."""
    return _found(
        connection,
        rf"""
        SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE {_OURS} AND a.attname LIKE '%%\_tenant\_id' AND a.attname <> 'entra_tenant_id' AND NOT EXISTS (
            SELECT 1 FROM pg_constraint con WHERE con.conrelid = a.attrelid AND con.contype = 'c'
              AND con.convalidated AND pg_get_constraintdef(con.oid) =
                  format('CHECK (((%%1$I = tenant_id) OR (%%1$I = %%2$L::uuid)))', a.attname, %(platform)s::text))
        """,
        {"platform": str(PLATFORM)},
    )


def unreviewed_relations(connection: Connection) -> set[str]:
    """Views, which read with their owner's rights, sequences, and whatever stands outside `public`."""
    return _found(
        connection,
        "SELECT oid::regclass FROM pg_class WHERE relkind IN ('v', 'm', 'S', 'r', 'p', 'f')"
        " AND NOT (relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p'))"
        " AND relnamespace::regnamespace::text !~ '^(pg_.*|information_schema)$'",
    )


def mighty_roles(connection: Connection) -> set[str]:
    """What lets a role of ours past row-level security, or into another role."""
    return _found(
        connection,
        "SELECT rolname || ' has an attribute' FROM pg_roles WHERE rolname = ANY (%(roles)s::text[]) AND (rolsuper OR"
        " rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)"
        " UNION ALL SELECT member::regrole || ' is in ' || roleid::regrole FROM pg_auth_members"
        " WHERE member::regrole::text = ANY (%(roles)s::text[])",
        {"roles": [OWNER, *ROLES]},
    )


def makers(connection: Connection) -> set[str]:
    """Roles that may make objects: in a schema, in the database, or temporary ones that outlive a transaction."""
    return _found(
        connection,
        "SELECT r || ' creates in ' || nspname FROM unnest(%(roles)s::text[]) r, pg_namespace"
        " WHERE nspname !~ '^pg_(toast|temp)' AND has_schema_privilege(r, oid, 'CREATE')"
        " UNION ALL SELECT r || ' has ' || p FROM unnest(%(roles)s::text[]) r, unnest(ARRAY['CREATE', 'TEMPORARY']) p"
        " WHERE has_database_privilege(r, current_database(), p)",
        {"roles": list(ROLES)},
    )


def grants_through_others(connection: Connection) -> set[str]:
    """Rights that a role of ours has without a grant to itself: through PUBLIC or another role."""
    return _found(
        connection,
        f"""
        SELECT r || ': ' || p || ' on ' || relname FROM unnest(%(roles)s::text[]) r, unnest(%(of_tables)s::text[]) p, pg_class c
        WHERE {_OURS} AND has_table_privilege(r, c.oid, p) AND NOT EXISTS (
            SELECT 1 FROM aclexplode(c.relacl) WHERE grantee = r::regrole AND privilege_type = p)
        UNION ALL
        SELECT r || ': ' || p || ' on ' || relname || '.' || attname
        FROM unnest(%(roles)s::text[]) r, unnest(%(of_columns)s::text[]) p, pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE {_OURS} AND has_column_privilege(r, c.oid, a.attnum, p) AND NOT has_table_privilege(r, c.oid, p)
          AND NOT EXISTS (
            SELECT 1 FROM aclexplode(a.attacl) WHERE grantee = r::regrole AND privilege_type = p)
        UNION ALL
        SELECT r || ': EXECUTE on ' || f.oid::regprocedure FROM unnest(%(roles)s::text[]) r, pg_proc f
        WHERE pronamespace = 'public'::regnamespace AND has_function_privilege(r, f.oid, 'EXECUTE')
          AND NOT EXISTS (SELECT 1 FROM aclexplode(f.proacl) WHERE grantee = r::regrole)
        """,
        {
            "roles": list(ROLES),
            "of_tables": [*_PRIVILEGES, *_NEVER],
            "of_columns": ["SELECT", "INSERT", "UPDATE", "REFERENCES"],
        },
    )


_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")
_NEVER = ("TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")


def rights_beyond_rows(connection: Connection) -> set[str]:
    """Rights that go past rows and policies: nobody of ours has them, nor may pass any on."""
    return _found(
        connection,
        f"SELECT r || ': ' || p || ' on ' || relname FROM unnest(%(roles)s::text[]) r, unnest(%(never)s::text[]) p, pg_class c"
        f" WHERE {_OURS} AND has_table_privilege(r, c.oid, p) UNION ALL"
        " SELECT r || ': passes on ' || relname FROM unnest(%(roles)s::text[]) r, unnest(%(all)s::text[]) p, pg_class c"
        f" WHERE {_OURS} AND has_table_privilege(r, c.oid, p || ' WITH GRANT OPTION')",
        {"roles": list(ROLES), "never": list(_NEVER), "all": list(_PRIVILEGES)},
    )


def writes_of_unsecured_tables(connection: Connection) -> set[str]:
    """Rights on tables without row-level security other than the reviewed ones: they reach every tenant."""
    found = _found(
        connection,
        "SELECT relname || ': ' || r || ' ' || p FROM unnest(%(roles)s::text[]) r, unnest(%(all)s::text[]) p, pg_class"
        " WHERE relname = ANY (%(tables)s) AND relnamespace = 'public'::regnamespace"
        " AND (has_table_privilege(r, oid, p) OR p <> 'DELETE' AND has_any_column_privilege(r, oid, p))",
        {"roles": list(ROLES), "all": list(_PRIVILEGES), "tables": list(UNSECURED)},
    )
    return found ^ {
        f"{table}: switchboard_{role} {privilege}"
        for table, roles in UNSECURED.items()
        for role, privileges in roles.items()
        for privilege in privileges.split()
    }


def erasers_rights(connection: Connection) -> set[str]:
    """The eraser's rights other than its plain ones and those reviewed.

    Plain: under the tenant's setting it deletes, and sees what finds a row (keys, ids, times, states).
    """
    deleting = _found(
        connection,
        f"SELECT relname || ': DELETE' FROM pg_class WHERE {_OURS} AND relrowsecurity AND relname <> ALL (%(kept)s)",
        {"kept": ["audit_chains", "audit_entries"]},
    )
    plain = _found(
        connection,
        f"""
        SELECT relname || ': SELECT ' || attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE {_OURS} AND relrowsecurity AND attnum > 0 AND (
            atttypid IN ('uuid'::regtype, 'timestamptz'::regtype) OR attname = 'state'
            OR EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND indisprimary AND attnum = ANY (indkey)))
        """,
    )
    beyond = {
        f"{table}: {privilege} {column}"
        for table, privileges in ERASER.items()
        for privilege, columns in privileges.items()
        for column in columns.split()
    }
    actual = _found(
        connection,
        f"SELECT relname || ': DELETE' FROM pg_class WHERE {_OURS}"
        " AND has_table_privilege('switchboard_eraser', oid, 'DELETE')"
        " UNION ALL SELECT relname || ': ' || p || ' ' || attname FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) p,"
        " pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped"
        f" WHERE {_OURS} AND has_column_privilege('switchboard_eraser', c.oid, attnum, p)",
    )
    return (actual - plain - beyond - deleting) | (beyond - actual) | (deleting - actual)


def functions(connection: Connection) -> set[str]:
    """Functions that differ from the reviewed list in rights, owner, search path or executors."""
    rows = connection.execute(
        """
        SELECT format('%%s definer=%%s owner=%%s path=%%s executors=%%s', f.oid::regprocedure, prosecdef,
                      proowner::regrole, array_to_string(proconfig, ';'),
                      (SELECT string_agg(r, ',') FROM unnest(%(roles)s::text[]) r
                       WHERE has_function_privilege(r, f.oid, 'EXECUTE')))
        FROM pg_proc f WHERE pronamespace::regnamespace::text !~ '^(pg_.*|information_schema)$'
        """,
        {"roles": ["public", *ROLES]},
    )
    return {row[0] for row in rows} ^ {
        f"{signature} definer={'t' if reviewed.with_owners_rights else 'f'} owner={OWNER}"
        f" path=search_path=pg_catalog, public, pg_temp executors={','.join(reviewed.executors)}"
        for signature, reviewed in FUNCTIONS.items()
    }


def dynamic_functions(connection: Connection) -> set[str]:
    """Functions with the owner's rights that run a text as a statement, or name a table without its schema."""
    return _found(
        connection,
        rf"""
        SELECT f.oid::regprocedure FROM pg_proc f WHERE pronamespace = 'public'::regnamespace AND prosecdef
          AND (prosrc ~* '\mexecute\M' OR EXISTS (
            SELECT 1 FROM pg_class WHERE {_OURS} AND prosrc ~ ('(?<!public[.])\m' || relname || '\M')))
        """,
    )


def columns_unlike(connection: Connection, reviewed: Iterable[str]) -> set[str]:
    """Columns whose type can hold content and which are not reviewed; reviewed ones that are no more.

    A type that cannot: number, truth, time, UUID. Everything else can: text, bytes, JSON, arrays, types to come.
    """
    return _found(
        connection,
        f"""
        SELECT relname || '.' || attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        JOIN pg_type t ON t.oid = atttypid
        WHERE {_OURS} AND attnum > 0 AND NOT attisdropped AND relname <> 'alembic_version'
          AND NOT (typcategory IN ('N', 'B', 'D', 'T') OR atttypid = 'uuid'::regtype)
        """,
    ) ^ set(reviewed)


def content_columns(connection: Connection) -> set[str]:
    """See `columns_unlike`."""
    return columns_unlike(
        connection,
        [f"{table}.{column}" for table, columns in (*SEALED, *NOT_CONTENT) for column in columns.split()],
    )


def readers_of_content(connection: Connection) -> set[str]:
    """Who can read sealed content besides the app role."""
    return _found(
        connection,
        "SELECT r || ' reads ' || relname || '.' || attname FROM unnest(%(roles)s::text[]) r, pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0"
        f" WHERE {_OURS} AND relname || '.' || attname = ANY (%(content)s)"
        " AND has_column_privilege(r, c.oid, attnum, 'SELECT')",
        {"roles": ["switchboard_system", "switchboard_eraser"], "content": sorted(CONTENT)},
    )
