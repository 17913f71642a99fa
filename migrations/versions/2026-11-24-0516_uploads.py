"""Take uploads in pieces. Runs before the deploy.

Revision: 0008
Follows: 0007
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_level_security import open_to_system, secure

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "upload_sessions",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_name", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("refused_code", sa.String(), nullable=True),
        sa.Column("refused_message", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["documents.tenant_id", "documents.id"],
            name=op.f("fk_upload_sessions_tenant_id_document_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name=op.f("fk_upload_sessions_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_upload_sessions")),
    )
    op.create_index(
        op.f("ix_upload_sessions_tenant_id_member_id"), "upload_sessions", ["tenant_id", "member_id"]
    )
    op.create_index(
        op.f("ix_upload_sessions_tenant_id_document_id"), "upload_sessions", ["tenant_id", "document_id"]
    )
    op.create_index(op.f("ix_upload_sessions_expires_at"), "upload_sessions", ["expires_at"])
    op.create_table(
        "upload_parts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["upload_sessions.tenant_id", "upload_sessions.id"],
            name=op.f("fk_upload_parts_tenant_id_session_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "session_id", "start", name=op.f("pk_upload_parts")),
    )
    # Content that is encrypted does not compress: trying costs time.
    op.execute("ALTER TABLE upload_parts ALTER COLUMN content SET STORAGE EXTERNAL")
    secure("upload_sessions")
    secure("upload_parts", app="SELECT, INSERT, DELETE")
    # Parts go with their session.
    open_to_system("upload_sessions", read=("tenant_id", "id", "expires_at"), also=("DELETE",))


def downgrade() -> None:
    op.drop_table("upload_parts")
    op.drop_table("upload_sessions")
