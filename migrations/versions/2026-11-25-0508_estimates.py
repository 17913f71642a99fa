"""Keep what a job was expected to need, and find a member's calls by time. Runs before the deploy.

Revision: 0016
Follows: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("estimate", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_index(
        op.f("ix_model_calls_tenant_id_member_id_started_at"),
        "model_calls",
        ["tenant_id", "member_id", "started_at"],
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_model_calls_tenant_id_member_id_started_at"), table_name="model_calls")
    op.drop_column("jobs", "estimate")
