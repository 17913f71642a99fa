"""A tenant's configuration as a file: out of one tenant, into another, and out again the same."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import yaml

from app.core.yaml_text import load_yaml
from app.pools.file_schema import MOST_BYTES
from tests.conftest import TestDatabase
from tests.entra import ALAN, EDSGER
from tests.portal.browsers import Browser, Portal, code
from tests.portal.models import seed_models
from tests.tenants.administration import execute, rows, snapshot

FILE = """
version: 1
providers:
- {name: acme, kind: openai_compatible, vendor: acme, base_url: 'https://models.acme.example/v1', region: eu,
   processor: Acme, no_training: true, contract_until: '2031-01-01T00:00:00Z'}
deployments:
- name: acme-small
  provider: acme
  model_name: small-1
  capabilities: [json_schema]
  languages: [en, de]
  context_window: 32000
  max_output_tokens: 2000
  concurrency: 4
  supported_parameters: [temperature]
  successor: acme-large
  price: {currency: EUR, input_micros: 1, cached_input_micros: 1, output_micros: 2, reasoning_micros: 2}
- {name: acme-large, provider: acme, model_name: large-1, context_window: 64000, max_output_tokens: 4000}
prices:
- {deployment: platform/extractive, currency: EUR, input_micros: 3, cached_input_micros: 3, output_micros: 3,
   reasoning_micros: 3}
prompt_sets:
- task_type: summarize
  name: house-style
  revision: 2
  prompts: HOUSE_PROMPTS
pools:
- name: texts
  task_type: summarize
  strategy: least_cost
  members:
  - {deployment: acme-small, prompt_set: house-style@2, parameters: {temperature: 0.2}, weight: 3}
  - {deployment: platform/extractive, prompt_set: platform/default@PLATFORM, tier: 1}
- {name: later, task_type: summarize}
routes:
- {name: long, task_type: summarize, conditions: {min_tokens: 5000, department: Research}, pool: texts}
- {name: rest, task_type: summarize, pool: platform/PLATFORM_POOL}
policy: {allowed_regions: [eu, local], require_no_training: true}
task_permissions:
- {task_type: summarize, departments: [Research], programs: false}
"""

ACME_PRICE = {
    "currency": "EUR",
    "input_micros": 1,
    "cached_input_micros": 1,
    "output_micros": 2,
    "reasoning_micros": 2,
}


@pytest.fixture
async def admin(portal: Portal, database: TestDatabase) -> AsyncIterator[Browser]:
    await seed_models(database)
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


@pytest.fixture
async def file(admin: Browser, database: TestDatabase) -> str:
    """The file, with the platform's names as they are."""
    ((revision, prompts),) = await rows(
        database,
        "SELECT revision, prompts FROM prompt_sets WHERE task_type = 'summarize' AND name = 'default'"
        " ORDER BY revision DESC LIMIT 1",
    )
    house = json.dumps({**prompts, "system": "Schreibe kurz.\nUnd höflich.", "user": "$document"})
    ((pool,),) = await rows(database, "SELECT min(name) FROM model_pools WHERE task_type = 'summarize'")
    text = FILE.replace("@PLATFORM", f"@{revision}").replace("PLATFORM_POOL", pool)
    return text.replace("HOUSE_PROMPTS", house)


async def put(browser: Browser, text: str | bytes, *, tag: str | None = None, **query: str) -> httpx.Response:
    if tag is None and "dry_run" not in query:
        tag = (await browser.get("/configuration")).headers["ETag"]
    headers = {"Content-Type": "application/yaml"} | ({} if tag is None else {"If-Match": tag})
    return await browser.send("PUT", "/configuration", content=text, headers=headers, params=query)


async def exported(browser: Browser) -> str:
    answer = await browser.get("/configuration")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/yaml")
    return answer.text


def changes(answer: httpx.Response) -> set[tuple[str, str, str]]:
    assert answer.status_code == 200, answer.text
    return {(one["kind"], one["name"], one["what"]) for one in answer.json()["changes"]}


