"""Keep the sensitivity labels of documents. Runs before the deploy.

Revision: 0019
Follows: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("sealed_labels", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("documents", "sealed_labels")
