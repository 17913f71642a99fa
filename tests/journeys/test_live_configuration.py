"""A published change counts in every process within a second, without restart, and no job mixes revisions."""

import asyncio
import re
import statistics
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

from app.core.keyring import LocalKeyring
from app.http.services import Services
from app.local.postgres import EmbeddedPostgres
from app.pools.publishing import NewMember, publish
from app.pools.repository import configuration_number
from app.pools.tables import Deployment, ModelPool, PromptSet
from app.vocabulary import Strategy
from tests.conftest import TestDatabase
from tests.entra import RunningEntra
from tests.house import serve_with_services
from tests.journeys.test_failures import SHORT, long_text, platform
from tests.processes import Child, System, system, until
from tests.scripted_vendor import ScriptedVendor
from tests.wire_formats import Behaviour

pytestmark = pytest.mark.processes
_RENEWED = re.compile(r"^(\S+Z) .*configuration renewed.*?\bnumber=(\d+)", re.MULTILINE)
PUBLISHES, BLIND = 20, 3
PROCESSES = 4
"""API, relay and two workers."""


@pytest.fixture
async def running(
    database: TestDatabase, redis_url: str, tmp_path: Path, keyring: LocalKeyring, vendor: ScriptedVendor
) -> AsyncIterator[System]:
    """A pool whose revisions are to be told apart: there is a deployment for each."""
    seed = platform(vendor.base_url)
    (first,) = seed["deployments"]
    names = [f"revision-{number}" for number in range(1, 5)]
    seed["deployments"] = [{**first, "name": name, "model_name": name} for name in names]
    seed["pools"][0]["members"] = [{"deployment": names[0], "prompt_set": "default"}]
    with system(database, redis_url, tmp_path, keyring) as made:
        await made.configure(platform=seed)
        yield made


async def publish_only(running: System, name: str) -> tuple[int, float]:
    """Publish a revision with this deployment alone; gives the configuration's number and the epoch second."""
    async with running.database.owner.system() as session:
        pool = (await session.scalars(select(ModelPool).where(ModelPool.name == "scripted"))).one()
        deployment = await session.scalar(select(Deployment.id).where(Deployment.name == name))
        prompts = await session.scalar(
            select(PromptSet.id).where(PromptSet.task_type == "summarize", PromptSet.name == "default")
        )
        assert deployment is not None
        assert prompts is not None
        assert await publish(session, pool, Strategy.WEIGHTED, [NewMember(deployment, prompts, {}, 0)])
        number = await configuration_number(session)
    return number, time.time()


def knew_at(child: Child, number: int) -> float | None:
    """When a process first knew a configuration of at least this number, by its log."""
    for at, known in _RENEWED.findall(child.log.read_text()):
        if int(known) >= number:
            return datetime.fromisoformat(at).timestamp()
    return None


async def known_everywhere(running: System, services: Services, number: int, published: float) -> list[float]:
    """Seconds from the publish until each process knew it: the API, then the others."""
    async with asyncio.timeout(5):
        await services.configuration.newer_than(number - 1)
    waited = [time.time() - published]

    async def known() -> bool:
        return all(knew_at(child, number) is not None for child in running.children)

    await until(known, running.autopsy, seconds=5)
    return waited + [(knew_at(child, number) or 0.0) - published for child in running.children]


def cut_listeners(server: EmbeddedPostgres, database: TestDatabase) -> int:
    """End every connection on which this database's processes hear of changes; gives how many there were."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        cut = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'switchboard-listener' AND datname = %s",
            (database.name,),
        )
        return len(cut.fetchall())


def said(what: str, took: list[float]) -> None:
    print(
        f"{what}: {len(took)} effects, p50 {statistics.median(took) * 1000:.0f} ms, max {max(took) * 1000:.0f} ms"
    )


async def changes_count_within_a_second(
    running: System, services: Services, server: EmbeddedPostgres
) -> None:
    """With notifications and, its listeners just cut off, by looking."""
    heard: list[float] = []
    for turn in range(PUBLISHES):
        number, published = await publish_only(running, f"revision-{2 + turn % 2}")
        heard += await known_everywhere(running, services, number, published)
    said("publish to effect", heard)
    assert len(heard) == PUBLISHES * PROCESSES
    assert max(heard) < 1.0
    looked: list[float] = []
    for turn in range(BLIND):
        assert await asyncio.to_thread(cut_listeners, server, running.database) == PROCESSES
        number, published = await publish_only(running, f"revision-{2 + turn % 2}")
        looked += await known_everywhere(running, services, number, published)

        async def listening_again() -> bool:
            rows = await running.rows(
                "SELECT 1 FROM pg_stat_activity"
                " WHERE application_name = 'switchboard-listener' AND datname = current_database()"
            )
            return len(rows) == PROCESSES

        await until(listening_again, running.autopsy)
    said("publish to effect without listeners", looked)
    assert max(looked) < 1.0


async def a_job_keeps_its_revision(running: System, vendor: ScriptedVendor) -> None:
    """Three revisions are published while a job of many steps is under way."""
    await publish_only(running, "revision-1")
    vendor.always("*", Behaviour(delay_seconds=0.05))
    job_id = await running.submit(long_text(70))
    for number in (2, 3, 4):
        calls = vendor.hits("revision-1")

        async def went_on(calls: int = calls) -> bool:
            return vendor.hits("revision-1") >= calls + 2

        await until(went_on, running.autopsy)
        await publish_only(running, f"revision-{number}")
    before = vendor.hits("revision-1")
    job = await running.finished(job_id)
    assert job["state"] == "succeeded", job["error"]
    assert vendor.hits("revision-1") > before + 3, "the job was nearly over when the last was published"
    assert {asked.model for asked in vendor.asked} == {"revision-1"}
    called = await running.rows(
        "SELECT DISTINCT pool_revision_id FROM model_calls WHERE job_id = :id", id=job_id
    )
    assert [row["pool_revision_id"] for row in called] == [job["pool_revision_id"]]
    vendor.asked.clear()
    assert (await running.finished(await running.submit(SHORT)))["state"] == "succeeded"
    assert {asked.model for asked in vendor.asked} == {"revision-4"}


async def test_a_publish_counts_everywhere_within_a_second_and_a_job_under_way_keeps_its_revision(
    running: System, entra: RunningEntra, vendor: ScriptedVendor, postgres: EmbeddedPostgres
) -> None:
    running.start("relay")
    for _ in range(2):
        # Few places, so that a job is under way for long enough.
        running.start("worker", SWITCHBOARD_WORKER_CONCURRENCY="2")
    async with serve_with_services(running, entra) as (_, services):
        await running.workers_ready(2)
        await known_everywhere(running, services, 0, 0.0)
        await changes_count_within_a_second(running, services, postgres)
        await a_job_keeps_its_revision(running, vendor)
