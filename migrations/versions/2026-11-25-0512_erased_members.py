"""Keep erased people out by a tombstone, and the last administrator in. Runs before the deploy.

Revision: 0020
Follows: 0019
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_level_security import role

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_OWN = "NULLIF(current_setting('app.tenant_id', true), '')::uuid"
_FORGET = """
    UPDATE public.members SET
        entra_object_id = gen_random_uuid(), display_name = '(erased)', role = 'Member',
        state = '{state}', groups = '[]', groups_incomplete = false, department = '',
        is_guest = false, last_seen_at = NULL
    WHERE tenant_id = {own} AND id = member;
    RETURN FOUND;
"""
_LAST = """
    PERFORM 1 FROM public.members
    WHERE tenant_id = {own} AND role = 'TenantAdmin' AND state = 'active' ORDER BY id FOR UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT 1 FROM public.members
        WHERE tenant_id = {own} AND role = 'TenantAdmin' AND state = 'active' AND id <> member
    ) AND EXISTS (
        SELECT 1 FROM public.members
        WHERE tenant_id = {own} AND role = 'TenantAdmin' AND state = 'active' AND id = member
    ) THEN
        RETURN NULL;
    END IF;
"""


def upgrade() -> None:
    op.add_column("members", sa.Column("tombstone", sa.Uuid(), nullable=True))
    op.create_unique_constraint(op.f("uq_members_tenant_id_tombstone"), "members", ["tenant_id", "tombstone"])
    op.execute(f"GRANT UPDATE (tombstone) ON members TO {role('app')}")
    _forget_member(_LAST + _FORGET, state="erased")


def downgrade() -> None:
    _forget_member(_FORGET, state="blocked")
    op.execute("UPDATE members SET state = 'blocked' WHERE state = 'erased'")
    op.drop_constraint(op.f("uq_members_tenant_id_tombstone"), "members", type_="unique")
    op.drop_column("members", "tombstone")


def _forget_member(body: str, *, state: str) -> None:
    """Whoever may run it still may."""
    op.execute(
        "CREATE OR REPLACE FUNCTION forget_member(member uuid) RETURNS boolean"
        " LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$ BEGIN"
        f" {body.format(own=_OWN, state=state)} END $$"
    )
