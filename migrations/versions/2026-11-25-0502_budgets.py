"""Count money per tenant, group, member and task type. Runs before the deploy.

Revision: 0010
Follows: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import open_to_system, role, secure

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nothing has written a budget until now.
    op.drop_table("budgets")
    op.create_table(
        "budgets",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), server_default="", nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("soft_micros", sa.BigInteger(), nullable=True),
        sa.Column("hard_micros", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "soft_micros IS NOT NULL OR hard_micros IS NOT NULL", name=op.f("ck_budgets_bounded")
        ),
        sa.CheckConstraint("soft_micros >= 0 AND hard_micros >= 0", name=op.f("ck_budgets_not_negative")),
        sa.CheckConstraint("soft_micros <= hard_micros", name=op.f("ck_budgets_soft_first")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_budgets_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_budgets")),
        sa.UniqueConstraint(
            "tenant_id",
            "scope",
            "subject",
            "period",
            name=op.f("uq_budgets_tenant_id_scope_subject_period"),
        ),
    )
    op.create_table(
        "budget_periods",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("spent_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "reserved_micros >= 0 AND spent_micros >= 0", name=op.f("ck_budget_periods_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "budget_id"],
            ["budgets.tenant_id", "budgets.id"],
            name=op.f("fk_budget_periods_tenant_id_budget_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "budget_id", "starts_at", name=op.f("pk_budget_periods")),
    )
    for table in ("budgets", "budget_periods"):
        secure(table)
    open_to_system("budgets")
    open_to_system("budget_periods", update=("reserved_micros", "spent_micros"))
    op.execute(
        "CREATE TRIGGER raise_configuration_revision AFTER INSERT OR UPDATE OR DELETE ON budgets"
        " FOR EACH STATEMENT EXECUTE FUNCTION raise_configuration_revision()"
    )
    # The dispatcher asks whose budgets a member's groups have.
    op.execute(f"GRANT SELECT (groups) ON members TO {role('system')}")
    # The reaper lets jobs go on that waited for money.
    op.execute(
        f"GRANT UPDATE (waiting_reason, waiting_for, expires_at, deadline_at) ON jobs TO {role('system')}"
    )
    op.execute(f"GRANT SELECT (waiting_for) ON jobs TO {role('system')}")
    op.execute(f"GRANT UPDATE (cached_input_tokens, reasoning_tokens) ON model_calls TO {role('system')}")
    for column in ("task_type", "pool_name", "vendor"):
        op.add_column("model_calls", sa.Column(column, sa.String(), server_default="", nullable=False))
    op.add_column("model_calls", sa.Column("charges", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_index(op.f("ix_model_calls_tenant_id_started_at"), "model_calls", ["tenant_id", "started_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_model_calls_tenant_id_started_at"), table_name="model_calls")
    for column in ("charges", "vendor", "pool_name", "task_type"):
        op.drop_column("model_calls", column)
    op.execute(f"REVOKE UPDATE (cached_input_tokens, reasoning_tokens) ON model_calls FROM {role('system')}")
    op.execute(f"REVOKE SELECT (waiting_for) ON jobs FROM {role('system')}")
    op.execute(
        f"REVOKE UPDATE (waiting_reason, waiting_for, expires_at, deadline_at) ON jobs FROM {role('system')}"
    )
    op.execute(f"REVOKE SELECT (groups) ON members FROM {role('system')}")
    op.drop_table("budget_periods")
    op.drop_table("budgets")
    op.create_table(
        "budgets",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), nullable=False),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "reserved_micros >= 0 AND spent_micros >= 0", name=op.f("ck_budgets_not_negative")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_budgets_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_budgets")),
        sa.UniqueConstraint(
            "tenant_id", "scope", "period_start", name=op.f("uq_budgets_tenant_id_scope_period_start")
        ),
    )
    secure("budgets")
    open_to_system("budgets", update=("reserved_micros", "spent_micros"))
