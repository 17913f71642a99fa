"""Everybody's requests through one connection: each sees their own, and nothing stays on the connection."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session, SessionTransaction

from app.core import database as core
from app.core.database import Database, libpq_url
from app.core.keyring import LocalKeyring
from app.http.services import Services
from app.local.entra.registrations import AUTOMATION_CLIENT_ID
from app.tenants.app_clients import register_app_client
from app.tenants.seed import import_tenants
from tests import entra as people
from tests.conftest import TestDatabase
from tests.entra import RunningEntra, seed_tenants
from tests.house import serve_with_services
from tests.isolation.askers import Asker, Crowd
from tests.isolation.watched_pool import CLEAN, WatchedPool
from tests.processes import System, system

REQUESTS = 400
AT_ONCE = 12

_PEOPLE = {
    people.ADA: "abelmosk",
    people.ALAN: "bdellium",
    people.GRACE: "cardamom",
    people.EDSGER: "dulcimer",
}
_PROGRAMS = {"contoso.example": "eglantine", "fabrikam.example": "frankincense"}


@pytest.fixture
async def running(
    database: TestDatabase, redis_url: str, tmp_path: Path, keyring: LocalKeyring, entra: RunningEntra
) -> AsyncIterator[System]:
    """Tenants, programs and pools, and no process."""
    entra.reset()
    async with database.owner.system() as session:
        await import_tenants(session, seed_tenants())
    with system(database, redis_url, tmp_path, keyring) as made:
        await made.configure()
        for name in _PROGRAMS:
            found = await made.rows(
                "SELECT id FROM tenants WHERE entra_tenant_id = CAST(:entra AS uuid)",
                entra=entra.app.people.tenant_id(name),
            )
            async with database.app.tenant(found[0]["id"]) as session:
                await register_app_client(
                    session, tenant_id=found[0]["id"], client_id=UUID(AUTOMATION_CLIENT_ID), name="Archive"
                )
        yield made


@asynccontextmanager
async def crowd(running: System, entra: RunningEntra) -> AsyncIterator[tuple[Crowd, Services]]:
    """Everybody before an API with one connection, each with a few things of their own."""
    askers = [
        Asker(login, "/addin/v1", word, {"Authorization": f"Bearer {entra.token(login)}"})
        for login, word in _PEOPLE.items()
    ]
    for tenant, word in _PROGRAMS.items():
        token = entra.application_token(tenant)
        askers.append(Asker(tenant, "/automation/v1", word, {"Authorization": f"Bearer {token}"}))
    async with (
        serve_with_services(running, entra, api_database_connections=1) as (api, services),
        httpx.AsyncClient(base_url=api, trust_env=False, timeout=30.0) as http,
    ):
        with WatchedPool(services.database) as pool:
            made = Crowd(askers, http, pool, random.Random(20261125))
            for asker in askers:
                await made.settle(asker)
            yield made, services


async def owners(running: System) -> dict[str, tuple[str, str | None]]:
    """Whose each row is that has an id of its own: tenant and, where there is one, member."""
    rows = await running.rows(
        " UNION ALL ".join(
            f"SELECT id::text AS id, tenant_id::text AS tenant, member_id::text AS member FROM {table}"
            for table in ("documents", "jobs", "job_steps", "upload_sessions")
        )
        + " UNION ALL SELECT id::text, tenant_id::text, id::text FROM members"
        " UNION ALL SELECT id::text, id::text, NULL FROM tenants"
    )
    return {row["id"]: (row["tenant"], row["member"]) for row in rows}


async def test_400_requests_through_one_connection_show_each_only_their_own(
    running: System, entra: RunningEntra
) -> None:
    async with crowd(running, entra) as (everybody, services):
        pool = everybody.pool
        with WatchedPool(services.lookups) as lookups:
            await everybody.ask(REQUESTS, AT_ONCE)
    assert sum(everybody.done.values()) == REQUESTS
    assert min(everybody.done.values()) >= REQUESTS // len(everybody.kinds())
    assert pool.most_out == lookups.most_out == 1
    assert pool.leaks == lookups.leaks == {}
    assert pool.looks["taken", CLEAN] > REQUESTS / 2
    assert pool.looks["given back", CLEAN] > REQUESTS / 2
    whose = await owners(running)
    members = {whose[asker.jobs[0]] for asker in everybody.askers}
    assert len(members) == len(everybody.askers)
    for asker in everybody.askers:
        tenant, member = whose[asker.jobs[0]]
        of_others = {
            one for one in asker.seen & whose.keys() if whose[one] not in ((tenant, member), (tenant, None))
        }
        assert of_others == set(), asker.name
        assert len(asker.seen & whose.keys()) >= 4


async def test_a_tenant_set_for_the_session_would_be_told(
    running: System, entra: RunningEntra, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_for_session(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
        connection.execute(
            text("SELECT set_config('app.tenant_id', :tenant, false)"),
            {"tenant": str(session.info.get("tenant_id", ""))},
        )

    event.remove(core._TenantSession, "after_begin", core._set_tenant)
    event.listen(core._TenantSession, "after_begin", set_for_session)
    try:
        async with crowd(running, entra) as (everybody, _):
            await everybody.ask(40, AT_ONCE)
    finally:
        event.remove(core._TenantSession, "after_begin", set_for_session)
        event.listen(core._TenantSession, "after_begin", core._set_tenant)
    seen = {(when, bool(tenant), jobs > 0) for when, (tenant, _, jobs, _) in everybody.pool.leaks}
    # Not the setting alone stays: whoever takes the connection next without a tenant sees the last one's rows.
    assert seen >= {("given back", True, True), ("taken", True, True)}


async def test_one_who_is_cancelled_in_the_middle_of_a_statement_leaves_nothing_to_the_next(
    database: TestDatabase,
) -> None:
    one, other = Database(database.app_url, pool_size=1), Database(database.app_url)
    async with await psycopg.AsyncConnection.connect(libpq_url(database.app_url)) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(1)")
        waiting = asyncio.Event()

        async def wait_for_lock() -> None:
            async with one.tenant(database.tenant_id) as session:
                await session.execute(text("SET LOCAL statement_timeout = 0"))
                waiting.set()
                await session.execute(text("SELECT pg_advisory_xact_lock(1)"))

        with WatchedPool(one) as pool:
            for _ in range(3):
                waiting.clear()
                task = asyncio.create_task(wait_for_lock())
                await waiting.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                async with one.tenant(database.other_tenant_id) as session:
                    members = (await session.execute(text("SELECT id FROM members"))).scalars().all()
                assert members == [database.other_member_id]
                async with one.system() as session:
                    assert await session.scalar(text("SELECT count(*) FROM members")) == 0
    assert pool.leaks == {}
    assert pool.most_out == 1
    await asyncio.gather(one.close(), other.close())
