"""Let members take turns within a tenant, and jobs within a member. Runs before the deploy.

Revision: 0035
Follows: 0034

Relays of the version before go on as they did, while a few steps wait; theirs is the slower way through the index.
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_level_security import open_to_system, role, secure

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_QUEUED = "ix_job_steps_queued"


def upgrade() -> None:
    op.add_column("dispatch_turns", sa.Column("last_member_id", sa.Uuid(), nullable=True))
    op.execute(f"GRANT UPDATE (last_member_id) ON dispatch_turns TO {role('system')}")
    op.create_table(
        "dispatch_member_turns",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("last_job_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "lane", "member_id", name=op.f("pk_dispatch_member_turns")),
    )
    secure("dispatch_member_turns")
    open_to_system("dispatch_member_turns", update=("last_job_id",), also=("INSERT",))
    _index("lane", "tenant_id", "member_id", "job_id", "id")
    op.create_index("ix_job_steps_due", "job_steps", ["run_after"], postgresql_where="state = 'queued'")
    op.create_index(
        "ix_job_steps_hinted",
        "job_steps",
        ["hinted_at"],
        postgresql_where="state = 'queued' AND hinted_at IS NOT NULL",
    )


def downgrade() -> None:
    op.drop_index("ix_job_steps_hinted", table_name="job_steps")
    op.drop_index("ix_job_steps_due", table_name="job_steps")
    _index("lane", "tenant_id", "id")
    op.drop_table("dispatch_member_turns")
    op.drop_column("dispatch_turns", "last_member_id")


def _index(*columns: str) -> None:
    # Only what is queued stands in it, so it is written in moments.
    op.drop_index(_QUEUED, table_name="job_steps")
    op.create_index(_QUEUED, "job_steps", columns, postgresql_where="state = 'queued'")
