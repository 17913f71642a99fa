"""Onboard, suspend and resume tenants; members' roles, groups and department. Runs before the deploy.

Revision: 0003
Follows: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import role

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OWN = "NULLIF(current_setting('app.tenant_id', true), '')::uuid"
_MEMBER_COLUMNS = (
    "role",
    "state",
    "display_name",
    "groups",
    "groups_incomplete",
    "department",
    "is_guest",
    "last_seen_at",
)
_TENANT_FUNCTIONS = (
    "invite_tenant(uuid, text)",
    "change_tenant_state(text, text, text)",
    "change_tenant_settings(integer, text, boolean, boolean, integer)",
)


def upgrade() -> None:
    op.add_column("tenants", sa.Column("suspended_reason", sa.String(), nullable=True))
    op.add_column("tenants", sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tenants", sa.Column("onboarded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "tenants", sa.Column("settings_version", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.add_column(
        "tenants", sa.Column("read_profiles", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        "members",
        sa.Column(
            "groups",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column(
        "members",
        sa.Column("groups_incomplete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("members", sa.Column("department", sa.String(), server_default="", nullable=False))
    op.add_column(
        "members", sa.Column("is_guest", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("members", sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True))
    # Row-level security keeps an UPDATE inside the tenant; who a member is (ids) and since when stays.
    op.execute(f"GRANT UPDATE ({', '.join(_MEMBER_COLUMNS)}) ON members TO {role('app')}")
    _tenant_functions()


def _tenant_functions() -> None:
    """The only ways in which a door changes a tenant.

    Not a grant on `tenants`: that table is read before a tenant is known, so it has no row-level security,
    and an UPDATE granted to the app role would reach every customer. Not the system role either: its
    connection would bring the sight of all tenants' jobs into the process that faces the internet.
    Each function changes the row of the session's own tenant and no other, and only along the state machine
    of app/tenants/service.py, so whoever changes a customer has opened a session for that customer.
    """
    op.execute(
        f"""
        CREATE FUNCTION invite_tenant(entra uuid, called text) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
        BEGIN
            UPDATE public.tenants SET state = 'pending', name = called, onboarded_at = NULL,
                   suspended_reason = NULL, suspended_at = NULL, read_profiles = false
            WHERE id = {_OWN} AND entra_tenant_id = entra AND state = 'erased';
            IF FOUND THEN
                RETURN true;
            END IF;
            INSERT INTO public.tenants (id, entra_tenant_id, name, state, allow_guests)
            VALUES ({_OWN}, entra, called, 'pending', false) ON CONFLICT DO NOTHING;
            RETURN FOUND;
        END $$
        """
    )
    op.execute(
        f"""
        CREATE FUNCTION change_tenant_state(expected text, wanted text, reason text) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
        BEGIN
            IF (expected, wanted) NOT IN (('pending', 'active'), ('active', 'suspended'),
                                          ('suspended', 'active')) THEN
                RAISE EXCEPTION 'a tenant does not go from % to %', expected, wanted;
            END IF;
            UPDATE public.tenants SET
                state = wanted,
                suspended_reason = CASE WHEN wanted = 'suspended' THEN reason END,
                suspended_at = CASE WHEN wanted = 'suspended' THEN clock_timestamp() END,
                onboarded_at = CASE WHEN expected = 'pending' THEN clock_timestamp() ELSE onboarded_at END
            WHERE id = {_OWN} AND state = expected AND entra_tenant_id IS NOT NULL;
            RETURN FOUND;
        END $$
        """
    )
    op.execute(
        f"""
        CREATE FUNCTION change_tenant_settings(
            expected integer, called text, guests boolean, profiles boolean, days integer
        ) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
        BEGIN
            UPDATE public.tenants SET name = called, allow_guests = guests, read_profiles = profiles,
                   settings_version = settings_version + 1
            WHERE id = {_OWN} AND settings_version = expected AND entra_tenant_id IS NOT NULL
              AND state NOT IN ('erasing', 'erased');
            IF NOT FOUND THEN
                RETURN false;
            END IF;
            INSERT INTO public.tenant_policies (
                tenant_id, weight, max_steps_in_flight, max_jobs_queued, require_no_training,
                require_zero_retention, retention_days, reuse_across_members)
            VALUES ({_OWN}, 1, 32, 1000, false, false, days, false)
            ON CONFLICT (tenant_id) DO UPDATE SET retention_days = excluded.retention_days;
            RETURN true;
        END $$
        """
    )
    for function in _TENANT_FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {role('app')}")


def downgrade() -> None:
    for function in _TENANT_FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    for column in ("last_seen_at", "is_guest", "department", "groups_incomplete", "groups"):
        op.drop_column("members", column)
    op.execute(f"REVOKE UPDATE (role, state, display_name) ON members FROM {role('app')}")
    for column in ("read_profiles", "settings_version", "onboarded_at", "suspended_at", "suspended_reason"):
        op.drop_column("tenants", column)
