"""The database of the embedded system, from an empty cluster to one that the product can use.

Loaded while Postgres makes its cluster: the libraries behind it take about as long.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.database import Database, psycopg_url
from app.local.requirements import applied
from app.local.seed import migrate
from app.local.vendors import announce_vendors
from app.settings import Settings


@dataclass(frozen=True)
class Prepared:
    """What was done, and which models of this machine or of vendors are asked first."""

    lines: list[str]
    announcements: list[str]


def prepare_database(environment: Mapping[str, str], *, offline: bool) -> Prepared:
    """Schema, prompts, configuration, and the models that are there, in the owner's role.

    Raises: `SeedError`, `MissingSetting`.
    """
    with applied(environment):
        settings = Settings()
        lines = migrate(settings)
        announcements = asyncio.run(_announce(settings.required("database_owner_url"), offline=offline))
    return Prepared(lines, announcements)


async def _announce(owner_url: str, *, offline: bool) -> list[str]:
    database = Database(psycopg_url(owner_url), pool_size=1, application_name="switchboard-up")
    try:
        async with database.system() as session:
            return await announce_vendors(session, os.environ, offline)
    finally:
        await database.close()