async def test_what_goes_from_one_tenant_to_another_comes_out_the_same(
    portal: Portal, admin: Browser, file: str, database: TestDatabase
) -> None:
    assert ("pool", "texts revision 1", "published") in changes(await put(admin, file))
    first = await exported(admin)
    wanted = load_yaml(file)
    shown: dict[str, Any] = load_yaml(first)
    assert shown["routes"] == wanted["routes"]
    assert shown["policy"] == wanted["policy"]
    assert shown["prompt_sets"] == wanted["prompt_sets"]
    assert [one["name"] for one in shown["pools"]] == ["later", "texts"]
    assert shown["pools"][1]["members"] == wanted["pools"][0]["members"]
    async with portal.browser() as neighbour:
        await neighbour.sign_in(EDSGER)
        assert "acme" not in await exported(neighbour)
        await put(neighbour, first)
        assert await exported(neighbour) == first
    before = await snapshot(database)
    assert changes(await put(admin, first)) == set()
    after = await snapshot(database)
    assert {table for table in after if after[table] != before[table]} == {"audit_entries"}
    again = await recorded(database, after="configuration.import")
    assert {action for action, *_ in again} == {"configuration.export"}


async def recorded(database: TestDatabase, *, after: str = "") -> list[tuple[str, str, dict[str, Any]]]:
    """Action, target and detail of what was recorded after the last entry of that action."""
    found = await rows(database, "SELECT action, target_id, detail FROM audit_entries ORDER BY id")
    last = max((at for at, (action, *_) in enumerate(found) if action == after), default=-1)
    return [(action, target, detail) for action, target, detail in found[last + 1 :]]


async def test_an_import_records_each_thing_that_it_changes_by_name_and_id(
    admin: Browser, file: str, database: TestDatabase
) -> None:
    told = changes(await put(admin, file, dry_run="true"))
    assert await recorded(database, after="session.begin") == []
    assert changes(await put(admin, file)) == told
    entries = await recorded(database, after="configuration.export")
    made = [(action, detail.get("name")) for action, _, detail in entries if detail.get("imported")]
    assert sorted(made) == [
        ("deployment.create", "acme-large"),
        ("deployment.create", "acme-small"),
        ("pool.create", "later"),
        ("pool.create", "texts"),
        ("pool.publish", "texts"),
        ("price.add", "acme-small"),
        ("price.add", "platform/extractive"),
        ("prompt_set.create", "house-style"),
        ("provider.create", "acme"),
        ("route.create", "long"),
        ("route.create", "rest"),
    ]
    ids = {target for _, target, detail in entries if detail.get("imported")}
    own = await rows(
        database,
        "SELECT id FROM providers WHERE name = 'acme' UNION SELECT id FROM deployments WHERE name LIKE 'acme-%'"
        " OR name = 'extractive' UNION SELECT id FROM prompt_sets WHERE name = 'house-style'"
        " UNION SELECT id FROM model_pools WHERE name IN ('texts', 'later')"
        " UNION SELECT id FROM routes WHERE name IN ('long', 'rest')",
    )
    assert ids == {str(id_) for (id_,) in own}
    assert "Schreibe kurz" not in json.dumps(entries)
    (whole,) = [detail for action, _, detail in entries if action == "configuration.import"]
    assert (whole["changes"], whole["pool_created"], whole["route_created"]) == (len(told), 2, 2)
    small = file.replace("concurrency: 4", "concurrency: 5").replace("\n  successor: acme-large", "")
    await put(admin, small)
    changed = await recorded(database, after="configuration.export")
    assert [(action, detail) for action, _, detail in changed] == [
        (
            "deployment.change",
            {"name": "acme-small", "provider": "acme", "concurrency": 5, "successor": None, "imported": True},
        ),
        ("configuration.import", {"changes": 1, "deployment_changed": 1}),
    ]


async def test_a_trial_tells_what_it_would_change_and_changes_nothing(
    admin: Browser, file: str, database: TestDatabase
) -> None:
    before = await snapshot(database)
    told = await put(admin, file, dry_run="true")
    assert told.json()["is_applied"] is False
    assert await snapshot(database) == before
    assert changes(await put(admin, file)) == changes(told)


