"""What the door of batches takes and refuses; no worker is needed for that."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.addin.batch_schedules import NewBatchSchedule
from app.addin.batch_schemas import BatchInput
from tests.entra import ADA, ALAN
from tests.house import House

TEXT = "The harbour was closed for {n} days because a storm had torn two cranes from their rails. "
FOLDER = {"drive_id": "b!a", "item_id": "root"}


async def uploaded(house: House, *sizes: int) -> list[str]:
    """A document for each of so many sentences; gives their ids."""
    made = [await house.upload(f"{n}.txt", (TEXT.format(n=n) * n).encode()) for n in sizes]
    return [one["id"] for one in made]


async def submit(house: House, body: dict[str, Any], *, login: str = ADA, key: str = "") -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await house.client(login).post(
        "/batches", json={"task_type": "summarize", **body}, headers=headers
    )


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_of_equal_requests_with_one_key_one_makes_a_batch(house: House) -> None:
    body = {"input": {"documents": await uploaded(house, 2, 3)}}
    answers = await asyncio.gather(*(submit(house, body, key="nightly") for _ in range(10)))
    assert {one.status_code for one in answers} == {202}
    assert len({one.json()["id"] for one in answers}) == 1
    assert len(await house.system.rows("SELECT 1 FROM batch_items")) == 2
    changed = await submit(house, {**body, "parameters": {"length": "page"}}, key="nightly")
    assert refused(changed) == (409, "idempotency_key_reused")
    # Jobs and batches share the keys of their member.
    job = await house.submit({"input": body["input"]}, key="nightly")
    assert refused(job) == (409, "idempotency_key_reused")


async def test_an_estimate_is_the_sum_of_those_of_its_documents_and_the_batch_keeps_it(house: House) -> None:
    ids = await uploaded(house, 2, 40, 2)
    client = house.client()
    single = [
        (
            await client.post("/estimates", json={"task_type": "summarize", "input": {"documents": [one]}})
        ).json()
        for one in ids
    ]
    body = {"task_type": "summarize", "input": {"documents": ids}}

    told = (await client.post("/estimates/batches", json=body)).json()

    assert (told["documents"], told["refused_documents"], told["refused"]) == (3, [], None)
    for name in ("steps", "input_tokens", "output_tokens"):
        for bound in ("low", "high"):
            assert told[name][bound] == sum(one[name][bound] for one in single)
    kept = (await submit(house, {"input": {"documents": ids}})).json()["estimate"]
    assert kept == {name: told[name] for name in kept}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"documents": []},
        {"documents": [str(uuid.UUID(int=7))] * 2},
        {"documents": [str(uuid.UUID(int=n)) for n in range(5001)]},
        {"folder": FOLDER},
        {"folder": FOLDER, "documents": [str(uuid.UUID(int=7))]},
        {"documents": [str(uuid.UUID(int=7))], "graph_session": str(uuid.UUID(int=7))},
        {"folder": {**FOLDER, "item_id": "../x"}, "graph_session": str(uuid.UUID(int=7))},
        {"text": "x"},
    ],
    ids=range(9),
)
def test_an_input_names_documents_in_one_way(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BatchInput.model_validate(given)


async def test_what_cannot_be_done_document_by_document_is_refused_at_the_door(house: House) -> None:
    ids = await uploaded(house, 2)
    for body, code in (
        ({"task_type": "compare"}, "wrong_input"),
        ({"parameters": {"length": "endless"}}, "invalid_parameters"),
        ({"task_type": "dance"}, "unknown_task_type"),
    ):
        assert refused(await submit(house, {"input": {"documents": ids}, **body})) == (422, code)
    theirs = await submit(house, {"input": {"documents": ids}}, login=ALAN)
    assert refused(theirs) == (404, "document_not_found")
    assert await house.system.rows("SELECT 1 FROM jobs") == []


async def test_nobody_has_batches_without_end(house: House) -> None:
    body = {"input": {"documents": await uploaded(house, 2)}}
    made = [await submit(house, body) for _ in range(21)]
    assert [one.status_code for one in made] == [*[202] * 20, 429]
    assert refused(made[-1]) == (429, "too_many_batches")
    listed = (await house.client().get("/batches", params={"limit": 15})).json()
    assert len(listed["value"]) == 15
    rest = (await house.client().get(listed["next_link"].removeprefix("/addin/v1"))).json()
    assert [one["id"] for one in (*listed["value"], *rest["value"])] == [
        one.json()["id"] for one in reversed(made[:20])
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"at": "24:00"},
        {"at": "2:00"},
        {"time_zone": "Mars"},
        {"weekdays": [0]},
        {"weekdays": [1, 1]},
        {"weekdays": []},
    ],
    ids=range(6),
)
def test_a_time_that_is_none_is_refused(change: dict[str, Any]) -> None:
    body = {"task_type": "summarize", "folder": FOLDER, "graph_session": str(uuid.uuid4()), "at": "02:00"}
    assert NewBatchSchedule.model_validate(body).weekdays == [1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(ValidationError):
        NewBatchSchedule.model_validate({**body, **change})
