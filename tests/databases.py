"""Databases for tests: cloned from a migrated template, emptied between tests and used again.

Making and dropping one costs 25 ms of CPU at best, 150 ms beside others' checkpoints; emptying one costs 5 ms,
and its sessions find a warm catalogue. A database whose schema a test has changed is dropped instead.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

TEMPLATE = "migrated"
_LARGEST_BYTES = 64_000_000
"""Nothing vacuums here: what has grown beyond is dropped as well."""

_END_SESSIONS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

# Whatever a test creates, alters or grants writes a row of these catalogues.
_SHAPE = " UNION ALL ".join(
    f"SELECT '{catalogue}', count(*), max(xmin::text::bigint) FROM {catalogue} WHERE {mine}"
    for catalogue, mine in {
        "pg_attribute": "attrelid >= 16384",
        "pg_class": "oid >= 16384",
        "pg_constraint": "true",
        "pg_database": "datname = current_database()",
        "pg_default_acl": "true",
        "pg_index": "indexrelid >= 16384",
        "pg_namespace": "true",
        "pg_policy": "true",
        "pg_proc": "oid >= 16384",
        "pg_trigger": "true",
    }.items()
)

# `replica` keeps triggers and foreign keys out of it; tables that are empty already cost a look.
_EMPTY = """
SET session_replication_role = replica;
DO $$
DECLARE name text; used boolean;
BEGIN
    FOR name IN SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', name) INTO used;
        IF used THEN EXECUTE format('DELETE FROM %s', name); END IF;
    END LOOP;
END $$
"""


@dataclass
class Databases:
    """The databases of one test process; `url` is the superuser's, of the database `postgres`."""

    url: str
    _rows: dict[str, Any] = field(default_factory=dict)
    """What the migrations themselves have written, by table."""
    _shapes: dict[str, Any] = field(default_factory=dict)
    _free: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self._connect(TEMPLATE) as connection:
            names = connection.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            ).fetchall()
            for (name,) in names:
                rows = connection.execute(f'SELECT jsonb_agg(to_jsonb(t)) FROM "{name}" t').fetchone()
                if rows is not None and rows[0] is not None:
                    self._rows[name] = rows[0]

    def take(self) -> str:
        """The name of a database as the migrations leave it."""
        if self._free:
            return self._free.pop()
        name = f"test_{secrets.token_hex(8)}"
        with self._connect("postgres") as connection:
            connection.execute(
                f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY {_strategy(connection)}"
                " OWNER switchboard_owner"
            )
        with self._connect(name) as connection:
            self._shapes[name] = self._shape(connection)
        return name

    def give_back(self, name: str) -> None:
        """End its sessions, and empty it for another test if it is still what it was."""
        with self._connect(name) as connection:
            connection.execute(_END_SESSIONS)
            size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
            fit = (
                self._shape(connection) == self._shapes[name]
                and size is not None
                and size[0] < _LARGEST_BYTES
            )
            if fit:
                self._empty(connection)
                self._free.append(name)
        if not fit:
            with self._connect("postgres") as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _connect(self, name: str) -> psycopg.Connection:
        return psycopg.connect(f"{self.url.rsplit('/', 1)[0]}/{name}", autocommit=True)

    def _shape(self, connection: psycopg.Connection) -> Any:
        return sorted(connection.execute(_SHAPE).fetchall())

    def _empty(self, connection: psycopg.Connection) -> None:
        connection.execute(_EMPTY)
        for name, rows in self._rows.items():
            connection.execute(
                f'INSERT INTO "{name}" SELECT * FROM jsonb_populate_recordset(NULL::"{name}", %s)',
                [Jsonb(rows)],
            )


def _strategy(connection: psycopg.Connection) -> str:
    """Measured for our schema: 20 ms by copy_file_range where there is one, 48 ms by the log, 166 ms by copy."""
    try:
        connection.execute("SET file_copy_method = clone")
    except psycopg.errors.InvalidParameterValue:
        return "wal_log"
    return "file_copy"
