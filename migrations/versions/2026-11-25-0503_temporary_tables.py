"""Take temporary tables from every role but the owner's. Runs before the deploy.

A temporary table outlives its transaction, so on a pooled connection it would bring one tenant's rows to
the next. It also comes first wherever a search path does not name `pg_temp`: a function that runs with its
owner's rights could be led to a caller's table.

Revision: 0011
Follows: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WITH_OWNERS_RIGHTS = (
    "raise_configuration_revision()",
    "forget_member(uuid)",
    "change_tenant_erasure(text)",
    "invite_tenant(uuid, text)",
    "change_tenant_state(text, text, text)",
    "change_tenant_settings(integer, text, boolean, boolean, integer)",
)
_OF_TRIGGERS = "keep_audit_entries()"


def upgrade() -> None:
    for function in (*_WITH_OWNERS_RIGHTS, _OF_TRIGGERS):
        op.execute(f"ALTER FUNCTION {function} SET search_path = pg_catalog, public, pg_temp")
    op.execute(f"REVOKE ALL ON FUNCTION {_OF_TRIGGERS} FROM PUBLIC")
    op.execute(f"REVOKE TEMPORARY ON DATABASE {_database()} FROM PUBLIC")


def downgrade() -> None:
    op.execute(f"GRANT TEMPORARY ON DATABASE {_database()} TO PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_OF_TRIGGERS} TO PUBLIC")
    for function in (*_WITH_OWNERS_RIGHTS, _OF_TRIGGERS):
        op.execute(f"ALTER FUNCTION {function} SET search_path = pg_catalog, public")


def _database() -> str:
    quoted: str = op.get_bind().execute(sa.text("SELECT quote_ident(current_database())")).scalar_one()
    return quoted
