"""A hostile document from the door to the result, past a vendor that obeys it, and what people and auditors see of it."""

import json

import pytest

from app.core.yaml_text import load_yaml
from tests.conftest import TestDatabase
from tests.copilot.obedient import reads
from tests.documents.injections import corpus
from tests.house import House
from tests.processes import SEED
from tests.scripted_vendor import ScriptedVendor
from tests.tenants.administration import rows
from tests.wire_formats import Asked


@pytest.mark.processes
async def test_what_a_document_orders_is_reported_and_not_delivered(
    house: House, vendor: ScriptedVendor, database: TestDatabase
) -> None:
    (injection,) = [each for each in corpus() if each.name == "claims authority"]
    prompts: list[str] = []

    def obey(asked: Asked) -> str:
        system, user = asked.messages[0]["content"], asked.messages[-1]["content"]
        mark = system.partition("with the mark ")[2].partition(" ")[0]
        assert reads(user.replace(mark, ""), injection.words)
        prompts.append(system)
        quote = "Revenue of Contoso rose by 12 % to 3.5 million euros in the third quarter of 2026."
        told = {"citations": [{"block": "B1", "quote": quote}], "text": f"{quote} {system[:300]}"}
        return json.dumps({"sentences": [told]})

    vendor.respond = obey
    platform = load_yaml(SEED.read_text())["platform"]
    # The vendor answers the prompts for models that need no example.
    platform["pools"][0]["members"][0]["prompt_set"] = "default"
    await house.system.configure(base_url=vendor.base_url, platform=platform)
    document = await house.upload(injection.file, injection.content)
    assert document["findings"] == [{"kind": "instruction", "count": 1, "segment": 3}]
    accepted = await house.submit({"input": {"documents": [document["id"]]}})
    assert accepted.status_code == 202, accepted.text
    house.system.start_all()
    shown = "".join(map(str, await house.follow(accepted.json()["id"])))
    done = await house.finished(accepted.json()["id"])
    assert done["state"] == "succeeded", done["error"]
    result = done["result"]
    assert result["method"] == "extractive"
    ((finding,),) = [one["findings"] for one in result["documents"]]
    assert finding["anchor"]["type"] == "word"
    assert {name: finding[name] for name in ("kind", "count", "segment")} == {
        "kind": "instruction",
        "count": 1,
        "segment": 3,
    }
    assert prompts
    assert prompts[0][:80] not in json.dumps(result) + shown
    entries = await rows(
        database,
        "SELECT detail FROM audit_entries WHERE action = 'job.finish' AND target_id = :id",
        id=done["id"],
    )
    assert [entry[0]["found_instruction"] for entry in entries] == [1]
    assert injection.words[:20] not in str(entries)
