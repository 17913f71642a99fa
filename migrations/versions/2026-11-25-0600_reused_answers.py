"""Keep the answers of finished steps, so that later jobs reuse them. Runs before the deploy.

Revision: 0026
Follows: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "jobs", sa.Column("reused_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("job_steps", sa.Column("sealed_answer", sa.LargeBinary(), nullable=True))
    op.add_column("job_steps", sa.Column("answer_call_id", sa.Uuid(), nullable=True))
    op.add_column(
        "job_steps", sa.Column("answer_tokens", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "job_steps", sa.Column("reused", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )


def downgrade() -> None:
    for column in ("reused", "answer_tokens", "answer_call_id", "sealed_answer"):
        op.drop_column("job_steps", column)
    op.drop_column("jobs", "reused_tokens")
