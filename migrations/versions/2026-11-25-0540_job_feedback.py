"""Keep what members say of results. Runs before the deploy.

Revision: 0023
Follows: 0022
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_level_security import secure

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_feedback",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("thumb", sa.String(), nullable=True),
        sa.Column("is_inserted", sa.Boolean(), nullable=False),
        sa.Column("is_undone", sa.Boolean(), nullable=False),
        sa.Column("sealed_comment", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_job_feedback_tenant_id_job_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name=op.f("fk_job_feedback_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_job_feedback")),
        sa.UniqueConstraint(
            "tenant_id", "job_id", "member_id", name=op.f("uq_job_feedback_tenant_id_job_id_member_id")
        ),
    )
    secure("job_feedback")


def downgrade() -> None:
    op.drop_table("job_feedback")
