"""The same work for each of many documents: through the doors, with real workers that are killed meanwhile."""

from typing import Any

import httpx
import pytest

from app.jobs.batches import MOST_OPEN
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


async def longest_idle_seconds(house: House, batch_id: str) -> float:
    """The longest time in which none of a batch's jobs was open, up to the batch's own end."""
    rows = await house.system.rows(
        "SELECT coalesce(max(extract(epoch FROM began - ended)), 0)::float AS seconds FROM ("
        " SELECT began, max(finished_at) OVER (ORDER BY began ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended"
        " FROM (SELECT CASE WHEN id = batch_id THEN finished_at ELSE created_at END AS began,"
        " CASE WHEN id <> batch_id THEN finished_at END AS finished_at FROM jobs WHERE batch_id = :id) job) gap",
        id=batch_id,
    )
    return float(rows[0]["seconds"])


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
    # No round waits for the batch's own look: what ends wakes it.
    assert await longest_idle_seconds(house, batch_id) < 3
    # Its jobs stand in the batch, not among what the person has sent.
    assert (await house.client().get("/jobs")).json()["value"] == []


@pytest.mark.processes
async def test_a_batch_goes_on_where_it_was_when_its_worker_is_killed_and_does_nothing_twice(
    vendor: ScriptedVendor, house: House
) -> None:
    await house.system.configure(base_url=vendor.base_url)
    vendor.always("*", Behaviour(delay_seconds=0.2))
    document_ids = await upload(house, 20)
    (worker,) = house.system.start_all()
    batch_id = await accepted(house, input={"documents": document_ids})

    async def some_done() -> bool:
        return bool((await batch(house, batch_id))["documents"]["succeeded"] >= 2)

    await until(some_done, house.system.autopsy)
    worker.kill()
    before = (await batch(house, batch_id))["documents"]
    assert before["succeeded"] < 20
    open_jobs = await house.system.rows(
        "SELECT count(*) AS open FROM jobs WHERE batch_id <> id AND state IN ('queued', 'running')"
    )
    assert open_jobs[0]["open"] <= MOST_OPEN
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


@pytest.mark.processes
async def test_a_nightly_batch_does_what_is_new_and_waits_for_a_member_whose_leave_is_over(
    house: House,
) -> None:
    graph, leave = house.entra.app.graph, await graph_session(house)
    folder = graph.add_folder(ADA, "Reports")
    kept = [graph.add(ADA, f"{n}.txt", TEXT.format(n=n).encode(), folder=folder) for n in range(2, 5)]
    where = {"drive_id": folder.drive_id, "item_id": folder.id}
    body = {"task_type": "summarize", "folder": where, "graph_session": leave, "at": "02:00"}
    nightly = await house.client().post("/batch-schedules", json=body)
    assert nightly.status_code == 201, nightly.text
    path = f"/batch-schedules/{nightly.json()['id']}"
    house.system.start_all()

    async def comes_round() -> str:
        """Let its time come, and the reaper look; gives the batch that it started."""
        before = (await house.client().get(path)).json()["last_batch_id"]
        await house.system.rows("UPDATE batch_schedules SET next_at = now() - interval '1 s' RETURNING 1")
        await house.system.rows(
            "UPDATE schedules SET last_started_at = now() - interval '1 h' WHERE name = 'batches' RETURNING 1"
        )

        async def started() -> bool:
            return bool((await house.client().get(path)).json()["last_batch_id"] != before)

        await until(started, house.system.autopsy)
        found: str = (await house.client().get(path)).json()["last_batch_id"]
        return found

    first = await ended(house, await comes_round())
    assert (first["state"], first["documents"]["succeeded"], first["documents"]["unchanged"]) == (
        "succeeded",
        3,
        0,
    )
    graph.drives.change(kept[1].id, content=TEXT.format(n=40).encode())
    graph.add(ADA, "new.txt", TEXT.format(n=50).encode(), folder=folder)
    second = await ended(house, await comes_round())
    assert (second["documents"]["succeeded"], second["documents"]["unchanged"]) == (4, 2)
    done = await results(house, second["id"])
    assert [one["is_unchanged"] for one in done] == [True, False, True, False]
    assert ["2 days" in done[0]["result"]["text"], "40" in done[1]["result"]["text"]] == [True, True]

    # Another time changes nothing of what was done; other work does all of it again.
    later = await house.client().put(path, json={**body, "at": "03:30", "weekdays": [7]})
    assert (later.status_code, later.json()["at"], later.json()["weekdays"]) == (200, "03:30", [7])
    assert later.json()["next_at"][11:16] == "03:30"
    assert (await ended(house, await comes_round()))["documents"]["unchanged"] == 4
    shorter = {**body, "parameters": {"length": "sentence"}}
    assert (await house.client().put(path, json=shorter)).json()["parameters"]["length"] == "sentence"
    assert (await ended(house, await comes_round()))["documents"]["unchanged"] == 0

    assert (await house.client().delete(f"/graph-sessions/{leave}")).status_code == 204
    third = await comes_round()

    async def waits() -> bool:
        return (await batch(house, third))["waiting"] is not None

    await until(waits, house.system.autopsy)
    asked = (await batch(house, third))["waiting"]
    assert (asked["reason"], asked["code"]) == ("needs_user", "graph_session_not_found")
    assert (await house.client().post(f"/batches/{third}/resume")).status_code == 200
    assert (await ended(house, third))["documents"]["unchanged"] == 4
    # The schedule goes by the new leave, which lasts as long as one may.
    schedule = (await house.client().get(path)).json()
    (renewed,) = (await house.client().get("/graph-sessions")).json()["value"]
    assert schedule["graph_session"] == renewed["id"] != leave
    assert schedule["next_at"][11:16] == "02:00"


@pytest.mark.processes
async def test_a_batch_of_which_nothing_can_be_done_says_why_at_each_document(house: House) -> None:
    batch_id = await accepted(house, input={"documents": await upload(house, 10)})
    # Once it was accepted, the organisation thinks better of it.
    await house.system.rows(
        "INSERT INTO task_permissions (tenant_id, task_type, roles) SELECT tenant_id, task_type, '[]' FROM jobs"
        " RETURNING 1"
    )
    house.system.start_all()

    told = await ended(house, batch_id)

    assert (told["state"], told["error"]["code"]) == ("failed", "no_document_done")
    assert told["documents"]["failed"] == 10
    assert {one["error"]["code"] for one in await results(house, batch_id)} == {"task_type_not_permitted"}
    assert len(await house.system.rows("SELECT 1 FROM jobs")) == 1
