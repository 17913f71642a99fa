"""Task types whose answers are told apart only past the door: asked, compared, outlined, worded as the house wants it."""

import asyncio
import json
import re
from typing import Any

import pytest
import yaml

from app.audit.record import Actor, ActorKind
from app.core.keyring import LocalKeyring
from app.documents.tokens import estimate_tokens
from app.tenants.keys import TenantKeys
from app.wording.service import WordingKind, WordingView, put
from tests.conftest import TestDatabase
from tests.documents.files import paragraph, word_file
from tests.documents.formatted import run
from tests.house import House
from tests.processes import SEED
from tests.scripted_vendor import ScriptedVendor, quote_document
from tests.wire_formats import Asked

OLD = "The rent of the office in Munich is 4,200 euros a month."
_SAME = "Notice is given three months before the end of a quarter."
_CHRONICLE = [f"In year {year} the clerk noted storms, ships and the price of salt." for year in range(1200)]
"""Half of what is too long for the vendor's model."""
_WINDOW = 32_768
_TYPES = ("ask", "compare", "outline_slides", "explain_table", "translate", "rewrite")


def _contract(rent: str) -> bytes:
    proposed = f'<w:ins w:id="1" w:author="A">{run(f"{rent} euros a month.")}</w:ins>'
    return word_file(f"<w:p>{run('The rent of the office in Munich is ')}{proposed}</w:p>{paragraph(_SAME)}")


def _answered(asked: Asked) -> str:
    """A vendor who follows the glossary and the style guide that its prompt holds, and knows neither itself."""
    answer: dict[str, Any] = json.loads(quote_document(asked))
    system = asked.messages[0]["content"]
    slide = {"slide": OLD, "part": "bullet"}
    fields = (
        (asked.schema or {}).get("properties", {}).get("sentences", {}).get("items", {}).get("properties", {})
    )
    for sentence in answer.get("sentences", ()):
        sentence |= {name: value for name, value in slide.items() if name in fields}
    for part in answer.get("parts", ()):
        term = re.search(r"harbour = (\w+)", system)
        german = f"Der {term[1] if term else 'Port'} war wegen des Sturms drei Tage lang geschlossen."
        plain = "Because of the storm nobody entered the port for three days."
        part["text"] = german if "translate" in system else plain
        if "Never write port" in system:
            part["text"] = plain.replace("port", "haven")
    return json.dumps(answer, ensure_ascii=False)


async def _begin(house: House, vendor: ScriptedVendor) -> None:
    vendor.respond = _answered
    platform = yaml.safe_load(SEED.read_text())["platform"]
    able = {
        "languages": ["en", "de"],
        "context_window": _WINDOW,
        "max_output_tokens": 8_192,
        "concurrency": 8,
    }
    platform["deployments"][0].update(able)
    member = {"deployment": platform["deployments"][0]["name"], "prompt_set": "default"}
    for name in _TYPES:
        pool = name.replace("_", "-")
        platform["pools"].append({"name": pool, "task_type": name, "members": [member]})
        platform["routes"].append({"name": pool, "task_type": name, "pool": pool})
    await house.system.configure(base_url=vendor.base_url, platform=platform)


async def _lay_down(house: House, database: TestDatabase, keyring: LocalKeyring, document_id: str) -> None:
    """What an administrator of that document's organisation writes at the portal."""
    (row,) = await house.system.rows("SELECT tenant_id FROM documents WHERE id = :id", id=document_id)
    tenant = row["tenant_id"]
    sealer = await TenantKeys(database.app, keyring).sealer(tenant)
    terms = {"language": "de", "terms": [{"source": "harbour", "target": "Handelshafen"}]}
    async with database.app.tenant(tenant) as session:
        for wanted in (
            WordingView(WordingKind.GLOSSARY, "trade", terms, 0),
            WordingView(WordingKind.STYLE_GUIDE, "", {"text": "Never write port; it is a haven."}, 0),
        ):
            await put(session, sealer, wanted, actor=Actor(ActorKind.SYSTEM))


