"""Rotate data keys and their wrapping. Runs before the deploy.

Revision: 0006
Follows: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("seals_from", "wrapped_at"):
        op.add_column(
            "tenant_keys",
            sa.Column(column, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        )


def downgrade() -> None:
    op.drop_column("tenant_keys", "wrapped_at")
    op.drop_column("tenant_keys", "seals_from")
