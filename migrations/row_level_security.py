"""Row-level security for new tables, the same way each time. Revisions call these in `upgrade`.

Role names are options of the Alembic config (`app_role`, `system_role`, `eraser_role`), because roles belong to the
cluster and an operator may have named them.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

_CURRENT = "NULLIF(current_setting('app.tenant_id', true), '')::uuid"
_PLATFORM = "'00000000-0000-7000-8000-000000000001'::uuid"

_FINDING = sa.text(
    """
    SELECT quote_ident(a.attname) FROM pg_attribute a
    WHERE a.attrelid = CAST(:table AS regclass) AND a.attnum > 0 AND NOT a.attisdropped
      AND (a.atttypid IN ('uuid'::regtype, 'timestamptz'::regtype) OR a.attname = 'state'
           OR EXISTS (SELECT 1 FROM pg_index i
                      WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)))
    ORDER BY a.attnum
    """
)


def role(name: str) -> str:
    """The quoted name of the `app`, `system` or `eraser` role."""
    config = op.get_context().config
    given = config.get_main_option(f"{name}_role") if config is not None else None
    return '"' + (given or f"switchboard_{name}").replace('"', '""') + '"'


def secure(
    table: str, *, app: str = "SELECT, INSERT, UPDATE, DELETE", platform_readable: bool = False
) -> None:
    """Force row-level security: the app role sees its tenant, the owner all (for backfills).

    The eraser may find and delete the rows of the tenant that it works on, and reads no content.
    `platform_readable` lets every tenant read, never write, the rows of PLATFORM.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant_isolation ON {table} TO {role('app')}"
        f" USING (tenant_id = {_CURRENT}) WITH CHECK (tenant_id = {_CURRENT})"
    )
    op.execute(f"CREATE POLICY migration ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    if platform_readable:
        op.execute(
            f"CREATE POLICY platform_readable ON {table} FOR SELECT TO {role('app')}"
            f" USING (tenant_id = {_PLATFORM})"
        )
    op.execute(f"GRANT {app} ON {table} TO {role('app')}")
    _open_to_eraser(table)


def _open_to_eraser(table: str) -> None:
    """DELETE under the tenant's setting, and SELECT of what finds a row: ids, times, states, the key.

    Columns that a later revision adds are not seen; `let_eraser` opens them.
    """
    op.execute(
        f"CREATE POLICY erasure ON {table} TO {role('eraser')}"
        f" USING (tenant_id = {_CURRENT}) WITH CHECK (tenant_id = {_CURRENT})"
    )
    columns = op.get_bind().execute(_FINDING, {"table": table}).scalars().all()
    op.execute(f"GRANT SELECT ({', '.join(columns)}), DELETE ON {table} TO {role('eraser')}")


def let_eraser(
    table: str, *, read: Sequence[str] = (), update: Sequence[str] = (), insert: bool = False
) -> None:
    """Let the eraser read more columns of a table, change some (a pseudonym), or write rows of its own."""
    if read:
        op.execute(f"GRANT SELECT ({', '.join(read)}) ON {table} TO {role('eraser')}")
    if update:
        op.execute(f"GRANT UPDATE ({', '.join(update)}) ON {table} TO {role('eraser')}")
    if insert:
        op.execute(f"GRANT INSERT ON {table} TO {role('eraser')}")


def open_to_system(
    table: str, *, read: Sequence[str] = (), update: Sequence[str] = (), also: Sequence[str] = ()
) -> None:
    """Let the system role see a table across tenants, column by column; no columns means all.

    `also` adds whole-table privileges such as INSERT or DELETE.
    """
    op.execute(f"CREATE POLICY across_tenants ON {table} TO {role('system')} USING (true) WITH CHECK (true)")
    columns = f" ({', '.join(read)})" if read else ""
    op.execute(f"GRANT SELECT{columns} ON {table} TO {role('system')}")
    if update:
        op.execute(f"GRANT UPDATE ({', '.join(update)}) ON {table} TO {role('system')}")
    for privilege in also:
        op.execute(f"GRANT {privilege} ON {table} TO {role('system')}")
