"""Which system a command is for: the one of the environment's settings, else the one that runs on this machine."""

from pathlib import Path
from uuid import UUID

from pydantic import SecretStr

from app.local.migrate import DatabaseUrls, remembered_urls
from app.local.running import Ports, read_running
from app.local.state import ANCHORS, State
from app.settings import Settings
from app.vocabulary import Environment

_DATABASE = ("database_url", "database_system_url", "database_owner_url", "database_eraser_url")


def of_this_machine(settings: Settings) -> Settings:
    """The settings themselves where they name a database in any role, else those of the system that runs here.

    Nothing is mixed: whoever names one role's address means that database, and is told which other one is missing.
    """
    if any(getattr(settings, one) is not None for one in _DATABASE):
        return settings
    state = State.default()
    running = read_running(state)
    urls = None if running is None else embedded_database(state)
    if running is None or urls is None:
        return settings
    directory = UUID(running.operator_tenant) if running.operator_tenant else None
    return as_embedded(settings, state, urls).model_copy(
        update={
            "audit_anchors": settings.audit_anchors or state.path / ANCHORS,
            "operator_tenant": settings.operator_tenant or directory,
        }
    )


def embedded_database(state: State) -> DatabaseUrls | None:
    """Where the embedded database of this folder is, in each role; None if there never was one."""
    port = Ports(state).known("postgres")
    return None if port is None else remembered_urls(_passwords(state), port)


def as_embedded(settings: Settings, state: State, urls: DatabaseUrls) -> Settings:
    """The settings with the database and the keys of the embedded system."""
    return settings.model_copy(
        update={
            "database_url": SecretStr(urls.app),
            "database_system_url": SecretStr(urls.system),
            "database_owner_url": SecretStr(urls.owner),
            "env": Environment.DEVELOPMENT,
            "keyring": settings.keyring or state.path / "keyring.json",
        }
    )


def _passwords(state: State) -> Path:
    return state.path / "postgres-roles.json"