async def test_what_a_file_no_longer_names_is_archived_and_keys_of_accounts_go(
    admin: Browser, file: str, database: TestDatabase
) -> None:
    await put(admin, file)
    await execute(
        database,
        "INSERT INTO provider_credentials (tenant_id, provider_id, reference)"
        " SELECT tenant_id, id, 'env:QUUX_SECRET' FROM providers WHERE name = 'acme'",
    )
    assert "QUUX" not in await exported(admin)
    gone = changes(await put(admin, "version: 1\n"))
    assert {
        ("route", "long", "deleted"),
        ("route", "rest", "deleted"),
        ("pool", "texts", "archived"),
        ("deployment", "acme-small", "archived"),
        ("provider", "acme", "archived"),
        ("price", "platform/extractive", "withdrawn"),
        ("price", "acme-small", "withdrawn"),
        ("prompt_set", "house-style@2", "archived"),
        ("policy", "policy", "changed"),
        ("task_permission", "summarize", "changed"),
    } <= gone
    assert load_yaml(await exported(admin)) == {"version": 1}
    prompts = {"task_type": "summarize"}
    assert "house-style" not in (await admin.get("/prompt-sets", params=prompts)).text
    (put_away,) = [
        one
        for one in (await admin.get("/prompt-sets", params={**prompts, "archived": True})).json()["value"]
        if one["name"] == "house-style"
    ]
    assert put_away["archived_at"] is not None
    back = changes(await put(admin, file))
    assert {("pool", "texts", "changed"), ("prompt_set", "house-style@2", "changed")} <= back
    assert (await admin.get(f"/prompt-sets/{put_away['id']}")).json()["archived_at"] is None
    assert not any(what == "published" for _, _, what in back)
    assert await rows(database, "SELECT reference FROM provider_credentials") == []


async def test_a_file_that_was_just_exported_changes_nothing_of_what_was_put_away_before(
    admin: Browser, file: str
) -> None:
    # What is a successor is exported for that, archived or not.
    await put(admin, file.replace("  successor: acme-large\n", ""))
    shown = (await admin.get("/deployments")).json()["value"]
    (large,) = [one for one in shown if one["name"] == "acme-large"]
    place = f"/deployments/{large['id']}"
    assert (await admin.send("POST", f"{place}/prices", json=ACME_PRICE)).status_code == 201
    tag = (await admin.get(place)).headers["ETag"]
    assert (await admin.send("POST", f"{place}/archive", headers={"If-Match": tag})).status_code == 200
    assert changes(await put(admin, await exported(admin))) == set()


async def test_every_mistake_is_told_with_its_place_and_nothing_is_written(
    admin: Browser, file: str, database: TestDatabase
) -> None:
    before = await snapshot(database)
    tag = (await admin.get("/configuration")).headers["ETag"]
    wrong = (
        file.replace("provider: acme, model_name: large-1", "provider: nobody, model_name: large-1")
        .replace("deployment: acme-small, prompt_set", "deployment: acme-smal, prompt_set")
        .replace("pool: texts", "pool: text")
    )
    answer = await put(admin, wrong, tag=tag)
    assert code(answer) == (422, "invalid_configuration")
    assert {(one["code"], one["target"]) for one in answer.json()["error"]["details"]} == {
        ("unknown_provider", "deployments[1].provider"),
        ("unknown_deployment", "deployments[0].successor"),
        ("unknown_deployment", "pools[0].members[0].deployment"),
        ("unknown_pool", "routes[0].pool"),
    }
    useless = await put(admin, file.replace("temperature: 0.2", "top_p: 0.2"), tag=tag)
    assert [(one["code"], one["target"]) for one in useless.json()["error"]["details"]] == [
        ("unsupported_parameter", "pools[0].members")
    ]
    for text, target in (
        ("providers: [{name: x}]", "providers[0].kind"),
        ("providers:\n- {name: x, credential: 'env:KEY'}", "providers[0].kind"),
        ("a: &a [1]\nb: *a", "line 1"),
        ("[" * 30 + "]" * 30, "line 1"),
        ("a: !!python/object/apply:os.getcwd []", "line 1"),
        ("a: [", "line 2"),
        (b"\xff\xfe\xfa", ""),
    ):
        answer = await put(admin, text, tag=tag)
        assert code(answer) == (422, "invalid_configuration"), text
        places = [one["target"] or "" for one in answer.json()["error"]["details"]]
        assert target in places, (text, places)
    secret = await put(admin, "providers:\n- {name: x, credential: 'env:KEY'}", tag=tag)
    assert ("extra_forbidden", "providers[0].credential") in {
        (one["code"], one["target"]) for one in secret.json()["error"]["details"]
    }
    assert code(await put(admin, "#" * (MOST_BYTES + 1), tag=tag)) == (413, "too_large")
    headers = {"Content-Type": "text/plain", "If-Match": tag}
    plain = await admin.send("PUT", "/configuration", content=file, headers=headers)
    assert code(plain) == (400, "bad_request")
    after = await snapshot(database)
    assert {table for table in after if after[table] != before[table]} == {"audit_entries"}


