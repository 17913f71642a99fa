"""An organisation's summaries move from one vendor to another of a different protocol, prompts and all.

Operators set up both accounts, an administrator drafts, validates and publishes; all through the portal's door.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app.copilot.prompt_files import load_prompt_files
from app.core.keyring import LocalKeyring
from app.core.yaml_text import load_yaml
from app.local.entra.registrations import PORTAL_CLIENT_ID
from app.pools.seed import import_platform
from app.tenants.seed import import_tenants
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, MARY, SEED, RunningEntra, seed_tenants
from tests.house import House, process_settings, serve
from tests.journeys.test_failures import SHORT
from tests.portal.browsers import Browser, Door
from tests.portal.models import changed, made
from tests.processes import system, until
from tests.scripted_vendor import ScriptedVendor
from tests.tenants.administration import execute, rows

pytestmark = pytest.mark.processes
OLD, NEW = "gpt-5.1", "claude-haiku-4-5"
OLD_KEY, NEW_KEY = "sk-old-3b90aa17fc", "sk-ant-new-77d20e41"
MARKED = "You write for the harbour board, in plain words."
CHANGES_WITH_THE_MEMBER = {
    *("member", "answers", "candidates", "hops", "price_revision"),
    *("revision", "revision_id", "why"),
}


@dataclass
class Town:
    """The house, and two people at the portal: who operates the platform, who administers the organisation."""

    house: House
    operator: Browser
    admin: Browser
    database: TestDatabase


@pytest.fixture
async def town(
    database: TestDatabase,
    redis_url: str,
    tmp_path: Path,
    keyring: LocalKeyring,
    entra: RunningEntra,
    vendor: ScriptedVendor,
) -> AsyncIterator[Town]:
    entra.reset()
    platform = load_yaml(SEED.read_text())["platform"]
    async with database.owner.system() as session:
        await import_tenants(session, seed_tenants())
        await import_platform(session, platform, load_prompt_files(), variables={})
    operator = entra.app.people.find(MARY)
    assert operator is not None
    entra.app.people.add(replace(operator, role="PlatformOperator"))
    await execute(
        database,
        "UPDATE members SET role = 'PlatformOperator' WHERE entra_object_id = CAST(:id AS uuid)",
        id=operator.object_id,
    )
    settings = {
        "portal_client_id": PORTAL_CLIENT_ID,
        "operator_tenant": seed_tenants()[0]["entra_tenant_id"],
    }
    # A long lease: loading another vendor's library takes seconds where many tests run at once.
    options = {"extra": process_settings(entra), "lease_seconds": 30.0}
    with system(database, redis_url, tmp_path, keyring, **options) as running:
        running.start("relay")
        running.start("worker")
        async with serve(running, entra, **settings) as api:
            door = Door(api.replace("127.0.0.1", "localhost"), entra)
            async with door.browser() as at_platform, door.browser() as at_tenant:
                for browser, login in ((at_platform, MARY), (at_tenant, ALAN)):
                    signed_in = await browser.sign_in(login)
                    assert signed_in.status_code == 302, signed_in.text
                house = House(running, entra, api)
                yield Town(house, at_platform, at_tenant, database)
                for client in house.clients.values():
                    await client.aclose()


async def account(town: Town, kind: str, vendor: str, base_url: str, key: str, model: str) -> str:
    """A provider with its key and a deployment; gives the deployment's id. Only platforms reach loopback."""
    terms = {"region": "eu", "processor": vendor, "no_training": True, "zero_retention": True}
    provider = await made(
        town.operator,
        "/providers?owner=platform",
        **{"name": vendor, "kind": kind, "vendor": vendor, "base_url": base_url, **terms},
    )
    entered = await town.operator.send(
        "PUT", f"/providers/{provider['id']}/credential?owner=platform", json={"key": key}
    )
    assert entered.status_code == 200, entered.text
    deployment = await made(
        town.operator,
        "/deployments?owner=platform",
        name=model,
        provider_id=provider["id"],
        model_name=model,
        capabilities=["json_schema"],
        context_window=100_000,
        max_output_tokens=4000,
    )
    return str(deployment["id"])


