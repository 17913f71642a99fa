"""Let administrators change their tenant's policy, and say who may use which task type. Runs before the deploy.

Revision: 0018
Follows: 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import role, secure

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_CHANGEABLE = (
    "allowed_regions",
    "allowed_processors",
    "allowed_vendors",
    "allowed_model_classes",
    "require_no_training",
    "require_zero_retention",
    "version",
)
_DEFAULTS = {
    "weight": "1",
    "max_steps_in_flight": "32",
    "max_jobs_queued": "1000",
    "require_no_training": "false",
    "require_zero_retention": "false",
    "retention_days": "30",
    "reuse_across_members": "false",
}
"""An administrator who writes the row first names none of what only the operator may set."""


def upgrade() -> None:
    for column, default in _DEFAULTS.items():
        op.alter_column("tenant_policies", column, server_default=sa.text(default))
    columns = ", ".join(_CHANGEABLE)
    op.execute(f"GRANT INSERT (tenant_id, {columns}), UPDATE ({columns}) ON tenant_policies TO {role('app')}")
    op.create_table(
        "task_permissions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("task_type", sa.String(), nullable=False),
        sa.Column("groups", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("departments", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("roles", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("programs", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_task_permissions_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "task_type", name=op.f("pk_task_permissions")),
    )
    secure("task_permissions")
    op.execute(
        "CREATE TRIGGER raise_configuration_revision AFTER INSERT OR UPDATE OR DELETE ON task_permissions"
        " FOR EACH STATEMENT EXECUTE FUNCTION raise_configuration_revision()"
    )


def downgrade() -> None:
    op.drop_table("task_permissions")
    columns = ", ".join(_CHANGEABLE)
    op.execute(
        f"REVOKE INSERT (tenant_id, {columns}), UPDATE ({columns}) ON tenant_policies FROM {role('app')}"
    )
    for column in _DEFAULTS:
        op.alter_column("tenant_policies", column, server_default=None)