async def test_an_import_names_the_configuration_that_it_replaces(admin: Browser, file: str) -> None:
    tag = (await admin.get("/configuration")).headers["ETag"]
    await put(admin, file, tag=tag)
    assert code(await put(admin, "version: 1", tag=tag)) == (412, "changed_meanwhile")
    headers = {"Content-Type": "application/yaml"}
    without = await admin.send("PUT", "/configuration", content=file, headers=headers)
    assert code(without) == (400, "bad_request")


@pytest.mark.parametrize(
    ("there", "instead", "code_"),
    [
        ("https://models.acme.example/v1", "http://127.0.0.1:8720/v1", "address_not_allowed"),
        ("https://models.acme.example/v1", "https://models.acme.example/v1?key=abc", "address_not_allowed"),
        ("base_url: 'https://models.acme.example/v1', ", "", "base_url_missing"),
        ("kind: openai_compatible", "kind: azure_openai, authentication: entra", "not_azure"),
        ("  provider: acme\n", "  provider: platform/built-in\n", "platform_owned"),
        ("max_output_tokens: 2000", "max_output_tokens: 32001", "more_than_the_window"),
        (
            "price: {currency: EUR, input_micros: 1,",
            "price: {currency: EUR, input_micros: 99999999999,",
            None,
        ),
        ("deployment: platform/extractive, currency", "deployment: acme-small, currency", "twice"),
        ("languages: [en, de]", "languages: []", None),
        ("  context_window: 32000\n", "", None),
        ("vendor: acme", 'vendor: "a\\0b"', None),
        ("'2031-01-01T00:00:00Z'", "'0001-01-01T00:00:00+14:00'", "not_storable"),
        ("successor: acme-large", "successor: acme-small", "own_successor"),
        ("system:", "sistem:", None),
        ("\nroutes:", "\nroutes_: []\nroutes:", None),
    ],
)
async def test_what_other_operations_refuse_no_file_brings_in(
    admin: Browser, file: str, database: TestDatabase, there: str, instead: str, code_: str | None
) -> None:
    file = file.replace('"system":', "system:")
    assert there in file
    before = await snapshot(database)
    refused = await put(admin, file.replace(there, instead, 1), dry_run="true")
    assert refused.status_code == 422, refused.text
    if code_ is not None:
        assert code_ in {one["code"] for one in refused.json()["error"]["details"]}
    assert await snapshot(database) == before


async def test_a_key_does_not_follow_an_account_to_another_address(
    admin: Browser, file: str, database: TestDatabase
) -> None:
    assert (await put(admin, file)).status_code == 200
    ((provider_id,),) = await rows(database, "SELECT id FROM providers WHERE name = 'acme'")
    entered = await admin.send("PUT", f"/providers/{provider_id}/credential", json={"key": "k" * 20})
    assert entered.status_code == 200, entered.text
    moved = file.replace("models.acme.example", "elsewhere.example")
    assert (await put(admin, moved)).status_code == 200
    assert (await admin.get(f"/providers/{provider_id}")).json()["credential"] is None


@pytest.mark.parametrize("left_out", ["deployments", "providers", "pools"])
async def test_nothing_that_serves_goes_to_the_archive(
    admin: Browser, file: str, database: TestDatabase, left_out: str
) -> None:
    assert (await put(admin, file)).status_code == 200
    before = await snapshot(database)
    less = load_yaml(file)
    del less[left_out]
    refused = await put(admin, yaml.safe_dump(less), dry_run="true")
    assert refused.status_code == 422, refused.text
    assert any(one["code"].startswith("archived") for one in refused.json()["error"]["details"])
    assert await snapshot(database) == before


async def test_of_imports_at_once_one_counts(admin: Browser, file: str) -> None:
    tag = (await admin.get("/configuration")).headers["ETag"]
    answers = await asyncio.gather(
        *(
            admin.send(
                "PUT",
                "/configuration",
                content=file.replace("Acme", f"Acme {number}").encode(),
                headers={"If-Match": tag, "Content-Type": "application/yaml"},
            )
            for number in range(3)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]
