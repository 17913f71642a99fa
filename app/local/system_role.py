"""The system role's database for commands: where DATABASE_SYSTEM_URL leads, else the system that runs here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from app.core.database import Database, psycopg_url
from app.local.migrate import remembered_urls
from app.local.running import Ports, read_running
from app.local.state import ANCHORS, State
from app.settings import Settings
from app.vocabulary import Environment


def of_this_machine(settings: Settings) -> Settings:
    """The settings themselves, or those of the embedded system that runs here."""
    state = State.default()
    if settings.database_system_url is not None or read_running(state) is None:
        return settings
    port = Ports(state).known("postgres")
    urls = None if port is None else remembered_urls(state.path / "postgres-roles.json", port)
    if urls is None:
        return settings
    return settings.model_copy(
        update={
            "database_system_url": SecretStr(urls.system),
            "env": Environment.DEVELOPMENT,
            "keyring": settings.keyring or state.path / "keyring.json",
            "audit_anchors": settings.audit_anchors or state.path / ANCHORS,
        }
    )


@asynccontextmanager
async def system_database(settings: Settings, *, name: str) -> AsyncIterator[Database]:
    """One connection, by this application name. Raises: `MissingSetting`."""
    url = psycopg_url(settings.required("database_system_url"))
    system = Database(url, pool_size=1, application_name=name)
    try:
        yield system
    finally:
        await system.close()
