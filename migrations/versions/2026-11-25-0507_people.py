"""Tell of a change of somebody's role or state, and of a program's registration. Runs before the deploy.

Revision: 0015
Follows: 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With the rights of whoever writes: it does nothing but tell, and says of whom to nobody.
    op.execute(
        """
        CREATE FUNCTION tell_of_people() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
        BEGIN
            PERFORM pg_notify('switchboard_people', '');
            RETURN NULL;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION tell_of_people() FROM PUBLIC")
    # Not at each sign-in, which writes a name and a time: a notification is a lock that all commits share.
    op.execute(
        "CREATE TRIGGER tell_of_people AFTER UPDATE OF role, state ON members FOR EACH ROW"
        " WHEN ((OLD.role, OLD.state) IS DISTINCT FROM (NEW.role, NEW.state))"
        " EXECUTE FUNCTION tell_of_people()"
    )
    op.execute(
        "CREATE TRIGGER tell_of_people AFTER INSERT OR UPDATE ON app_clients"
        " FOR EACH STATEMENT EXECUTE FUNCTION tell_of_people()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER tell_of_people ON app_clients")
    op.execute("DROP TRIGGER tell_of_people ON members")
    op.execute("DROP FUNCTION tell_of_people()")
