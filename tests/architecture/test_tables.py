"""Migrations lead to the tables that the code knows, and back."""

from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.local.migrate import alembic_config
from migrations import HEAD
from tests.conftest import TestDatabase


async def names(database: TestDatabase, statement: str) -> set[str]:
    async with database.owner.system() as session:
        return set((await session.execute(text(statement))).scalars())


def test_the_expected_revision_is_the_newest() -> None:
    config = alembic_config("postgresql://nobody@127.0.0.1/none")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


async def test_migrations_leave_no_drift_and_go_back(database: TestDatabase) -> None:
    from alembic import command

    config = alembic_config(database.owner_url)
    command.check(config)
    command.downgrade(config, "base")
    assert (
        await names(
            database,
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
        )
        == set()
    )
    command.upgrade(config, "head")
    command.check(config)