async def _asked_of_a_long_text(house: House) -> str:
    """A question about more than the member's window holds: what a search finds is sent, and the estimate says so."""
    text = "\n".join([*_CHRONICLE, OLD, *_CHRONICLE])
    assert estimate_tokens(text) > _WINDOW
    body = {"task_type": "ask", "parameters": {"question": "What is the rent?"}, "input": {"text": text}}
    estimate = await house.client().post("/estimates", json=body)
    assert estimate.status_code == 200, estimate.text
    assert estimate.json()["input_tokens"]["high"] < _WINDOW
    accepted = await house.submit(body)
    assert accepted.status_code == 202, accepted.text
    job_id: str = accepted.json()["id"]
    return job_id


@pytest.mark.processes
async def test_what_is_asked_compared_outlined_and_worded_comes_back_with_its_places(
    house: House, vendor: ScriptedVendor, database: TestDatabase, keyring: LocalKeyring
) -> None:
    await _begin(house, vendor)
    before, after = [
        (await house.upload(f"{rent}.docx", _contract(rent)))["id"] for rent in ("4,200", "4,500")
    ]
    await _lay_down(house, database, keyring, before)
    harbour = {"text": "The harbour was closed for three days because of the storm."}
    bodies: dict[str, dict[str, Any]] = {
        "ask": {"parameters": {"question": "What is the rent?"}, "input": {"documents": [before]}},
        "compare": {"input": {"documents": [before, after]}},
        "outline_slides": {"parameters": {"slides": 3}, "input": {"documents": [before]}},
        "explain_table": {
            "input": {"cells": {"a1": "A1", "values": [["Month", "Sum"], ["May", 1200]]}},
        },
        "translate": {"parameters": {"language": "de", "glossaries": ["trade"]}, "input": harbour},
        "rewrite": {"parameters": {"tone": "simple"}, "input": harbour},
    }
    ids = []
    house.client().headers["Accept-Language"] = "en-GB,de;q=0.5"
    for name, body in bodies.items():
        accepted = await house.submit({"task_type": name, **body})
        assert accepted.status_code == 202, accepted.text
        ids.append(accepted.json()["id"])
    long = await _asked_of_a_long_text(house)
    house.system.start_all()
    done = dict(zip(bodies, await asyncio.gather(*map(house.finished, ids)), strict=True))
    assert {name: job["error"] for name, job in done.items() if job["state"] != "succeeded"} == {}
    results = {name: job["result"] for name, job in done.items()}

    answer = results["ask"]
    assert (answer["found"], answer["read"], answer["coverage"]["ratio"]) == (True, "whole", 1.0)
    assert answer["text"].startswith(f"{OLD} [1]")
    assert (answer["citations"][0]["quote"], answer["citations"][0]["anchor"]["type"]) == (OLD, "word")

    searched = await house.finished(long)
    assert (searched["state"], searched["result"]["read"]) == ("partial", "retrieved")
    assert searched["result"]["citations"]

    (change,) = results["compare"]["changes"]
    assert (change["kind"], change["figures"]) == ("changed", {"before": ["4,200"], "after": ["4,500"]})
    assert [change[side]["document"] for side in ("before", "after")] == [0, 1]
    # Changes that are only proposed were read as accepted, and whoever compares is told of them.
    assert results["compare"]["documents"] == [{"notes": {"tracked_changes": 1}, "findings": []}] * 2

    (slide,) = results["outline_slides"]["slides"]
    assert slide["title"] == OLD
    assert [line["sources"][0]["anchor"]["ordinal"] for line in slide["bullets"]] == [0, 1]

    # Three words tell no language: it is the one that the pane's reader likes.
    assert results["explain_table"]["language"] == "en"
    assert results["explain_table"]["findings"][0]["anchors"][0]["a1"] == "A1:B1"

    assert "Der Handelshafen war" in results["translate"]["text"]
    assert "the haven for" in results["rewrite"]["text"]
