"""A tenant's money, from the estimate to the report, through the doors and with real workers."""

import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.core.keyring import LocalKeyring
from app.local.entra.registrations import PORTAL_CLIENT_ID
from app.usage.reconciliation import differences
from tests.conftest import TestDatabase
from tests.entra import ALAN, RunningEntra
from tests.house import House, process_settings, serve
from tests.imported import tenants_imported
from tests.journeys.test_batches import accepted, batch, ended
from tests.journeys.test_failures import long_text
from tests.portal.browsers import Browser, Door
from tests.processes import system, until
from tests.scripted_vendor import ScriptedVendor
from tests.tenants.administration import execute
from tests.usage.pools import priced_platform
from tests.wire_formats import Asked, Behaviour

LONG = {"input": {"text": long_text(12)}}


@pytest.fixture
async def house(
    database: TestDatabase,
    redis_url: str,
    tmp_path: Path,
    keyring: LocalKeyring,
    entra: RunningEntra,
    vendor: ScriptedVendor,
) -> AsyncIterator[House]:
    """API with a portal, workers, and a vendor that counts tokens and has a price."""
    vendor.always("scripted", Behaviour(counted=True))
    entra.reset()
    await tenants_imported(database)
    with system(database, redis_url, tmp_path, keyring, extra=process_settings(entra)) as running:
        await running.configure(platform=priced_platform(vendor.base_url))
        async with serve(running, entra, portal_client_id=PORTAL_CLIENT_ID) as api:
            made = House(running, entra, api)
            running.start_all()
            yield made
            for client in made.clients.values():
                await client.aclose()


@pytest.fixture
async def admin(house: House) -> AsyncIterator[Browser]:
    async with Door(house.api.replace("127.0.0.1", "localhost"), house.entra).browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


async def estimated(house: House) -> dict[str, Any]:
    answer = await house.client().post("/estimates", json={"task_type": "summarize", **LONG})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def uploaded(house: House, count: int) -> list[str]:
    """So many short documents, which the vendor can quote; gives their ids."""
    text = (
        "The harbour of district {n} was closed for {n} days because of storms. Its repairs cost {n} million."
    )
    made = [await house.upload(f"{n}.txt", text.format(n=n).encode()) for n in range(2, 2 + count)]
    return [one["id"] for one in made]


def held(vendor: ScriptedVendor) -> threading.Event:
    """Let the vendor answer nobody until the event is set."""
    answers, go_on = vendor.respond, threading.Event()

    def respond(asked: Asked) -> str:
        assert go_on.wait(60)
        return answers(asked)

    vendor.respond = respond
    return go_on


