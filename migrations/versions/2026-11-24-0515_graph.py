"""Keep token caches and long-running sessions. Runs before the deploy.

Revision: 0007
Follows: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import open_to_system, role, secure

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ENDING = ("id", "tenant_id", "expires_at")


def upgrade() -> None:
    op.create_table(
        "graph_sessions",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("entra_tenant_id", sa.Uuid(), nullable=False),
        sa.Column("entra_object_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name=op.f("fk_graph_sessions_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_graph_sessions")),
    )
    op.create_index(
        op.f("ix_graph_sessions_tenant_id_member_id"), "graph_sessions", ["tenant_id", "member_id"]
    )
    op.create_index(op.f("ix_graph_sessions_expires_at"), "graph_sessions", ["expires_at"])
    op.create_table(
        "token_caches",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("session_key", sa.String(), nullable=False),
        sa.Column("sealed_cache", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name=op.f("fk_token_caches_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_token_caches")),
        sa.UniqueConstraint(
            "tenant_id",
            "member_id",
            "session_key",
            name=op.f("uq_token_caches_tenant_id_member_id_session_key"),
        ),
    )
    op.create_index(op.f("ix_token_caches_expires_at"), "token_caches", ["expires_at"])
    for table in ("graph_sessions", "token_caches"):
        secure(table)
        open_to_system(table, read=_ENDING, also=("DELETE",))
    op.add_column("documents", sa.Column("sealed_source", sa.LargeBinary(), nullable=True))
    op.add_column("jobs", sa.Column("waiting_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("jobs", sa.Column("waiting_for", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("jobs", sa.Column("graph_session_id", sa.Uuid(), nullable=True))
    op.add_column("jobs", sa.Column("start_after", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_jobs_waiting", "jobs", ["expires_at"], postgresql_where=sa.text("state = 'waiting'"))
    op.execute(f"GRANT SELECT (waiting_at, start_after) ON jobs TO {role('system')}")


def downgrade() -> None:
    op.drop_index("ix_jobs_waiting", "jobs")
    op.drop_column("jobs", "start_after")
    op.drop_column("jobs", "graph_session_id")
    op.drop_column("jobs", "waiting_for")
    op.drop_column("jobs", "waiting_at")
    op.drop_column("documents", "sealed_source")
    op.drop_table("token_caches")
    op.drop_table("graph_sessions")
