"""Commit to start: how long an accepted job waits for a free worker. Real processes, the extractive member.

pytest -o addopts= -s tests/benchmarks/bench_start.py
"""

import asyncio
import random
import time
from pathlib import Path
from uuid import UUID

import pytest

from app.core.keyring import LocalKeyring
from tests.conftest import TestDatabase
from tests.processes import system

JOBS = 300
TEXT = (
    "The harbour of Rostock was closed for three days in March. A storm had torn two cranes from their rails."
)


@pytest.mark.processes
async def test_commit_to_start(
    database: TestDatabase, redis_url: str, tmp_path: Path, keyring: LocalKeyring
) -> None:
    with system(database, redis_url, tmp_path, keyring, lease_seconds=30.0) as running:
        await running.configure()
        running.start_all()
        await running.workers_ready(1)
        await running.finished(await running.submit(TEXT))
        committed: dict[UUID, float] = {}
        for number in range(JOBS):
            job_id = await running.submit(f"{TEXT} This is report {number}.")
            committed[job_id] = time.time()
            # Arrivals as in an office: about ten a second, never in step with a poll.
            await asyncio.sleep(random.expovariate(10))
        for job_id in committed:
            await running.finished(job_id)
        rows = await running.rows("SELECT id, extract(epoch FROM started_at) AS started FROM jobs")
        waits = sorted(float(row["started"]) - committed[row["id"]] for row in rows if row["id"] in committed)
    assert len(waits) == JOBS
    print(
        f"\ncommit to start over {JOBS} jobs: p50 {waits[JOBS // 2] * 1000:.1f} ms,"
        f" p99 {waits[int(JOBS * 0.99)] * 1000:.1f} ms, worst {waits[-1] * 1000:.1f} ms"
    )
