"""Give programs that act for themselves a member row of their own. Runs before the deploy.

Revision: 0004
Follows: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import secure

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "app_clients",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("permissions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name=op.f("fk_app_clients_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_app_clients")),
        sa.UniqueConstraint("tenant_id", "client_id", name=op.f("uq_app_clients_tenant_id_client_id")),
        sa.UniqueConstraint("tenant_id", "member_id", name=op.f("uq_app_clients_tenant_id_member_id")),
    )
    # A program is revoked, never deleted, except with its tenant.
    secure("app_clients", app="SELECT, INSERT, UPDATE (name, permissions, state)")


def downgrade() -> None:
    op.drop_table("app_clients")
