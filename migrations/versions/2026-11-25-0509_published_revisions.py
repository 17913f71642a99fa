"""Keep published revisions of pools as they are. Runs before the deploy.

A revision that was published once explains the jobs that it served: neither it nor its members change or
go, whoever asks; the eraser alone takes them away with their tenant.

Revision: 0017
Follows: 0016
"""

from alembic import op

from migrations.row_level_security import role

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_FUNCTIONS = ("keep_published_revision()", "keep_published_members()")


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION keep_published_revision() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
        BEGIN
            RAISE EXCEPTION 'published revisions are never changed' USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    # A member that is moved is judged by where it comes from and by where it goes to.
    op.execute(
        """
        CREATE FUNCTION keep_published_members() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
        BEGIN
            IF EXISTS (
                SELECT 1 FROM public.pool_revisions r
                WHERE r.published_at IS NOT NULL AND (
                    (TG_OP <> 'INSERT' AND r.tenant_id = OLD.tenant_id AND r.id = OLD.revision_id)
                    OR (TG_OP <> 'DELETE' AND r.tenant_id = NEW.tenant_id AND r.id = NEW.revision_id))
            ) THEN
                RAISE EXCEPTION 'members of published revisions are never changed'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN COALESCE(NEW, OLD);
        END $$
        """
    )
    for function in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    # `role` gives an identifier; here its name is compared.
    eraser = role("eraser")[1:-1].replace('""', '"').replace("'", "''")
    op.execute(
        "CREATE TRIGGER keep_published_revision BEFORE UPDATE OR DELETE ON pool_revisions FOR EACH ROW"
        f" WHEN (OLD.published_at IS NOT NULL AND current_user <> '{eraser}')"
        " EXECUTE FUNCTION keep_published_revision()"
    )
    op.execute(
        "CREATE TRIGGER keep_published_members BEFORE INSERT OR UPDATE OR DELETE ON pool_members FOR EACH ROW"
        f" WHEN (current_user <> '{eraser}')"
        " EXECUTE FUNCTION keep_published_members()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_published_members ON pool_members")
    op.execute("DROP TRIGGER keep_published_revision ON pool_revisions")
    for function in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
