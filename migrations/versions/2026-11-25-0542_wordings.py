"""Keep organisations' glossaries, style guides and templates. Runs before the deploy.

Revision: 0025
Follows: 0024
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_level_security import secure

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wordings",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sealed_body", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_wordings")),
    )
    op.create_index("uq_wordings_kind_name", "wordings", ["tenant_id", "kind", "name"], unique=True)
    secure("wordings")


def downgrade() -> None:
    op.drop_table("wordings")
