"""Alembic's environment. The caller gives the owner's URL and the role names in the config's options."""

from alembic import context
from sqlalchemy import create_engine, pool

from app.tables import Base

config = context.config


def run_migrations() -> None:
    """Run the revisions on one connection, each in its own transaction."""
    url = config.get_main_option("sqlalchemy.url")
    if not url:
        raise RuntimeError("run migrations with `switchboard migrate`: it knows the database and the roles")
    # Prepared statements belong to a session, which a pooler shares.
    engine = create_engine(url, poolclass=pool.NullPool, connect_args={"prepare_threshold": None})
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            compare_type=True,
            compare_server_default=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run_migrations()
