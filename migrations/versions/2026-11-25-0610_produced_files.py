"""Keep the originals of Office files with their documents, and the files that jobs make. Runs before the deploy.

Revision: 0027
Follows: 0026
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_level_security import role, secure

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "upload_sessions",
        sa.Column("is_original", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    # Whoever removes expired sessions leaves these.
    op.execute(f"GRANT SELECT (is_original) ON upload_sessions TO {role('system')}")
    op.create_table(
        "job_file_parts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_job_file_parts_tenant_id_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "job_id", "number", name=op.f("pk_job_file_parts")),
    )
    secure("job_file_parts")


def downgrade() -> None:
    op.drop_table("job_file_parts")
    # What was kept longer than its session goes, as it went before.
    op.execute(
        "DELETE FROM upload_parts p USING upload_sessions s WHERE s.tenant_id = p.tenant_id AND s.id = p.session_id AND s.is_original"
    )
    op.drop_column("upload_sessions", "is_original")