async def the_price_changes_its_currency_under_a_job(
    house: House, admin: Browser, vendor: ScriptedVendor
) -> None:
    """The job and a batch wait with what they have, nothing is asked twice, new work is refused with what to do."""
    body = {**LONG, "parameters": {"focus": "the weather"}}
    go_on, asked_before = held(vendor), len(vendor.seen)
    job_id = (await house.submit(body)).json()["id"]

    async def asks() -> bool:
        return len(vendor.seen) > asked_before

    await until(asks, house.system.autopsy)
    # A batch that was accepted, and makes its jobs afterwards.
    relay = next(child for child in house.system.children if child.name == "relay")
    relay.freeze()
    batch_id = await accepted(house, input={"documents": await uploaded(house, 2)})
    (deployment,) = (await admin.get("/deployments")).json()["value"]
    path = f"/deployments/{deployment['id']}/prices"
    price = await admin.send("POST", path, json={**deployment["price"], "currency": "USD"})
    assert price.status_code == 201, price.text

    async def refused() -> bool:
        return bool((await estimated(house))["refused"])

    await until(refused, house.system.autopsy, seconds=2)
    told = await estimated(house)
    assert (told["refused"]["code"], told["refused"]["resets_at"]) == ("budget_currency", None)
    assert "EUR" in told["refused"]["message"]
    assert (told["cost"]["currency"], told["may_run_out"]) == ("USD", False)
    new = await house.submit(LONG)
    assert (new.status_code, new.json()["error"]["code"]) == (422, "budget_currency")
    assert "Retry-After" not in new.headers
    assert "currency" in {one["code"] for one in new.json()["error"]["details"]}
    go_on.set()
    relay.thaw()

    async def wait() -> bool:
        # Steps that run while the first of them waits go on to their end, and then nothing is reserved.
        (stands,) = (await admin.get("/budgets")).json()["value"]
        states = {(await house.job(job_id))["state"], (await batch(house, batch_id))["state"]}
        return (states, stands["reserved_micros"]) == ({"waiting"}, 0)

    await until(wait, house.system.autopsy)
    assert (await batch(house, batch_id))["waiting"]["code"] == "budget_currency"
    job = await house.job(job_id)
    assert (job["waiting"]["reason"], job["waiting"]["code"]) == ("budget", "budget_currency")
    assert "ask your administrator" in job["waiting"]["message"]
    done = job["progress"]["done"]
    assert 0 < done < job["progress"]["total"]
    asked = len(vendor.seen)
    assert job["usage"]["calls"] == asked - asked_before > 0
    tag = {"If-Match": (await admin.get(path)).headers["ETag"]}
    withdrawn = await admin.send("POST", f"{path}/withdraw", headers=tag)
    assert withdrawn.status_code == 200, withdrawn.text

    async def goes_on() -> bool:
        # Five minutes pass.
        await execute(house.system.database, "UPDATE jobs SET waiting_at = waiting_at - interval '5 minutes'")
        return (await house.job(job_id))["finished_at"] is not None

    await until(goes_on, house.system.autopsy)
    job = await house.job(job_id)
    assert job["state"] == "succeeded", job["error"]
    assert job["usage"]["calls"] == job["progress"]["total"] - 1
    whole = await ended(house, batch_id)
    assert (whole["state"], whole["documents"]["succeeded"]) == ("succeeded", 2)
    (stands,) = (await admin.get("/budgets")).json()["value"]
    assert stands["reserved_micros"] == 0
    assert len(vendor.seen) - asked_before == job["usage"]["calls"] + whole["usage"]["calls"]


@pytest.mark.processes
async def test_from_the_estimate_to_the_report_everything_adds_up(
    house: House, admin: Browser, vendor: ScriptedVendor, database: TestDatabase
) -> None:
    told = await estimated(house)
    assert (told["pool"], told["first_member"]["deployment"]) == ("scripted", "scripted")
    assert (told["left_micros"], told["refused"], told["may_run_out"]) == (None, None, False)
    made = (await house.submit(LONG)).json()
    assert made["estimate"] == {name: told[name] for name in made["estimate"]}
    first = await house.finished(made["id"])
    assert first["state"] == "succeeded", first["error"]
    used, cost = first["usage"], told["cost"]
    assert 0 < cost["low_micros"] <= used["cost_micros"] <= cost["high_micros"] == cost["worst_micros"]
    for name in ("input_tokens", "output_tokens"):
        assert told[name]["low"] <= used[name] <= told[name]["high"]
    assert told["steps"]["low"] <= first["progress"]["total"] <= told["steps"]["high"]
    # What was expected is not far from what came.
    assert cost["high_micros"] < 12 * used["cost_micros"]

    # A soft limit that is passed: said while it runs, and in the record of why.
    soft = await admin.send("POST", "/budgets", json={"scope": "tenant", "currency": "EUR", "soft_micros": 0})
    assert soft.status_code == 201, soft.text

    async def known() -> bool:
        return bool((await house.client().get("/me")).json()["budgets"])

    await until(known, seconds=2)
    second_id = (await house.submit(LONG)).json()["id"]
    events = await house.follow(second_id)
    warnings = [event.data for event in events if event.type == "warning"]
    assert [one["code"] for one in warnings] == ["budget_soft_limit"]
    second = await house.job(second_id)
    assert second["decision"]["frugal"]
    assert second["warnings"]

    # A hard limit that is met on the way: the job waits, and goes on when there is more.
    spent = (await admin.get("/budgets")).json()["value"][0]["spent_micros"]
    limit = await admin.send(
        "PATCH",
        f"/budgets/{soft.json()['id']}",
        json={"hard_micros": spent + 9_000},
        headers={"If-Match": soft.headers["ETag"]},
    )
    assert limit.status_code == 200, limit.text
    narrow = await estimated(house)
    assert (narrow["refused"], narrow["may_run_out"], narrow["left_micros"]) == (None, True, 9_000)
    # Another wish, for what earlier jobs were told of this text would be free.
    third_id = (await house.submit({**LONG, "parameters": {"focus": "the harbour"}})).json()["id"]

    async def waits() -> bool:
        return str((await house.job(third_id))["state"]) == "waiting"

    await until(waits, house.system.autopsy)
    third = await house.job(third_id)
    assert (third["waiting"]["reason"], third["waiting"]["code"]) == ("budget", "budget_exhausted")
    (stands,) = (await admin.get("/budgets")).json()["value"]
    assert stands["spent_micros"] + stands["reserved_micros"] <= stands["hard_micros"]
    raised = await admin.send(
        "PATCH",
        f"/budgets/{stands['id']}",
        json={"hard_micros": 10**9},
        headers={"If-Match": stands["etag"]},
    )
    assert raised.status_code == 200
    third = await house.finished(third_id)
    assert third["state"] == "succeeded", third["error"]

    # The reports say what the jobs say, and the ledger adds up.
    jobs = [first["usage"], second["usage"], third["usage"]]
    paid = sum(one["cost_micros"] for one in jobs)
    own = (await house.client().get("/me/usage", params={"group_by": "task_type,pool,vendor"})).json()[
        "value"
    ]
    assert [(one["task_type"], one["pool"], one["vendor"], one["cost_micros"]) for one in own] == [
        ("summarize", "scripted", "test", paid)
    ]
    (whole,) = (await admin.get("/usage", params={"group_by": "member"})).json()["value"]
    assert (whole["cost_micros"], whole["input_tokens"]) == (paid, sum(one["input_tokens"] for one in jobs))
    as_csv = await admin.get("/usage", params={"group_by": "vendor"}, headers={"Accept": "text/csv"})
    assert as_csv.headers["content-type"].startswith("text/csv")
    assert as_csv.text.splitlines()[1].startswith("test,EUR,")
    (stands,) = (await admin.get("/budgets")).json()["value"]
    assert (stands["reserved_micros"], stands["spent_micros"]) == (0, paid - first["usage"]["cost_micros"])
    await the_price_changes_its_currency_under_a_job(house, admin, vendor)
    async with database.system.system() as session:
        asked = differences(session, tenants=[], kept_days=3650, deadline_seconds=600)
        assert [one async for one in asked] == []


