"""A document that was edited is read anew where it changed, through the door, the queue and the database."""

from typing import Any

import pytest

from app.core.clock import new_id
from app.jobs.service import earlier_answers
from tests.copilot.conftest import document
from tests.copilot.reuse_house import report
from tests.entra import ADA, ALAN
from tests.house import House
from tests.scripted_vendor import ScriptedVendor
from tests.usage.pools import priced_platform
from tests.wire_formats import Behaviour


async def summary_of(house: House, text: str, login: str = ADA) -> dict[str, Any]:
    accepted = await house.submit({"input": {"text": text}}, login)
    assert accepted.status_code == 202, accepted.text
    return await house.finished(accepted.json()["id"], login)


@pytest.mark.processes
async def test_an_edited_document_reuses_what_did_not_change_and_says_so(
    vendor: ScriptedVendor, house: House
) -> None:
    vendor.always("scripted", Behaviour(counted=True))
    await house.system.configure(platform=priced_platform(vendor.base_url))
    house.system.start_all()
    texts = [segment.text for segment in document(*report(14, chapters=False))]
    first = await summary_of(house, "\n\n".join(texts))
    assert first["state"] == "succeeded"
    assert first["usage"]["reused_share"] < 0.5
    texts[30] = "The lantern of the harbour was red and tall."
    again = await summary_of(house, "\n\n".join(texts))
    assert again["state"] == "succeeded"
    assert again["usage"]["reused_share"] > 0.5
    assert again["usage"]["calls"] < first["usage"]["calls"]
    # The record names the calls that were paid for it, and they are the first job's own.
    paid = await house.system.rows("SELECT id FROM model_calls WHERE job_id = :id", id=first["id"])
    from_calls = again["decision"]["reused"]["from_calls"]
    assert set(from_calls) <= {str(row["id"]) for row in paid}
    assert again["decision"]["reused"]["answers"] == len(from_calls) > 0
    assert sum(again["decision"]["reused"]["by"].values()) == len(from_calls)
    for citation in again["result"]["citations"]:
        assert any(citation["quote"] in text for text in texts)
    # A colleague has sent the same text, and pays for it.
    other = await summary_of(house, "\n\n".join(texts), ALAN)
    assert other["usage"]["calls"] >= first["usage"]["calls"]
    # The scope is the member; only where an organisation has opted in, it is everybody.
    row = (
        await house.system.rows(
            "SELECT tenant_id, member_id, input_hash FROM job_steps WHERE job_id = :id AND input_hash IS NOT NULL",
            id=first["id"],
        )
    )[0]
    async with house.system.database.app.tenant(row["tenant_id"]) as session:
        scopes = (row["member_id"], new_id(), None)
        found = [
            await earlier_answers(
                session, tenant_id=row["tenant_id"], member_id=member_id, hashes=[row["input_hash"]]
            )
            for member_id in scopes
        ]
    assert list(map(len, found)) == [1, 0, 1]
