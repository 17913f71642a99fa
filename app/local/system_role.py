"""The system role's database, for commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.database import Database, psycopg_url
from app.settings import Settings


@asynccontextmanager
async def system_database(settings: Settings, *, name: str) -> AsyncIterator[Database]:
    """One connection, by this application name. Raises: `MissingSetting`."""
    url = psycopg_url(settings.required("database_system_url"))
    system = Database(url, pool_size=1, application_name=name)
    try:
        yield system
    finally:
        await system.close()
