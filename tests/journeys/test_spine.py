"""A text through the real processes: accepted, dispatched, hinted, claimed, answered, completed."""

import json
from pathlib import Path

import pytest

from app.core.crypto import LocalKeyring, Sealed
from app.jobs.complete import result_place
from tests.conftest import TestDatabase
from tests.processes import system

TEXT = (
    "The harbour of Rostock was closed for three days in March. A storm had torn two cranes from their rails. "
    "The port authority says that repairs will cost 4.2 million euros. Ships were sent to Warnemünde meanwhile."
)


@pytest.mark.processes
async def test_a_text_is_summarized_by_the_extractive_member(
    database: TestDatabase, redis_url: str, tmp_path: Path, keyring: LocalKeyring
) -> None:
    with system(database, redis_url, tmp_path, keyring) as running:
        await running.configure()
        running.start_all()
        job_id = await running.submit(TEXT)
        job = await running.finished(job_id)
        assert job["state"] == "succeeded", job["error"]
        sealer = await running.sealer()
        result = json.loads(sealer.open(result_place(job_id), Sealed(job["sealed_result"])))
        assert result["text"]
        assert result["coverage"]["ratio"] == 1.0
        assert job["decision"]["member"]["deployment"] == "extractive"
        (call,) = await running.rows("SELECT * FROM model_calls")
        assert call["outcome"] == "succeeded"
