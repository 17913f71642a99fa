"""Real Postgres and real Valkey for every test that asks; a fresh migrated database each time."""

import asyncio
import gc
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import hypothesis
import psycopg
import pytest
from redis.asyncio import Redis

from app.core.clock import new_id
from app.core.database import Database, libpq_url, psycopg_url
from app.core.keyring import LocalKeyring
from app.core.logging import configure
from app.core.redis import connect
from app.local.migrate import OWNER, ROLES, create_role, upgrade
from app.local.postgres import EmbeddedPostgres
from app.local.valkey import EmbeddedValkey
from app.vocabulary import PLATFORM
from tests.databases import TEMPLATE, Databases

pytest_plugins = ["tests.house", "tests.loopback"]
configure("console", process="tests")

# A shell's background job ignores these, and the processes that tests start and interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Where nothing compiled may be kept, as in many containers, each of the many processes compiles everything anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No key or address of the machine may reach a test: no real model call can leave it. Live tests take theirs here.
KEYS_OF_THE_MACHINE = {
    name: value
    for name, value in os.environ.items()
    if name.endswith("_API_KEY")
    or name in {"AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT", "OPENAI_COMPATIBLE_URL"}
}
for name in os.environ.keys() - {"SWITCHBOARD_TEST_MARKED", "SWITCHBOARD_PEERS"}:
    if name.endswith("_API_KEY") or name.startswith(
        ("SWITCHBOARD_", "DATABASE_", "REDIS_", "OPENAI_", "AZURE_OPENAI", "LANGSMITH_", "LANGCHAIN_")
    ):
        del os.environ[name]
os.environ["SWITCHBOARD_ENV"] = "development"

# On a machine that others use, how long one example takes says nothing of the product.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared")


def pytest_collection_finish() -> None:
    """What has been imported stays: looking through it again and again for garbage took a fifth of the tests' time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def service_folder() -> Iterator[Path]:
    """A folder for embedded services; others may pass through it, because Postgres runs as another user."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="switchboard-test-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@pytest.fixture(scope="session")
def postgres(service_folder: Path) -> Iterator[EmbeddedPostgres]:
    """One cluster per test process, with the roles made and a migrated template database."""
    with EmbeddedPostgres(service_folder / "postgres", durable=False) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            for role in ROLES:
                create_role(connection, role, "test")
            connection.execute(f"CREATE DATABASE {TEMPLATE} OWNER switchboard_owner")
        owner_url = url_for(server, OWNER, TEMPLATE)
        upgrade(owner_url)
        # The first connection to a database builds a cache of the catalogue, which clones then share.
        psycopg.connect(libpq_url(owner_url)).close()
        yield server


def url_for(server: EmbeddedPostgres, role: str, database: str) -> str:
    """The URL of a database in a role of the test cluster."""
    host = server.url.rsplit("@", 1)[1].split("/")[0]
    return psycopg_url(f"postgresql://{role}:test@{host}/{database}")


@dataclass
class TestDatabase:
    """A fresh database with one engine per role, and two tenants with two members each."""

    __test__ = False

    name: str
    app_url: str
    system_url: str
    owner_url: str
    eraser_url: str
    superuser_url: str
    app: Database
    system: Database
    owner: Database
    eraser: Database
    tenant_id: UUID
    member_id: UUID
    colleague_id: UUID
    other_tenant_id: UUID
    other_member_id: UUID


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Databases:
    """The databases of this test process."""
    return Databases(postgres.url)


@pytest.fixture
def database_name(databases: Databases) -> Iterator[str]:
    """The name of a database as the migrations leave it, for this test alone."""
    name = databases.take()
    yield name
    databases.give_back(name)


@pytest.fixture
async def database(postgres: EmbeddedPostgres, database_name: str) -> AsyncIterator[TestDatabase]:
    """A fresh database with real commits; row-level security applies as in production."""
    urls = {role: url_for(postgres, role, database_name) for role in ROLES}
    owner, app, system, eraser = (Database(urls[role]) for role in ROLES)
    fresh = TestDatabase(
        name=database_name,
        app_url=urls["switchboard_app"],
        system_url=urls["switchboard_system"],
        owner_url=urls["switchboard_owner"],
        eraser_url=urls["switchboard_eraser"],
        superuser_url=f"{postgres.url.rsplit('/', 1)[0]}/{database_name}",
        app=app,
        system=system,
        owner=owner,
        eraser=eraser,
        tenant_id=new_id(),
        member_id=new_id(),
        colleague_id=new_id(),
        other_tenant_id=new_id(),
        other_member_id=new_id(),
    )
    _populate(fresh)
    yield fresh
    await asyncio.gather(owner.close(), app.close(), system.close(), eraser.close())


def _populate(fresh: TestDatabase) -> None:
    tenants = [
        (PLATFORM, None, "PLATFORM"),
        (fresh.tenant_id, new_id(), "Contoso"),
        (fresh.other_tenant_id, new_id(), "Fabrikam"),
    ]
    members = [
        (fresh.tenant_id, fresh.member_id, new_id()),
        (fresh.tenant_id, fresh.colleague_id, new_id()),
        (fresh.other_tenant_id, fresh.other_member_id, new_id()),
    ]
    # Without an engine: one has questions of its own to ask before its first row.
    with psycopg.connect(libpq_url(fresh.owner_url)) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tenants (id, entra_tenant_id, name, state, allow_guests)"
            " VALUES (%s, %s, %s, 'active', false)",
            tenants,
        )
        cursor.executemany(
            "INSERT INTO members (tenant_id, id, entra_object_id, display_name, role, state)"
            " VALUES (%s, %s, %s, 'A member', 'Member', 'active')",
            members,
        )


@pytest.fixture(scope="session")
def valkey(service_folder: Path) -> Iterator[EmbeddedValkey]:
    """One Valkey per test process."""
    with EmbeddedValkey(service_folder / "valkey") as server:
        yield server


@pytest.fixture
def redis_url(valkey: EmbeddedValkey) -> str:
    """The address of a real Valkey, emptied for this test."""
    import redis as synchronous

    with synchronous.Redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the real Valkey."""
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def keyring(tmp_path: Path) -> LocalKeyring:
    """A fresh key-encryption key."""
    LocalKeyring.create(tmp_path / "keyring.json")
    return LocalKeyring.load(tmp_path / "keyring.json")
