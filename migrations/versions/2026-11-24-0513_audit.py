"""Keep a chained audit record. Runs before the deploy.

Revision: 0005
Follows: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import let_eraser, open_to_system, role, secure

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_WHAT_HAPPENED = (
    "id, tenant_id, actor_kind, actor_member_id, address, address_salt, address_digest, action, target_type,"
    " target_id, target_member_id, detail"
)
"""What an entry may be made of; its time is the database's own, and the chain is the writer's."""
_PERSONAL = ("actor_member_id", "target_member_id", "address", "address_salt")
_CHAIN = ("position", "previous_mac", "mac", "chained_at", "actor", "target_id")


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_member_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(), server_default="", nullable=False),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("address_salt", sa.LargeBinary(), nullable=True),
        sa.Column("address_digest", sa.LargeBinary(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("target_type", sa.String(), nullable=False),
        sa.Column("target_id", sa.String(), nullable=False),
        sa.Column("target_member_id", sa.Uuid(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("previous_mac", sa.LargeBinary(), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.Column("chained_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_entries")),
    )
    op.create_index("uq_audit_entries_position", "audit_entries", ["tenant_id", "position"], unique=True)
    op.create_index(
        "ix_audit_entries_unchained", "audit_entries", ["tenant_id", "id"], postgresql_where="mac IS NULL"
    )
    op.create_index(
        "ix_audit_entries_actor",
        "audit_entries",
        ["tenant_id", "actor"],
        postgresql_where="address IS NOT NULL",
    )
    secure("audit_entries", app=f"SELECT, INSERT ({_WHAT_HAPPENED})")
    open_to_system(
        "audit_entries",
        update=(*_CHAIN, "actor_member_id", "target_member_id"),
        also=(f"INSERT ({_WHAT_HAPPENED})",),
    )
    let_eraser("audit_entries", read=("action", "actor", "address", "address_salt"), update=_PERSONAL)
    op.execute(f"GRANT INSERT ({_WHAT_HAPPENED}) ON audit_entries TO {role('eraser')}")
    op.execute(f"REVOKE DELETE ON audit_entries FROM {role('eraser')}")
    _refuse_changes()

    op.create_table(
        "audit_chains",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("wrapping_key", sa.String(), nullable=False),
        sa.Column("wrapped_chain_key", sa.LargeBinary(), nullable=False),
        sa.Column("pseudonym_wrapping_key", sa.String(), nullable=False),
        sa.Column("wrapped_pseudonym_key", sa.LargeBinary(), nullable=True),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_chains")),
    )
    # The doors see how far the chain is; its keys are the writer's, which reads no content.
    secure("audit_chains", app="SELECT (tenant_id, position)")
    open_to_system(
        "audit_chains",
        update=(
            "position",
            "mac",
            "wrapping_key",
            "wrapped_chain_key",
            "pseudonym_wrapping_key",
            "wrapped_pseudonym_key",
        ),
        also=("INSERT",),
    )
    let_eraser("audit_chains", read=("wrapped_pseudonym_key",), update=("wrapped_pseudonym_key",))
    op.execute(f"REVOKE DELETE ON audit_chains FROM {role('eraser')}")

    op.create_table(
        "audit_pseudonyms",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("pseudonym", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "member_id", name=op.f("pk_audit_pseudonyms")),
    )
    secure("audit_pseudonyms", app="SELECT")
    open_to_system("audit_pseudonyms", also=("INSERT",))
    let_eraser("audit_pseudonyms", read=("pseudonym",))


def _refuse_changes() -> None:
    """Nobody, the owner included, deletes an entry or changes what is chained, except by removing the trigger.

    Columns that say what happened never change; a chained entry only loses its address.
    """
    op.execute(
        """
        CREATE FUNCTION keep_audit_entries() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
        BEGIN
            IF TG_OP <> 'UPDATE' THEN
                RAISE EXCEPTION 'audit entries are never deleted' USING ERRCODE = 'restrict_violation';
            END IF;
            IF (NEW.tenant_id, NEW.id, NEW.at, NEW.actor_kind, NEW.address_digest, NEW.action,
                NEW.target_type, NEW.detail)
               IS DISTINCT FROM
               (OLD.tenant_id, OLD.id, OLD.at, OLD.actor_kind, OLD.address_digest, OLD.action,
                OLD.target_type, OLD.detail)
               OR (NEW.address IS NOT NULL AND NEW.address IS DISTINCT FROM OLD.address)
               OR (NEW.address_salt IS NOT NULL AND NEW.address_salt IS DISTINCT FROM OLD.address_salt)
               OR (NEW.actor_member_id IS NOT NULL AND NEW.actor_member_id IS DISTINCT FROM OLD.actor_member_id)
               OR (NEW.target_member_id IS NOT NULL
                   AND NEW.target_member_id IS DISTINCT FROM OLD.target_member_id)
               OR (OLD.mac IS NOT NULL AND
                   (NEW.position, NEW.previous_mac, NEW.mac, NEW.chained_at, NEW.actor, NEW.target_id)
                   IS DISTINCT FROM
                   (OLD.position, OLD.previous_mac, OLD.mac, OLD.chained_at, OLD.actor, OLD.target_id))
            THEN
                RAISE EXCEPTION 'audit entries are never changed' USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER keep_audit_entries BEFORE UPDATE OR DELETE ON audit_entries"
        " FOR EACH ROW EXECUTE FUNCTION keep_audit_entries()"
    )
    op.execute(
        "CREATE TRIGGER keep_all_audit_entries BEFORE TRUNCATE ON audit_entries"
        " FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_entries()"
    )


def downgrade() -> None:
    op.drop_table("audit_pseudonyms")
    op.drop_table("audit_chains")
    op.drop_table("audit_entries")
    op.execute("DROP FUNCTION keep_audit_entries()")
