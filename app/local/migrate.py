"""Roles and schema. Safe to run again at any time; seed.py imports what goes into the tables."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy.exc import DBAPIError

import app.tables  # noqa: F401 - Alembic compares with every room's tables
from app.core.database import libpq_url, psycopg_url
from app.local.guarded import ServiceFailed

_MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
OWNER = "switchboard_owner"
ROLES = (OWNER, "switchboard_app", "switchboard_system", "switchboard_eraser")
_ATTRIBUTES = "NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"
_MIGRATING = 7_203_000
"""Advisory lock of migrations: two `migrate` at once run one after the other."""
_IDLE_SECONDS = 5
"""A process that freezes inside a transaction lets go of its locks after this. On the role, because a
pooler passes no session settings on; nothing of ours waits for anybody inside a transaction."""


def alembic_config(owner_url: str) -> Config:
    """Alembic's configuration for a database, in the owner's role."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option(
        "file_template", "%%(year)d-%%(month).2d-%%(day).2d-%%(hour).2d%%(minute).2d_%%(slug)s"
    )
    # A percent sign in a password is not an interpolation.
    config.set_main_option("sqlalchemy.url", psycopg_url(owner_url).replace("%", "%%"))
    return config


def upgrade(owner_url: str) -> None:
    """Bring a database to the newest revision. Raises: `ServiceFailed` when the database refuses that."""
    try:
        # Held by a transaction, not by a session: behind a pooler sessions are shared.
        with psycopg.connect(libpq_url(owner_url)) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATING])
            command.upgrade(alembic_config(owner_url), "head")
    except (DBAPIError, psycopg.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        # Of a schema, never of content: nothing of a tenant is read or written here.
        words = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
        raise ServiceFailed(
            f"the database refuses the migration: {words or type(cause).__name__}. A database administrator"
            f" creates the roles and gives the database to its owner once:\n{roles_sql()}"
        ) from error


@dataclass(frozen=True)
class DatabaseUrls:
    """One database in four roles."""

    app: str
    system: str
    owner: str
    eraser: str

    def environment(self) -> dict[str, str]:
        """The settings of a process."""
        return {
            "DATABASE_URL": self.app,
            "DATABASE_SYSTEM_URL": self.system,
            "DATABASE_OWNER_URL": self.owner,
            "DATABASE_ERASER_URL": self.eraser,
            "DATABASE_DIRECT_URL": self.app,
        }


def prepare(superuser_url: str, passwords: Path, *, database: str = "switchboard") -> DatabaseUrls:
    """Create roles and database in an embedded cluster; `passwords` is the file that remembers them."""
    known = _passwords(passwords)
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        for role in ROLES:
            create_role(connection, role, known[role])
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(OWNER))
            )
    return _urls(known, superuser_url.rsplit("@", 1)[1].split("/", maxsplit=1)[0], database)


def remembered_urls(passwords: Path, port: int, *, database: str = "switchboard") -> DatabaseUrls | None:
    """What `prepare` gave before; None if it was never called."""
    if not passwords.exists():
        return None
    return _urls(_passwords(passwords), f"127.0.0.1:{port}", database)


def _urls(known: Mapping[str, str], place: str, database: str) -> DatabaseUrls:
    owner, member, system, eraser = (
        f"postgresql://{role}:{known[role]}@{place}/{database}" for role in ROLES
    )
    return DatabaseUrls(app=member, system=system, owner=owner, eraser=eraser)


def _passwords(path: Path) -> dict[str, str]:
    """The roles' passwords; a file of an older version learns the roles that it does not know."""
    try:
        known: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        known = {}
    missing = {role: secrets.token_urlsafe(24) for role in ROLES if role not in known}
    if missing:
        known |= missing
        scratch = path.with_name(f"{path.name}.new")
        handle = os.open(scratch, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(known, file)
        # In one step: half a file of passwords would lock the product out of its own database.
        scratch.replace(path)
    return known


def create_role(connection: psycopg.Connection, role: str, password: str) -> None:
    """Create one of our roles, or give the one that is there this password."""
    name = sql.Identifier(role)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN PASSWORD {} " + _ATTRIBUTES).format(name, sql.Literal(password))
    )
    if role != OWNER:
        connection.execute(
            sql.SQL("ALTER ROLE {} SET idle_in_transaction_session_timeout = {}").format(
                name, sql.Literal(f"{_IDLE_SECONDS}s")
            )
        )


def roles_sql() -> str:
    """What a database administrator runs once, where `migrate` itself may not create roles."""
    lines = [f"CREATE ROLE {role} LOGIN PASSWORD '<a password>' {_ATTRIBUTES};" for role in ROLES]
    lines += [
        f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s';"
        for role in ROLES
        if role != OWNER
    ]
    return "\n".join([*lines, f"ALTER DATABASE <your database> OWNER TO {OWNER};"])
