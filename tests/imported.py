"""Imports before a test begins: done once in a test process, then copied row by row into other tests' databases.

The import of the platform is 160 statements and 0.15 s of CPU, and hundreds of tests begin with it. What an import
does is tested where it is called itself (tests/pools/test_seed.py, tests/tenants/test_seed.py).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.prompt_files import load_prompt_files
from app.core.yaml_text import load_yaml
from app.pools.seed import import_platform
from app.tenants.seed import import_tenants
from tests.conftest import TestDatabase
from tests.entra import SEED, seed_tenants

_NUMBER = "configuration_revision"
_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


@dataclass(frozen=True)
class _Rows:
    """What an import has written: lines of COPY by table, and by how much it raised the number."""

    lines: dict[str, bytes]
    raised: int


_done: dict[str, _Rows] = {}


async def platform_imported(database: TestDatabase) -> None:
    """The seed file's pools are there as on a machine without keys and without a small model."""

    async def write(session: AsyncSession) -> None:
        platform = load_yaml(SEED.read_text())["platform"]
        await import_platform(session, platform, load_prompt_files(), variables={})

    await _once(database, "platform", write)


async def tenants_imported(database: TestDatabase) -> None:
    """The seed file's tenants are customers."""

    async def write(session: AsyncSession) -> None:
        await import_tenants(session, seed_tenants())

    await _once(database, "tenants", write)


async def _once(database: TestDatabase, key: str, write: Callable[[AsyncSession], Awaitable[None]]) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        if key in _done and _copied(connection, _done[key]):
            return
        before, number = _all_lines(connection)
        async with database.owner.system() as session:
            await write(session)
        after, raised = _all_lines(connection)
    changed = {table for table, lines in before.items() if not lines <= after[table]}
    if not changed:
        new = {table: b"".join(sorted(after[table] - before[table])) for table in after}
        _done[key] = _Rows({table: lines for table, lines in new.items() if lines}, raised - number)


def _copied(connection: psycopg.Connection, rows: _Rows) -> bool:
    """False if some of it is there already: then the import itself knows what to do."""
    try:
        with connection.transaction(), connection.cursor() as cursor:
            # Neither triggers nor foreign keys, which refer to each other: all of it held where it comes from.
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table, lines in rows.lines.items():
                with cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                    copy.write(lines)
            cursor.execute(f"UPDATE {_NUMBER} SET number = number + {rows.raised}")
            cursor.execute(
                "SELECT pg_notify('switchboard_configuration', ''), pg_notify('switchboard_people', '')"
            )
    except psycopg.errors.UniqueViolation:
        return False
    return True


def _all_lines(connection: psycopg.Connection) -> tuple[dict[str, set[bytes]], int]:
    found: dict[str, set[bytes]] = {}
    for (table,) in connection.execute(_TABLES).fetchall():
        if table != _NUMBER:
            with connection.cursor().copy(f'COPY "{table}" TO STDOUT') as copy:
                found[table] = set(b"".join(map(bytes, copy)).splitlines(keepends=True))
    number = connection.execute(f"SELECT number FROM {_NUMBER}").fetchone()
    return found, 0 if number is None else number[0]
