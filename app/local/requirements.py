"""What the environment must hold before anything starts: said in a sentence, not by a process that dies."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import redis

from app.core.database import libpq_url
from app.local.guarded import ServiceFailed
from app.settings import Settings
from app.vocabulary import Environment

DATABASE_VARIABLES = (
    "DATABASE_URL",
    "DATABASE_SYSTEM_URL",
    "DATABASE_OWNER_URL",
    "DATABASE_ERASER_URL",
    "DATABASE_DIRECT_URL",
)
_NEEDED = {
    "DATABASE_URL": "the role switchboard_app",
    "DATABASE_SYSTEM_URL": "the role switchboard_system",
    "DATABASE_ERASER_URL": "the role switchboard_eraser",
}
_SECONDS = 3
_REFUSALS = {
    "refused": "nobody listens there",
    "translate host": "the host is not known",
    "resolve host": "the host is not known",
    "no password supplied": "it asks for a password, and the address has none",
    "password authentication failed": "it refuses the user or the password",
    "pg_hba.conf": "its pg_hba.conf does not let this user in",
    "timeout": "no answer in time",
    "does not exist": "the user or the database does not exist",
}
"""libpq's words and ours. The message itself may hold parts of the address, a password among them."""


@contextmanager
def applied(environment: Mapping[str, str]) -> Iterator[None]:
    """Let this process read these variables: settings and placeholders look into its environment."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def check_environment(given: Mapping[str, str]) -> None:
    """Everything that the environment names, before the system starts with it.

    Raises: `ServiceFailed` saying what to do; `ValidationError` of a setting.
    """
    with applied(given):
        Settings(env=Environment.DEVELOPMENT)
    if named := [variable for variable in DATABASE_VARIABLES if given.get(variable)]:
        for variable, role in _NEEDED.items():
            if not given.get(variable):
                raise ServiceFailed(
                    f"{variable} ({role}) is not set, and {', '.join(named)} is: set each for a Postgres of"
                    " your own, or none of them for the embedded one; `switchboard doctor` checks each"
                )
        for variable in named:
            reach_database(variable, given[variable])
    if given.get("REDIS_URL"):
        _reach_redis(given["REDIS_URL"])


def reach_database(variable: str, url: str) -> tuple[int, str]:
    """The server's major version and our role there. Raises: `ServiceFailed` in words that hold no password."""
    try:
        with psycopg.connect(libpq_url(url), connect_timeout=_SECONDS) as connection:
            return connection.info.server_version // 10000, connection.info.user
    except psycopg.OperationalError as error:
        told = str(error)
        reason = next((words for sign, words in _REFUSALS.items() if sign in told), "no connection")
        raise ServiceFailed(
            f"{variable}: {reason} ({_place(url)}); start that Postgres or correct {variable}"
        ) from None
    except (psycopg.Error, ValueError):
        raise ServiceFailed(
            f"{variable} is not the address of a Postgres: write postgresql://USER:PASSWORD@HOST:5432/DATABASE,"
            " with %40 for @ and %2F for / in the password"
        ) from None


def hears(url: str) -> bool:
    """Whether a connection there is told what others notify of: not through a pooler that shares sessions.

    Raises: `psycopg.Error`.
    """
    place = libpq_url(url)
    with (
        psycopg.connect(place, autocommit=True, connect_timeout=_SECONDS) as listener,
        psycopg.connect(place, autocommit=True, connect_timeout=_SECONDS) as speaker,
    ):
        listener.execute("LISTEN switchboard_doctor")
        speaker.execute("NOTIFY switchboard_doctor")
        return any(listener.notifies(timeout=_SECONDS, stop_after=1))


def _place(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or 'this machine'}, port {parts.port or 5432}"
    except ValueError:
        return "an address that cannot be read"


def _reach_redis(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise ServiceFailed(
            f"REDIS_URL: no connection ({type(error).__name__}); start that server or correct REDIS_URL"
        ) from None
