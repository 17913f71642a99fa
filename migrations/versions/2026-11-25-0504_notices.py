"""Keep notices of what ends. Runs before the deploy.

Revision: 0012
Follows: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import role, secure

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("subject_name", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("threshold_days", sa.Integer(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pools", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Uuid(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_notices_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_notices")),
        sa.UniqueConstraint(
            "tenant_id",
            "kind",
            "subject_id",
            "ends_at",
            "threshold_days",
            name=op.f("uq_notices_tenant_id_kind_subject_id_ends_at_threshold_days"),
        ),
    )
    secure("notices", app="SELECT, INSERT, UPDATE (acknowledged_at, acknowledged_by)")
    # The schedule may have just looked at a tenant that is being erased.
    op.execute(
        f"CREATE POLICY not_erased ON notices AS RESTRICTIVE FOR INSERT TO {role('app')} WITH CHECK (EXISTS ("
        "SELECT 1 FROM tenants t WHERE t.id = tenant_id AND t.state NOT IN ('erasing', 'erased')))"
    )


def downgrade() -> None:
    op.drop_table("notices")