async def publish(town: Town, pool: dict[str, Any], member: dict[str, Any]) -> int:
    """Draft, validate, publish; gives the revision's number."""
    path = f"/pools/{pool['id']}/revisions"
    draft = await made(town.admin, path, members=[member])
    verdict = await town.admin.send("POST", f"{path}/{draft['number']}/validate")
    assert verdict.json() == {"is_valid": True, "problems": []}
    await changed(town.admin, "POST", f"{path}/{draft['number']}/publish", draft["version"])
    return int(draft["number"])


async def summary(town: Town, *, revision: int) -> dict[str, Any]:
    """A job that was accepted under this revision, when it is over."""

    async def served() -> bool:
        answer = await town.house.client(ADA).post(
            "/estimates", json={"task_type": "summarize", "input": {"text": SHORT}}
        )
        told = answer.json()
        return answer.status_code == 200 and (told["pool"], told["revision"]) == ("summaries", revision)

    await until(served, seconds=2)
    accepted = await town.house.submit({"input": {"text": SHORT}})
    assert accepted.status_code == 202, accepted.text
    job = await town.house.finished(accepted.json()["id"])
    assert job["state"] == "succeeded", job["error"]
    return job


async def configured(town: Town) -> dict[str, list[tuple[Any, ...]]]:
    """What the move is not to touch."""
    return {
        table: await rows(town.database, f"SELECT * FROM {table} ORDER BY id")
        for table in ("routes", "providers", "deployments", "price_revisions", "members")
    }


async def test_summaries_move_to_a_vendor_of_another_protocol_with_other_prompts_and_nothing_else_changes(
    town: Town, vendor: ScriptedVendor
) -> None:
    old = await account(town, "openai_compatible", "openai", vendor.base_url, OLD_KEY, OLD)
    new = await account(town, "anthropic", "anthropic", vendor.origin, NEW_KEY, NEW)
    listed = (await town.admin.get("/prompt-sets", params={"task_type": "summarize"})).json()["value"]
    before_prompts = next(one for one in listed if one["name"] == "default")
    pool = await made(town.admin, "/pools", name="summaries", task_type="summarize")
    first = await publish(town, pool, {"deployment_id": old, "prompt_set_id": before_prompts["id"]})
    await made(town.admin, "/routes", name="all", task_type="summarize", pool_id=pool["id"])
    before = await summary(town, revision=first)

    untouched = await configured(town)
    texts = (await town.admin.get(f"/prompt-sets/{before_prompts['id']}")).json()["prompts"]
    after_prompts = await made(
        town.admin,
        "/prompt-sets",
        task_type="summarize",
        name="harbour",
        prompts={**texts, "system": f"{MARKED} {texts['system']}"},
    )
    second = await publish(town, pool, {"deployment_id": new, "prompt_set_id": after_prompts["id"]})
    after = await summary(town, revision=second)

    assert {
        name: before["decision"]["member"][name] for name in ("vendor", "request_model", "prompt_set")
    } == {
        "vendor": "openai",
        "request_model": OLD,
        "prompt_set": "default",
    }
    assert after["decision"]["member"] == {
        **before["decision"]["member"],
        "deployment": NEW,
        "provider_name": "anthropic",
        "vendor": "anthropic",
        "request_model": NEW,
        "prompt_set": "harbour",
        "prompt_revision": 1,
    }
    differing = {name for name in before["decision"] if before["decision"][name] != after["decision"][name]}
    assert differing <= CHANGES_WITH_THE_MEMBER, differing
    assert (before["decision"]["revision"], after["decision"]["revision"]) == (first, second)
    assert await configured(town) == untouched

    # The document, the schema and the answer are the same; the protocol, the key and the prompts are not.
    (asked_old, asked_new) = vendor.asked
    assert [(one.model, one.key) for one in vendor.asked] == [(OLD, OLD_KEY), (NEW, NEW_KEY)]
    assert [MARKED in one.messages[0]["content"] for one in vendor.asked] == [False, True]
    assert ("messages" in vendor.seen[0], "system" in vendor.seen[0]) == (True, False)
    assert "system" in vendor.seen[1]
    assert asked_old.schema is not None
    assert asked_new.schema is not None
    assert before["result"] == after["result"]
