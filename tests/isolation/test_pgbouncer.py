"""Through pgbouncer in transaction mode: sessions are shared by everybody's clients, and nobody notices."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from alembic import command
from sqlalchemy import text

from app.core.clock import new_id
from app.core.database import Database, libpq_url
from app.core.keyring import LocalKeyring
from app.core.listener import Listener
from app.jobs.notify import CONFIGURATION
from app.local.doctor import Check, examine
from app.local.migrate import alembic_config, upgrade
from app.local.state import State
from tests.conftest import TestDatabase
from tests.entra import RunningEntra
from tests.house import serve
from tests.isolation.askers import Asker, Crowd
from tests.isolation.crowds import check_owners, crowd, customers
from tests.pgbouncer import RunningPgbouncer, pgbouncer_binary
from tests.processes import until
from tests.trust import PLAIN

pytestmark = [
    pytest.mark.pgbouncer,
    pytest.mark.skipif(
        os.environ.get("SWITCHBOARD_TEST_MARKED") != "1", reason="set SWITCHBOARD_TEST_MARKED=1"
    ),
    pytest.mark.skipif(pgbouncer_binary() is None, reason="there is no pgbouncer: apt-get install pgbouncer"),
]
REQUESTS = 100
Before = Callable[[int], RunningPgbouncer]


@pytest.fixture
def pgbouncer(database: TestDatabase, service_folder: Path) -> Before:
    """A pgbouncer before the test's database, with so many server connections for each role."""
    return lambda connections: RunningPgbouncer(
        database, service_folder / f"pgbouncer-{new_id().hex}", connections=connections
    )


async def test_requests_and_jobs_of_several_tenants_share_three_sessions(
    pgbouncer: Before, redis_url: str, tmp_path: Path, keyring: LocalKeyring, entra: RunningEntra
) -> None:
    async with (
        pgbouncer(3) as pooler,
        customers(pooler.database, redis_url, tmp_path, keyring, entra, **_direct(pooler)) as running,
        crowd(running, entra) as (everybody, services),
    ):
        running.start_all()
        await everybody.ask(REQUESTS, 24)

        for asker in everybody.askers:
            await _has_its_answer(everybody, asker, running.autopsy)
        await check_owners(running, everybody)
        # More transactions at once than sessions; what the sessions keep is nothing.
        assert everybody.pool.most_out > 3
        assert everybody.pool.leaks == {}
        assert 0 < await pooler.server_connections() <= 3
        for _ in range(3):
            async with services.database.system() as session:
                assert await session.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0


async def _has_its_answer(everybody: Crowd, asker: Asker, autopsy: Callable[[], str]) -> None:
    """The job that nobody cancelled is done, and its text is its asker's."""
    job: dict[str, Any] = {}

    async def over() -> bool:
        job.update((await everybody.send(asker, "GET", f"/jobs/{asker.job_of_key}", 200)).json())
        return job["finished_at"] is not None

    await until(over, autopsy)
    assert job["state"] == "succeeded", job
    assert asker.word in job["result"]["text"]


def _direct(pooler: RunningPgbouncer) -> dict[str, str]:
    return {"DATABASE_DIRECT_URL": pooler.behind.app_url}


async def test_what_a_session_would_keep_reaches_the_next_client(
    pgbouncer: Before, database: TestDatabase
) -> None:
    """So the product keeps nothing in a session: this is what it would be like if it did."""
    async with pgbouncer(1) as pooler:
        url = libpq_url(pooler.database.app_url)
        async with (
            await psycopg.AsyncConnection.connect(url, autocommit=True) as one,
            await psycopg.AsyncConnection.connect(url, autocommit=True) as other,
        ):
            count = "SELECT count(*) FROM members"
            setting = "SELECT set_config('app.tenant_id', %s, false)"
            await one.execute(setting, [str(database.tenant_id)])
            assert await (await other.execute(count)).fetchone() == (2,)
            await one.execute(setting, [""])
            await one.execute("SELECT 1", prepare=True)
            with pytest.raises(psycopg.errors.DuplicatePreparedStatement):
                await other.execute("SELECT 2", prepare=True)
            # The same through the product's own sessions, many times over.
            ours = Database(pooler.database.app_url)
            for _ in range(10):
                async with ours.tenant(database.tenant_id) as session:
                    assert await session.scalar(text(count)) == 2
                assert await (await other.execute(count)).fetchone() == (0,)
            await ours.close()


async def test_one_session_is_enough_for_requests_that_look_something_up(
    pgbouncer: Before, redis_url: str, tmp_path: Path, keyring: LocalKeyring, entra: RunningEntra
) -> None:
    # The first submission looks up how jobs are routed while it holds the only session there is: that goes past it.
    async with (
        pgbouncer(1) as pooler,
        customers(pooler.database, redis_url, tmp_path, keyring, entra, **_direct(pooler)) as running,
        serve(running, entra) as api,
        httpx.AsyncClient(base_url=f"{api}/addin/v1", trust_env=False, verify=PLAIN, timeout=30.0) as http,
    ):
        http.headers["Authorization"] = f"Bearer {entra.token()}"
        body = {"task_type": "summarize", "input": {"text": "The lease ends in May. The desk stays."}}
        answers = await asyncio.gather(*(http.post("/jobs", json=body) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [202] * 4


async def test_notifications_sent_through_it_arrive_past_it(pgbouncer: Before, tmp_path: Path) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with pgbouncer(2) as pooler:
        listener = Listener(pooler.behind.app_url, {CONFIGURATION: heard.put_nowait})
        listener.start()
        assert await heard.get() == ""
        ours = Database(pooler.database.system_url)
        async with ours.system() as session:
            await session.execute(text("SELECT pg_notify(:channel, 'changed')"), {"channel": CONFIGURATION})
        assert await asyncio.wait_for(heard.get(), 20) == "changed"
        await asyncio.gather(listener.close(), ours.close())


async def test_the_doctor_tells_who_listens_through_it(pgbouncer: Before, tmp_path: Path) -> None:
    async with pgbouncer(2) as pooler:
        through = {"DATABASE_URL": pooler.database.app_url}

        def listening(environment: dict[str, str]) -> Check:
            checks = examine(State(tmp_path / "state"), environment)
            return next(check for check in checks if check.name == "listen")

        told = await asyncio.to_thread(listening, through)
        assert not told.ok
        assert "DATABASE_DIRECT_URL" in told.advice
        assert (await asyncio.to_thread(listening, through | _direct(pooler))).ok


async def test_migrations_through_it_leave_no_lock_behind(pgbouncer: Before) -> None:
    async with pgbouncer(2) as pooler:
        url = pooler.database.owner_url
        await asyncio.to_thread(command.downgrade, alembic_config(url), "base")
        await asyncio.to_thread(upgrade, url)
        async with await psycopg.AsyncConnection.connect(libpq_url(pooler.behind.owner_url)) as connection:
            left = await connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            assert await left.fetchone() == (0,)
