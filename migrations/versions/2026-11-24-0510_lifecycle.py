"""Let tenants and members be erased, held and retained; schedules. Runs before the deploy.

Revision: 0002
Follows: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import let_eraser, open_to_system, role, secure

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OWN = "NULLIF(current_setting('app.tenant_id', true), '')::uuid"
_ROOTS = ("members", "tenant_keys", "tenant_policies")
"""Everything else of a tenant hangs on one of these by a foreign key, or is swept again."""


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("every_seconds", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("last_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("last_note", sa.String(), nullable=True),
        sa.Column("runner", sa.Uuid(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON schedules TO {role('system')}")
    op.create_table(
        "erasures",
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("by_operator", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("proof", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_erasures")),
    )
    op.create_index(
        "uq_erasures_open",
        "erasures",
        ["tenant_id", sa.text("coalesce(member_id, tenant_id)")],
        unique=True,
        postgresql_where="state IN ('requested', 'running')",
    )
    secure("erasures", app="SELECT, INSERT, UPDATE (state)")
    open_to_system("erasures", read=("tenant_id", "id", "member_id", "state", "not_before", "requested_at"))
    let_eraser(
        "erasures",
        read=("by_operator", "phase", "removed", "proof"),
        update=("state", "phase", "swept_at", "finished_at", "removed", "proof", "requested_by"),
    )
    op.create_table(
        "legal_holds",
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("placed_by", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.Uuid(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name=op.f("fk_legal_holds_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_legal_holds")),
    )
    secure("legal_holds", app="SELECT, INSERT, UPDATE (released_at, released_by)")
    op.create_table(
        "retention_runs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("ran_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("removed", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_retention_runs")),
    )
    secure("retention_runs", app="SELECT")
    let_eraser("retention_runs", update=("ran_at", "removed"), insert=True)
    _let_members_and_calls_be_forgotten()
    _change_tenant()


def _let_members_and_calls_be_forgotten() -> None:
    """A row that must stay for the sums loses what names a person."""
    # Its columns are named when it runs: a later revision adds some of them.
    op.execute(
        f"""
        CREATE FUNCTION forget_member(member uuid) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
        BEGIN
            UPDATE public.members SET
                entra_object_id = gen_random_uuid(), display_name = '(erased)', role = 'Member',
                state = 'blocked', groups = '[]', groups_incomplete = false, department = '',
                is_guest = false, last_seen_at = NULL
            WHERE tenant_id = {_OWN} AND id = member;
            RETURN FOUND;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION forget_member(uuid) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION forget_member(uuid) TO {role('eraser')}")
    let_eraser("model_calls", update=("member_id",))
    let_eraser("tenant_policies", read=("retention_days",))


def _change_tenant() -> None:
    """Let the eraser shut its tenant, and let nobody bring rows back into one that is shut.

    The lock waits for every transaction that has just written a row which refers to the tenant.
    """
    op.execute(
        f"""
        CREATE FUNCTION change_tenant_erasure(wanted text) RETURNS text
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
        DECLARE
            found text;
        BEGIN
            SELECT state INTO found FROM public.tenants
            WHERE id = {_OWN} AND entra_tenant_id IS NOT NULL FOR UPDATE;
            IF wanted = 'erasing' AND found IN ('pending', 'active', 'suspended') THEN
                UPDATE public.tenants SET state = 'erasing' WHERE id = {_OWN};
                RETURN 'erasing';
            ELSIF wanted = 'erased' AND found = 'erasing' THEN
                UPDATE public.tenants SET state = 'erased', name = '(erased)', allow_guests = false
                WHERE id = {_OWN};
                RETURN 'erased';
            END IF;
            RETURN found;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION change_tenant_erasure(text) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION change_tenant_erasure(text) TO {role('eraser')}")
    op.execute(f"GRANT SELECT (id, state) ON tenants TO {role('eraser')}")
    for table in _ROOTS:
        op.execute(
            f"CREATE POLICY not_erased ON {table} AS RESTRICTIVE FOR INSERT TO {role('app')} WITH CHECK (EXISTS ("
            "SELECT 1 FROM tenants t WHERE t.id = tenant_id AND t.state NOT IN ('erasing', 'erased')))"
        )


def downgrade() -> None:
    for table in _ROOTS:
        op.execute(f"DROP POLICY not_erased ON {table}")
    op.execute("DROP FUNCTION change_tenant_erasure(text)")
    op.execute("DROP FUNCTION forget_member(uuid)")
    op.execute(f"REVOKE SELECT (id, state) ON tenants FROM {role('eraser')}")
    op.execute(f"REVOKE SELECT (retention_days) ON tenant_policies FROM {role('eraser')}")
    op.execute(f"REVOKE UPDATE (member_id) ON model_calls FROM {role('eraser')}")
    op.drop_table("retention_runs")
    op.drop_table("legal_holds")
    op.drop_index(
        "uq_erasures_open", table_name="erasures", postgresql_where="state IN ('requested', 'running')"
    )
    op.drop_table("erasures")
    op.drop_table("schedules")
