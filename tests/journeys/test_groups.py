"""Who somebody is in the directory decides which pool serves them: groups from tokens, through the add-in's door."""

from dataclasses import replace
from typing import Any

from app.local.entra.people import group_id
from tests.entra import ADA, ALAN
from tests.house import House
from tests.processes import until

TEXT = "The lease of the office ends in May. The desk is moved in March."


async def limit_to(house: House, condition: str, value: str) -> None:
    """Let the platform's routes take only those."""
    await house.system.rows(
        "UPDATE routes SET conditions = jsonb_build_object(CAST(:name AS text), CAST(:value AS text)) RETURNING 1",
        name=condition,
        value=value,
    )


async def is_offered(house: House, login: str) -> bool:
    offered = (await house.client(login).get("/task-types")).json()["value"]
    return [one["available"] for one in offered if one["name"] == "summarize"] == [True]


async def test_a_task_type_that_is_for_a_group_serves_its_members_alone(house: House) -> None:
    ada = house.entra.app.person(ADA)
    await limit_to(house, "group", group_id(ada.tenant_id, "Finance"))

    assert (await house.submit({"input": {"text": TEXT}})).status_code == 202
    assert await is_offered(house, ADA)
    assert not await is_offered(house, ALAN)
    answer = await house.submit({"input": {"text": TEXT}}, ALAN)
    assert answer.status_code == 422, answer.text
    said: dict[str, Any] = answer.json()["error"]
    assert said["code"] == "no_route"
    assert "certain groups or departments only" in said["message"]


async def test_whoever_leaves_the_group_is_out_with_the_next_token(house: House) -> None:
    ada = house.entra.app.person(ADA)
    await limit_to(house, "group", group_id(ada.tenant_id, "Finance"))
    assert (await house.submit({"input": {"text": TEXT}})).status_code == 202

    house.entra.app.people.add(replace(ada, groups=(group_id(ada.tenant_id, "All staff"),)))
    fresh = {"Authorization": f"Bearer {house.entra.token(ADA)}"}

    async def refused() -> bool:
        # A process may remember for half a second what it knows of somebody.
        body = {"task_type": "summarize", "input": {"text": TEXT}}
        answer = await house.client().post("/jobs", json=body, headers=fresh)
        return answer.status_code == 422 and answer.json()["error"]["code"] == "no_route"

    await until(refused, house.system.autopsy)
