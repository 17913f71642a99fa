"""Tell administrators of calls that cost more than was reserved. Runs before the deploy.

Revision: 0032
Follows: 0031
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notices", sa.Column("money", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_index(
        "ix_model_calls_overrun",
        "model_calls",
        ["tenant_id", "settled_at"],
        postgresql_where="cost_micros > reserved_micros",
    )


def downgrade() -> None:
    # The code before knows neither kind.
    op.execute("UPDATE webhooks SET events = events - 'cost.overrun' - 'budget.exceeded'")
    op.execute("DELETE FROM notices WHERE money IS NOT NULL")
    op.drop_index("ix_model_calls_overrun", "model_calls")
    op.drop_column("notices", "money")
