"""Keep with a call which check refused its answer. Runs before the deploy.

Revision: 0036
Follows: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("model_calls", sa.Column("error_detail", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("model_calls", "error_detail")
