"""What the audit record says of jobs: who asked for which task, which model served, how it ended; no content."""

import asyncio
from typing import Any

from app.jobs.cancel import cancel
from app.jobs.complete import bury
from tests.conftest import TestDatabase
from tests.jobs.conftest import Desk
from tests.tenants.administration import rows

CANARY = "zebra-canary-4711"
DECISION: dict[str, Any] = {
    "pool": "fast",
    "revision": 3,
    "member": {"deployment": "eu-1", "provider_name": "azure", "request_model": "gpt-x", "method": "json"},
    "why": CANARY,
}


async def _entries(database: TestDatabase) -> list[tuple[Any, ...]]:
    return await rows(
        database,
        "SELECT action, actor_kind, actor_member_id, target_id, detail FROM audit_entries ORDER BY id",
    )


async def test_a_job_leaves_who_asked_and_which_model_served(desk: Desk) -> None:
    job_id = await desk.accept(parameters={"instruction": CANARY}, route_reason=CANARY)
    await desk.finish(await desk.claimed(job_id), result=CANARY.encode(), decision=DECISION)

    accepted, finished = await _entries(desk.database)

    assert accepted == (
        "job.accept",
        "member",
        desk.database.member_id,
        str(job_id),
        {"task_type": "summarize", "host": "word", "lane": "interactive", "documents": 0},
    )
    assert finished[0] == "job.finish"
    assert finished[3:] == (
        str(job_id),
        {
            "state": "succeeded",
            "pool": "fast",
            "revision": 3,
            "deployment": "eu-1",
            "provider_name": "azure",
            "request_model": "gpt-x",
        },
    )
    assert CANARY not in str(await rows(desk.database, "SELECT CAST(t AS text) FROM audit_entries t"))


async def test_a_failure_is_recorded_by_its_code_and_without_its_words(desk: Desk) -> None:
    step = await desk.claimed(await desk.accept())
    async with desk.database.app.tenant(step.tenant_id) as session:
        error = {"code": "invalid_output", "message": CANARY}
        await bury(session, step, error=error, on_dead="fail", decision=None)

    assert (await _entries(desk.database))[-1][4] == {"state": "failed", "error": "invalid_output"}


async def test_of_requests_with_one_key_one_is_recorded(desk: Desk) -> None:
    await asyncio.gather(*(desk.accept(idempotency=("key", b"digest")) for _ in range(4)))
    assert [row[0] for row in await _entries(desk.database)] == ["job.accept"]


async def test_a_job_is_cancelled_once(desk: Desk) -> None:
    job_id = await desk.accept()
    database = desk.database
    for _ in range(2):
        async with database.app.tenant(database.tenant_id) as session:
            await cancel(session, tenant_id=database.tenant_id, member_id=database.member_id, job_id=job_id)
    assert [row[0] for row in await _entries(database)] == ["job.accept", "job.cancel"]
