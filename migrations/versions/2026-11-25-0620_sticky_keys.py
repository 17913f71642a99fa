"""Keep what a job draws its model with, so that later jobs on the same document draw the same. Runs before the deploy.

Revision: 0028
Follows: 0027
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_level_security import role

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Jobs that are accepted before the deploy have none, and go on drawing by their id.
    op.add_column("jobs", sa.Column("sticky_key", sa.LargeBinary(), nullable=True))
    # Whoever plans a step plans it for the member that the worker will ask.
    op.execute(f"GRANT SELECT (sticky_key) ON jobs TO {role('system')}")


def downgrade() -> None:
    op.drop_column("jobs", "sticky_key")
