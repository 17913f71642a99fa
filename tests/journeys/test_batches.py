"""The same work for each of many documents: through the doors, with real workers that are killed meanwhile."""

from typing import Any

import httpx
import pytest

from tests.entra import ADA
from tests.house import House
from tests.processes import until
from tests.scripted_vendor import ScriptedVendor
from tests.wire_formats import Behaviour

TEXT = "Report {n}. The harbour was closed for {n} days. The repairs cost {n} million euros, the port said."


async def upload(house: House, count: int) -> list[str]:
    """So many short reports; gives their ids."""
    made = [await house.upload(f"report-{n}.txt", TEXT.format(n=n).encode()) for n in range(2, 2 + count)]
    return [one["id"] for one in made]


async def submit(house: House, login: str = ADA, **body: Any) -> httpx.Response:
    return await house.client(login).post("/batches", json={"task_type": "summarize", **body})


async def accepted(house: House, **body: Any) -> str:
    answer = await submit(house, **body)
    assert answer.status_code == 202, answer.text
    batch_id: str = answer.json()["id"]
    return batch_id


async def batch(house: House, batch_id: str) -> dict[str, Any]:
    answer = await house.client().get(f"/batches/{batch_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ended(house: House, batch_id: str) -> dict[str, Any]:
    async def over() -> bool:
        return (await batch(house, batch_id))["finished_at"] is not None

    await until(over, house.system.autopsy, seconds=60)
    return await batch(house, batch_id)


async def results(house: House, batch_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = await house.client().get(f"/batches/{batch_id}/documents", params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["value"]
    return found


async def graph_session(house: House) -> str:
    answer = await house.client().post("/graph-sessions", json={})
    assert answer.status_code == 201, answer.text
    session_id: str = answer.json()["id"]
    return session_id


@pytest.mark.processes
async def test_a_folder_is_summarized_file_by_file_and_a_bad_file_fails_alone(house: House) -> None:
    graph = house.entra.app.graph
    folder = graph.add_folder(ADA, "Reports")
    inner = graph.add_folder(ADA, "Old", folder=folder)
    for n in range(2, 12):
        graph.add(ADA, f"report-{n}.txt", TEXT.format(n=n).encode(), folder=folder)
    graph.add(ADA, "empty.txt", b"", folder=folder)
    graph.add(ADA, "photo.png", b"\x89PNG", folder=folder)
    graph.add(ADA, "report-99.txt", TEXT.format(n=99).encode(), folder=inner)
    where = {"drive_id": folder.drive_id, "item_id": folder.id, "include_subfolders": True}

    batch_id = await accepted(house, input={"folder": where, "graph_session": await graph_session(house)})
    house.system.start_all()
    events = await house.follow(batch_id)

    told = await ended(house, batch_id)
    assert (told["state"], told["left_out"]) == ("partial", 1)
    counts = told["documents"]
    assert (counts["total"], counts["succeeded"], counts["failed"]) == (12, 11, 1)
    assert told["progress"] == {"phase": "batch", "done": 12, "total": 12}
    assert told["usage"]["calls"] >= 11
    done = await results(house, batch_id)
    assert [one["name"] for one in done] == [
        *(f"report-{n}.txt" for n in range(2, 12)),
        "empty.txt",
        "report-99.txt",
    ]
    assert all("harbour" in one["result"]["text"] for one in done if one["state"] == "succeeded")
    (failed,) = await results(house, batch_id, state="failed")
    assert (failed["name"], failed["error"]["code"], failed["result"]) == ("empty.txt", "empty_file", None)
    progress = [event.data for event in events if event.type == "progress"]
    assert [one["done"] for one in progress] == sorted(one["done"] for one in progress)
    assert [event.type for event in events][-2:] == ["state", "result"]
    # Its jobs stand in the batch, not among what the person has sent.
    assert (await house.client().get("/jobs")).json()["value"] == []


@pytest.mark.processes
async def test_a_batch_goes_on_where_it_was_when_its_worker_is_killed_and_does_nothing_twice(
    vendor: ScriptedVendor, house: House
) -> None:
    await house.system.configure(base_url=vendor.base_url)
    vendor.always("*", Behaviour(delay_seconds=0.3))
    document_ids = await upload(house, 20)
    (worker,) = house.system.start_all()
    batch_id = await accepted(house, input={"documents": document_ids})

    async def some_done() -> bool:
        return bool((await batch(house, batch_id))["documents"]["succeeded"] >= 6)

    await until(some_done, house.system.autopsy)
    worker.kill()
    before = (await batch(house, batch_id))["documents"]
    assert before["succeeded"] < 20
    open_jobs = await house.system.rows(
        "SELECT count(*) AS open FROM jobs WHERE batch_id <> id AND state IN ('queued', 'running')"
    )
    assert open_jobs[0]["open"] <= 8
    house.system.start("worker")

    told = await ended(house, batch_id)

    assert told["documents"]["succeeded"] == 20, told
    done = await results(house, batch_id)
    assert [one["document_id"] for one in done] == document_ids
    made = await house.system.rows("SELECT id FROM jobs WHERE batch_id <> id")
    assert {one["job_id"] for one in done} == {str(row["id"]) for row in made}
    assert len(made) == 20
    # Only what was under way when the worker died was asked twice.
    assert len(vendor.asked) <= 20 + 8