@pytest.mark.processes
async def test_a_batch_waits_when_the_money_is_used_up_and_goes_on_by_itself_when_there_is_more(
    house: House, admin: Browser, vendor: ScriptedVendor
) -> None:
    documents = await uploaded(house, 6)
    each = (await house.client().post("/estimates/batches", json=_batch(documents[:1]))).json()
    budget = await admin.send(
        "POST",
        "/budgets",
        json={"scope": "tenant", "currency": "EUR", "hard_micros": 3 * each["cost"]["worst_micros"]},
    )
    assert budget.status_code == 201, budget.text
    # All are asked for before the first has been paid, which costs less than was reserved for it.
    go_on = held(vendor)
    batch_id = await accepted(house, input={"documents": documents})

    async def waits() -> bool:
        return (await batch(house, batch_id))["waiting"] is not None

    await until(waits, house.system.autopsy)
    go_on.set()
    told = await batch(house, batch_id)
    assert (told["waiting"]["reason"], told["waiting"]["code"]) == ("budget", "budget_exhausted")
    assert told["documents"]["failed"] == 0
    assert told["documents"]["succeeded"] < 6
    (stands,) = (await admin.get("/budgets")).json()["value"]
    assert stands["spent_micros"] + stands["reserved_micros"] <= stands["hard_micros"]

    raised = await admin.send(
        "PATCH",
        f"/budgets/{stands['id']}",
        json={"hard_micros": 10**9},
        headers={"If-Match": stands["etag"]},
    )
    assert raised.status_code == 200, raised.text
    told = await ended(house, batch_id)
    assert (told["state"], told["documents"]["succeeded"]) == ("succeeded", 6)
    (stands,) = (await admin.get("/budgets")).json()["value"]
    assert (stands["reserved_micros"], stands["spent_micros"]) == (0, told["usage"]["cost_micros"])


def _batch(documents: list[str]) -> dict[str, Any]:
    return {"task_type": "summarize", "input": {"documents": documents}}
