"""Batches: jobs over many documents. Runs before the deploy.

Revision: 0029
Follows: 0028
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import role, secure

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("batch_id", sa.Uuid(), nullable=True))
    op.create_index(
        op.f("ix_jobs_tenant_id_batch_id"),
        "jobs",
        ["tenant_id", "batch_id"],
        postgresql_where="batch_id IS NOT NULL",
    )
    # The reaper wakes the batch of a job that it ends.
    op.execute(f"GRANT SELECT (batch_id) ON jobs TO {role('system')}")
    op.create_table(
        "batch_items",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("sealed_source", sa.LargeBinary(), nullable=True),
        sa.Column("source_digest", sa.LargeBinary(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("is_unchanged", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "batch_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_batch_items_tenant_id_batch_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["documents.tenant_id", "documents.id"],
            name=op.f("fk_batch_items_tenant_id_document_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "batch_id", "ordinal", name=op.f("pk_batch_items")),
    )
    op.create_index(op.f("ix_batch_items_tenant_id_document_id"), "batch_items", ["tenant_id", "document_id"])
    op.create_index(
        op.f("ix_batch_items_tenant_id_source_digest"),
        "batch_items",
        ["tenant_id", "source_digest"],
        postgresql_where="source_digest IS NOT NULL",
    )
    secure("batch_items")


def downgrade() -> None:
    op.drop_table("batch_items")
    op.drop_index(op.f("ix_jobs_tenant_id_batch_id"), "jobs", postgresql_where="batch_id IS NOT NULL")
    op.drop_column("jobs", "batch_id")
