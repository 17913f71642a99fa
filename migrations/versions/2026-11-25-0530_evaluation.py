"""Keep evaluations of pool members: runs, scores of their cases, tenants' own data sets. Runs before the deploy.

Revision: 0021
Follows: 0020
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import secure

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evaluation_sets",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("sealed_cases", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_evaluation_sets_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evaluation_sets")),
        sa.UniqueConstraint(
            "tenant_id", "name", "digest", name=op.f("uq_evaluation_sets_tenant_id_name_digest")
        ),
    )
    op.create_table(
        "evaluation_runs",
        sa.Column("task_type", sa.String(), nullable=False),
        sa.Column("data_set", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("members", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_evaluation_runs_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evaluation_runs")),
    )
    op.create_table(
        "evaluation_scores",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("scores", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("sealed_answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["evaluation_runs.tenant_id", "evaluation_runs.id"],
            name=op.f("fk_evaluation_scores_tenant_id_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evaluation_scores")),
        sa.UniqueConstraint(
            "tenant_id",
            "run_id",
            "member",
            "case_id",
            name=op.f("uq_evaluation_scores_tenant_id_run_id_member_case_id"),
        ),
    )
    for table in ("evaluation_sets", "evaluation_runs", "evaluation_scores"):
        secure(table)


def downgrade() -> None:
    for table in ("evaluation_scores", "evaluation_runs", "evaluation_sets"):
        op.drop_table(table)
