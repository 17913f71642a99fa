"""What tests of administration need to see: rows as the owner sees them."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.audit.record import Actor, ActorKind
from tests.conftest import TestDatabase

OPERATOR = Actor(ActorKind.OPERATOR, address="192.0.2.1")


def administrator(member_id: UUID) -> Actor:
    """A tenant's administrator as the audit record names it."""
    return Actor(ActorKind.MEMBER, member_id=member_id)


async def execute(database: TestDatabase, statement: str, **values: Any) -> None:
    """Run a statement in the owner's role."""
    async with database.owner.system() as session:
        await session.execute(text(statement), values)


async def rows(database: TestDatabase, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """What a query gives in the owner's role."""
    async with database.owner.system() as session:
        return [tuple(row) for row in await session.execute(text(statement), values)]


async def make_admin(database: TestDatabase, member_id: UUID) -> None:
    """Give a member the role TenantAdmin."""
    await execute(database, "UPDATE members SET role = 'TenantAdmin' WHERE id = :id", id=member_id)


async def snapshot(database: TestDatabase) -> dict[str, set[str]]:
    """Every row of every table, to see that nothing changed."""
    tables = [
        name
        for (name,) in await rows(
            database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        )
    ]
    return {
        table: {text_ for (text_,) in await rows(database, f'SELECT CAST(t AS text) FROM "{table}" t')}
        for table in tables
    }
