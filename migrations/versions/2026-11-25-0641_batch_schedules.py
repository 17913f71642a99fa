"""Batches that come round again. Runs before the deploy.

Revision: 0030
Follows: 0029
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_level_security import open_to_system, secure

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch_schedules",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("task_type", sa.String(), nullable=False),
        sa.Column("sealed_request", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Time(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("weekdays", sa.String(), nullable=False),
        sa.Column("graph_session_id", sa.Uuid(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_batch_id", sa.Uuid(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name=op.f("fk_batch_schedules_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_batch_schedules")),
    )
    op.create_index(op.f("ix_batch_schedules_next_at"), "batch_schedules", ["next_at"])
    op.create_index(
        op.f("ix_batch_schedules_tenant_id_member_id"), "batch_schedules", ["tenant_id", "member_id"]
    )
    secure("batch_schedules")
    # The reaper finds what is due; what is to be done it reads as the tenant.
    open_to_system("batch_schedules", read=("tenant_id", "id", "member_id", "next_at"))


def downgrade() -> None:
    op.drop_table("batch_schedules")
