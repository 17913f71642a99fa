"""Keep what is said in an evaluation apart from its scores, so that retention can delete it. Runs before the deploy.

Revision: 0022
Follows: 0021
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_level_security import secure

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evaluation_answers",
        sa.Column("sealed_answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"],
            ["evaluation_scores.tenant_id", "evaluation_scores.id"],
            name=op.f("fk_evaluation_answers_tenant_id_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_evaluation_answers")),
    )
    secure("evaluation_answers")
    # What it held cannot be moved: a sealed value opens in its own place only.
    op.drop_column("evaluation_scores", "sealed_answer")


def downgrade() -> None:
    op.drop_table("evaluation_answers")
    op.execute("DELETE FROM evaluation_scores")
    op.add_column("evaluation_scores", sa.Column("sealed_answer", sa.LargeBinary(), nullable=False))
