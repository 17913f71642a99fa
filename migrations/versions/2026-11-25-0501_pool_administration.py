"""Let model pools be administered: drafts, versions for ETags, archives. Runs before the deploy.

Revision: 0009
Follows: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_VERSIONED = ("providers", "deployments", "model_pools", "pool_revisions", "routes", "tenant_policies")
_ARCHIVED = ("providers", "deployments", "model_pools")
_PLATFORM = "'00000000-0000-7000-8000-000000000001'"


def upgrade() -> None:
    for table in _VERSIONED:
        op.add_column(table, sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    for table in _ARCHIVED:
        op.add_column(table, sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("providers", sa.Column("authentication", sa.String(), server_default="key", nullable=False))
    op.add_column("providers", sa.Column("api_version", sa.String(), nullable=True))
    op.add_column("deployments", sa.Column("successor_tenant_id", sa.Uuid(), nullable=True))
    op.add_column(
        "deployments", sa.Column("supported_parameters", sa.dialects.postgresql.JSONB(), nullable=True)
    )
    op.execute("UPDATE deployments SET successor_tenant_id = tenant_id WHERE successor_id IS NOT NULL")
    op.create_foreign_key(
        op.f("fk_deployments_successor_tenant_id_successor_id"),
        "deployments",
        "deployments",
        ["successor_tenant_id", "successor_id"],
        ["tenant_id", "id"],
    )
    op.create_check_constraint(
        op.f("ck_deployments_successor_tenant"),
        "deployments",
        f"successor_tenant_id IN (tenant_id, {_PLATFORM})",
    )
    op.create_check_constraint(
        op.f("ck_deployments_successor_whole"),
        "deployments",
        "(successor_id IS NULL) = (successor_tenant_id IS NULL)",
    )
    op.add_column("pool_revisions", sa.Column("note", sa.String(), server_default="", nullable=False))
    op.add_column("pool_revisions", sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))
    # Until now every revision was published as it was made.
    op.execute("UPDATE pool_revisions SET published_at = created_at")


def downgrade() -> None:
    op.execute(
        "DELETE FROM pool_members m USING pool_revisions r"
        " WHERE r.tenant_id = m.tenant_id AND r.id = m.revision_id AND r.published_at IS NULL"
    )
    op.execute("DELETE FROM pool_revisions WHERE published_at IS NULL")
    op.drop_column("pool_revisions", "published_at")
    op.drop_column("pool_revisions", "note")
    op.drop_constraint(op.f("fk_deployments_successor_tenant_id_successor_id"), "deployments")
    op.drop_column("deployments", "supported_parameters")
    op.drop_column("deployments", "successor_tenant_id")
    for column in ("api_version", "authentication"):
        op.drop_column("providers", column)
    for table in _ARCHIVED:
        op.drop_column(table, "archived_at")
    for table in _VERSIONED:
        op.drop_column(table, "version")
