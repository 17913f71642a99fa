"""Everybody's requests through one connection: each sees their own, and nothing stays on the connection."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session, SessionTransaction

from app.core import database as core
from app.core.database import Database, libpq_url
from app.core.keyring import LocalKeyring
from tests.conftest import TestDatabase
from tests.entra import RunningEntra
from tests.isolation.crowds import check_owners, crowd, customers
from tests.isolation.watched_pool import CLEAN, WatchedPool
from tests.processes import System

REQUESTS = 400
AT_ONCE = 12


@pytest.fixture
async def running(
    database: TestDatabase, redis_url: str, tmp_path: Path, keyring: LocalKeyring, entra: RunningEntra
) -> AsyncIterator[System]:
    """Tenants, programs and pools, and no process."""
    async with customers(database, redis_url, tmp_path, keyring, entra) as made:
        yield made


async def test_400_requests_through_one_connection_show_each_only_their_own(
    running: System, entra: RunningEntra
) -> None:
    async with crowd(running, entra, api_database_connections=1) as (everybody, services):
        pool = everybody.pool
        with WatchedPool(services.lookups) as lookups:
            await everybody.ask(REQUESTS, AT_ONCE)
    assert sum(everybody.done.values()) == REQUESTS
    assert min(everybody.done.values()) >= REQUESTS // len(everybody.kinds())
    assert pool.most_out == lookups.most_out == 1
    assert pool.leaks == lookups.leaks == {}
    assert pool.looks["taken", CLEAN] > REQUESTS / 2
    assert pool.looks["given back", CLEAN] > REQUESTS / 2
    await check_owners(running, everybody)


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
        async with crowd(running, entra, api_database_connections=1) as (everybody, _):
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
