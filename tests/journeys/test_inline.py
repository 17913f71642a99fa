"""What the pane sends itself, from the door to a result that names its places."""

from typing import Any

import pytest

from tests.house import House

SEGMENTS = [
    {"client_ref": "p1", "text": "The harbour was closed for three days in March because of the storm."},
    {"client_ref": "p2", "text": "Two ships waited outside, and their crews were fed by the town."},
]
CELLS = {"a1": "B2", "values": [["Month", "Sum"], ["May", 3]]}


@pytest.mark.processes
async def test_a_citation_gives_the_panes_own_name_for_a_place_back(house: House) -> None:
    accepted = await house.submit({"input": {"segments": SEGMENTS}})
    assert accepted.status_code == 202, accepted.text
    house.system.start_all()
    done = await house.finished(accepted.json()["id"])
    assert done["state"] == "succeeded", done["error"]
    anchors = [one["anchor"] for one in done["result"]["citations"]]
    assert {anchor["type"] for anchor in anchors} == {"pane"}
    assert {anchor["client_ref"] for anchor in anchors} <= {"p1", "p2"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": {"cells": CELLS}}, "not a range of cells"),
        (
            {"task_type": "formula", "parameters": {"instruction": "x"}, "input": {"segments": SEGMENTS}},
            "takes a range of cells",
        ),
        ({"task_type": "rewrite", "parameters": {"tone": "formal"}}, "takes exactly 1 document"),
    ],
)
async def test_what_a_task_type_does_not_take_is_refused_at_the_door(
    house: House, body: dict[str, Any], words: str
) -> None:
    answer = await house.submit(body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "wrong_input")
    assert words in answer.json()["error"]["message"]
