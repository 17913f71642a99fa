"""Row-level security for new tables, the same way each time. Revisions call these in `upgrade`.

Role names are options of the Alembic config (`app_role`, `system_role`), because roles belong to the
cluster and an operator may have named them.
"""

from collections.abc import Sequence

from alembic import op

_CURRENT = "NULLIF(current_setting('app.tenant_id', true), '')::uuid"
_PLATFORM = "'00000000-0000-7000-8000-000000000001'::uuid"


def role(name: str) -> str:
    """The quoted name of the `app` or `system` role."""
    config = op.get_context().config
    given = config.get_main_option(f"{name}_role") if config is not None else None
    return '"' + (given or f"switchboard_{name}").replace('"', '""') + '"'


def secure(
    table: str, *, app: str = "SELECT, INSERT, UPDATE, DELETE", platform_readable: bool = False
) -> None:
    """Force row-level security: the app role sees its tenant, the owner all (for backfills).

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
