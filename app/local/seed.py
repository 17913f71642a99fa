"""What `switchboard migrate` puts into the tables: prompt sets, and the configuration file where one is set."""

import asyncio
from pathlib import Path
from typing import Any

from app.copilot.prompt_files import load_prompt_files
from app.core.database import Database, psycopg_url
from app.core.errors import SeedError
from app.local.migrate import upgrade
from app.local.requirements import reach_database
from app.local.yaml_file import read_yaml
from app.pools.seed import import_platform
from app.settings import Settings
from app.tenants.seed import import_tenants
from app.vocabulary import Environment

_VERSION = 1
_PARTS = {"version", "tenants", "platform"}


def migrate(settings: Settings) -> list[str]:
    """Bring schema and configuration up to date; gives one line for each thing done.

    Raises: `MissingSetting`, `SeedError`; `ServiceFailed` when the database cannot be reached.
    """
    owner_url = settings.required("database_owner_url")
    seed = read_seed(settings.seed) if settings.seed is not None else {}
    if settings.env is Environment.PRODUCTION and seed.get("tenants"):
        raise SeedError(
            f"{settings.seed}: tenants: only development imports tenants; customers are onboarded"
        )
    reach_database("DATABASE_OWNER_URL", owner_url)
    upgrade(owner_url)
    return ["schema is up to date", *asyncio.run(_import(owner_url, seed, settings.seed))]


def read_seed(path: Path) -> dict[str, Any]:
    """The configuration file. Raises: `SeedError` with the place of what is wrong."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise SeedError(f"{path}: the file must hold version, tenants and platform")
    unknown = sorted(map(str, content.keys() - _PARTS))
    if unknown:
        raise SeedError(f"{path}: {unknown[0]}: unknown; there is {', '.join(sorted(_PARTS))}")
    if content.get("version") != _VERSION:
        raise SeedError(f"{path}: version: must be {_VERSION}, it is {content.get('version')!r}")
    return content


async def _import(owner_url: str, seed: dict[str, Any], path: Path | None) -> list[str]:
    database = Database(psycopg_url(owner_url), pool_size=1, application_name="switchboard-migrate")
    file = str(path) if path is not None else "the configuration"
    try:
        async with database.system() as session:
            lines = await import_tenants(session, seed.get("tenants") or [], file=file)
            await import_platform(session, seed.get("platform") or {}, load_prompt_files())
    finally:
        await database.close()
    return lines
