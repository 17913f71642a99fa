"""Models, prices, prompts and sub-processors through the doors."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.pools.prompt_sets import digest
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER
from tests.imported import platform_imported
from tests.portal.browsers import Browser, Portal, code
from tests.portal.test_providers import MISTRAL
from tests.tenants.administration import execute, rows

SMALL = {"name": "small", "model_name": "mistral-small", "context_window": 32000, "max_output_tokens": 4096}
PRICE = {
    "currency": "EUR",
    "input_micros": 100_000,
    "cached_input_micros": 10_000,
    "output_micros": 300_000,
    "reasoning_micros": 300_000,
}


@pytest.fixture
async def admin(portal: Portal, database: TestDatabase) -> AsyncIterator[Browser]:
    await platform_imported(database)
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


@pytest.fixture
async def stranger(portal: Portal) -> AsyncIterator[Browser]:
    """An administrator of another customer."""
    async with portal.browser() as browser:
        await browser.sign_in(EDSGER)
        yield browser


async def provider(browser: Browser) -> str:
    answer = await browser.send("POST", "/providers", json=MISTRAL)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


async def made(browser: Browser, **changes: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A deployment, and the header that names its version."""
    body = SMALL | changes
    if "provider_id" not in body:
        body["provider_id"] = await provider(browser)
    answer = await browser.send("POST", "/deployments", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json(), {"If-Match": answer.headers["etag"]}


async def the_platforms(browser: Browser, kind: str) -> dict[str, Any]:
    """The first of these that is the platform's."""
    found = (await browser.get(f"/{kind}")).json()["value"]
    chosen: dict[str, Any] = next(one for one in found if one["owner"] == "platform")
    return chosen


async def test_a_deployment_is_set_up_changed_by_version_and_put_away(
    admin: Browser, database: TestDatabase
) -> None:
    follower = await the_platforms(admin, "deployments")
    deployment, first = await made(admin, capabilities=["json_schema"], languages=["de", "en"], concurrency=4)
    assert (deployment["owner"], deployment["lifecycle"], deployment["price"]) == ("tenant", "active", None)
    path = f"/deployments/{deployment['id']}"
    wanted = {
        "lifecycle": "deprecated",
        "deprecated_at": "2027-01-01T00:00:00Z",
        "retired_at": "2027-06-01T00:00:00Z",
        "successor_id": follower["id"],
        "concurrency": None,
        "supported_parameters": ["temperature", "seed"],
    }
    changed = await admin.send("PATCH", path, json=wanted, headers=first)
    assert changed.status_code == 200, changed.text
    assert {name: changed.json()[name] for name in wanted} == wanted | {
        "supported_parameters": ["seed", "temperature"]
    }
    assert changed.json()["capabilities"] == ["json_schema"]
    assert code(await admin.send("PATCH", path, json={"concurrency": 1}, headers=first)) == (
        412,
        "changed_meanwhile",
    )
    second = {"If-Match": changed.headers["etag"]}
    shown = await admin.get(path)
    assert (shown.headers["etag"], shown.json()) == (second["If-Match"], changed.json())
    put_away = await admin.send("POST", f"{path}/archive", headers=second)
    assert put_away.json()["archived_at"] is not None
    third = {"If-Match": put_away.headers["etag"]}
    assert code(await admin.send("PATCH", path, json={"concurrency": 1}, headers=third)) == (409, "archived")
    assert code(await admin.send("POST", f"{path}/prices", json=PRICE)) == (409, "archived")
    own = {"provider_id": deployment["provider_id"]}
    assert (await admin.get("/deployments", params=own)).json()["value"] == []
    listed = (await admin.get("/deployments", params={**own, "archived": True})).json()["value"]
    assert [one["id"] for one in listed] == [deployment["id"]]
    done = await rows(
        database, "SELECT action, detail->>'name' FROM audit_entries WHERE action LIKE 'depl%' ORDER BY id"
    )
    assert done == [(f"deployment.{verb}", "small") for verb in ("create", "change", "archive")]


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"max_output_tokens": 32001}, "max_output_tokens"),
        ({"context_window": 0}, "context_window"),
        ({"capabilities": ["telepathy"]}, "capabilities.0"),
        ({"languages": []}, "languages"),
        ({"deprecated_at": "2027-02-01T00:00:00Z", "retired_at": "2027-01-01T00:00:00Z"}, "retired_at"),
        ({"successor_id": "01a21300-0000-7000-8000-000000000000"}, "successor_id"),
    ],
)
async def test_what_contradicts_itself_is_refused_with_its_place(
    admin: Browser, changes: dict[str, Any], target: str
) -> None:
    body = SMALL | changes | {"provider_id": await provider(admin)}
    answer = await admin.send("POST", "/deployments", json=body)
    assert (answer.status_code, answer.json()["error"]["target"]) == (422, target)


async def test_what_is_left_out_is_filled_with_what_is_known_of_the_model(
    admin: Browser, database: TestDatabase
) -> None:
    account = MISTRAL | {"kind": "anthropic", "vendor": "anthropic", "base_url": None}
    answer = await admin.send("POST", "/providers", json=account)
    bare = {"name": "haiku", "model_name": "claude-haiku-4-5", "provider_id": answer.json()["id"]}
    answer = await admin.send("POST", "/deployments", json=bare | {"capabilities": ["tools"]})
    assert answer.status_code == 201, answer.text
    deployment = answer.json()
    filled = {
        "model_class",
        "context_window",
        "max_output_tokens",
        "supported_parameters",
        "lifecycle",
        "price",
    }
    assert set(deployment.pop("from_facts")) == filled
    assert deployment == (await admin.get(f"/deployments/{deployment['id']}")).json()
    assert (deployment["context_window"], deployment["max_output_tokens"]) == (200_000, 50_000)
    assert (deployment["capabilities"], deployment["price"]["output_micros"]) == (["tools"], 5_000_000)
    noted = await rows(
        database,
        "SELECT action, detail->>'from_facts' FROM audit_entries WHERE action IN ('deployment.create', 'price.add')"
        " ORDER BY id",
    )
    assert [action for action, _ in noted] == ["deployment.create", "price.add"]
    assert set(noted[0][1].split(", ")) == filled
    for price in (None, PRICE):
        other = bare | {"name": f"haiku-{'dear' if price else 'free'}", "price": price}
        answer = await admin.send("POST", "/deployments", json=other)
        assert answer.json()["price"] == price
        assert "price" not in answer.json()["from_facts"]


async def test_limits_of_a_model_that_nobody_knows_must_be_said(admin: Browser) -> None:
    body = {"name": "ours", "model_name": "home-grown", "provider_id": await provider(admin)}
    answer = await admin.send("POST", "/deployments", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "wrong_configuration")
    assert [detail["target"] for detail in error["details"]] == ["context_window", "max_output_tokens"]
    assert "Nothing is known of home-grown" in error["message"]


async def test_accounts_and_deployments_in_use_are_not_put_away(
    admin: Browser, database: TestDatabase
) -> None:
    deployment, tag = await made(admin)
    path = f"/providers/{deployment['provider_id']}"
    account = {"If-Match": (await admin.get(path)).headers["etag"]}
    assert code(await admin.send("POST", f"{path}/archive", headers=account)) == (409, "still_in_use")
    await published(database, deployment["id"])
    refused = await admin.send("POST", f"/deployments/{deployment['id']}/archive", headers=tag)
    assert code(refused) == (409, "still_in_use")
    assert "summaries-of-ours" in refused.json()["error"]["message"]


async def test_nobody_puts_models_on_the_platforms_accounts_or_changes_its_models(admin: Browser) -> None:
    theirs = await the_platforms(admin, "deployments")
    body = SMALL | {"provider_id": theirs["provider_id"]}
    assert code(await admin.send("POST", "/deployments", json=body)) == (403, "platform_owned")
    path = f"/deployments/{theirs['id']}"
    tag = {"If-Match": (await admin.get(path)).headers["etag"]}
    for method, place, change in (("PATCH", path, {"concurrency": 1}), ("POST", f"{path}/archive", None)):
        assert code(await admin.send(method, place, json=change, headers=tag)) == (403, "platform_owned")


async def test_a_price_counts_from_when_it_is_added_and_ones_own_before_the_platforms(
    admin: Browser, stranger: Browser, database: TestDatabase
) -> None:
    deployment, _ = await made(admin)
    for which in (deployment, await the_platforms(admin, "deployments")):
        path = f"/deployments/{which['id']}"
        for micros in (100_000, 90_000):
            added = await admin.send("POST", f"{path}/prices", json=PRICE | {"input_micros": micros})
            assert (added.status_code, added.json()["owner"]) == (201, "tenant")
        assert (await admin.get(path)).json()["price"] == PRICE | {"input_micros": 90_000}
        listed = (await admin.get(f"{path}/prices")).json()["value"]
        assert [one["input_micros"] for one in listed if one["owner"] == "tenant"] == [90_000, 100_000]
    platform = f"/deployments/{(await the_platforms(admin, 'deployments'))['id']}"
    theirs = (await stranger.get(f"{platform}/prices")).json()["value"]
    assert all(one["owner"] == "platform" for one in theirs)
    for wrong in ({"currency": "euro"}, {"output_micros": -1}):
        assert (await admin.send("POST", f"{platform}/prices", json=PRICE | wrong)).status_code == 422
    ((count,),) = await rows(database, "SELECT count(*) FROM audit_entries WHERE action = 'price.add'")
    assert count == 4


async def test_ones_own_prices_are_withdrawn_and_the_platforms_counts_again(
    admin: Browser, stranger: Browser, database: TestDatabase
) -> None:
    platforms = await the_platforms(admin, "deployments")
    path = f"/deployments/{platforms['id']}"
    others = {"If-Match": (await stranger.get(f"{path}/prices")).headers["ETag"]}
    for micros in (100_000, 90_000):
        await admin.send("POST", f"{path}/prices", json=PRICE | {"input_micros": micros})
    listed = await admin.get(f"{path}/prices")
    tag = {"If-Match": listed.headers["ETag"]}
    gone = await admin.send("POST", f"{path}/prices/withdraw", headers=tag)
    assert gone.status_code == 200, gone.text
    # Not the one before it, either; and what calls refer to stays.
    assert (await admin.get(path)).json()["price"] == platforms["price"]
    own = [one for one in gone.json()["value"] if one["owner"] == "tenant"]
    assert [one["id"] for one in own] == [
        one["id"] for one in listed.json()["value"] if one["owner"] == "tenant"
    ]
    assert all(one["withdrawn_at"] is not None for one in own)
    assert all(one["withdrawn_at"] is None for one in gone.json()["value"] if one["owner"] == "platform")
    past = await admin.send("POST", f"{path}/prices/withdraw", headers=tag)
    assert code(past) == (412, "changed_meanwhile")
    assert code(await admin.send("POST", f"{path}/prices/withdraw")) == (400, "bad_request")
    again = {"If-Match": gone.headers["ETag"]}
    assert (await admin.send("POST", f"{path}/prices/withdraw", headers=again)).headers[
        "ETag"
    ] == gone.headers["ETag"]
    nothing = await stranger.send("POST", f"{path}/prices/withdraw", headers=others)
    assert [one["owner"] for one in nothing.json()["value"]] == ["platform"] * len(nothing.json()["value"])
    noted = await rows(
        database, "SELECT target_id, detail->>'revisions' FROM audit_entries WHERE action = 'price.withdraw'"
    )
    assert noted == [(platforms["id"], "2")]
    # A later price counts, and knows nothing of the withdrawal.
    await admin.send("POST", f"{path}/prices", json=PRICE)
    assert (await admin.get(path)).json()["price"] == PRICE
    assert code(await admin.send("POST", f"{path}/prices/withdraw", headers=again)) == (
        412,
        "changed_meanwhile",
    )


async def test_of_two_who_withdraw_prices_at_once_one_does(admin: Browser, database: TestDatabase) -> None:
    deployment, _ = await made(admin, price=PRICE)
    path = f"/deployments/{deployment['id']}/prices"
    tag = {"If-Match": (await admin.get(path)).headers["ETag"]}
    both = await asyncio.gather(*(admin.send("POST", f"{path}/withdraw", headers=tag) for _ in range(2)))
    assert sorted(one.status_code for one in both) == [200, 412]
    assert (await admin.get(f"/deployments/{deployment['id']}")).json()["price"] is None
    ((count,),) = await rows(database, "SELECT count(*) FROM audit_entries WHERE action = 'price.withdraw'")
    assert count == 1


async def test_strangers_find_neither_models_nor_prompts(admin: Browser, stranger: Browser) -> None:
    deployment, tag = await made(admin)
    prompts = await own_prompts(admin)
    for method, path, body in (
        ("GET", f"/deployments/{deployment['id']}", None),
        ("PATCH", f"/deployments/{deployment['id']}", {"concurrency": 1}),
        ("POST", f"/deployments/{deployment['id']}/archive", None),
        ("GET", f"/deployments/{deployment['id']}/prices", None),
        ("POST", f"/deployments/{deployment['id']}/prices", PRICE),
        ("POST", f"/deployments/{deployment['id']}/prices/withdraw", None),
    ):
        answer = await stranger.send(method, path, json=body, headers=tag)
        assert code(answer) == (404, "deployment_not_found"), path
    body = SMALL | {"provider_id": deployment["provider_id"]}
    assert code(await stranger.send("POST", "/deployments", json=body)) == (404, "provider_not_found")
    assert code(await stranger.get(f"/prompt-sets/{prompts['id']}")) == (404, "prompt_set_not_found")
    assert prompts["id"] not in (await stranger.get("/prompt-sets")).text


async def own_prompts(admin: Browser, **changes: str) -> dict[str, Any]:
    """A prompt set of the organisation's own: the platform's with changes."""
    (platform,) = [
        one
        for one in (await admin.get("/prompt-sets", params={"task_type": "summarize"})).json()["value"]
        if (one["owner"], one["name"]) == ("platform", "default")
    ]
    prompts = (await admin.get(f"/prompt-sets/{platform['id']}")).json()["prompts"] | changes
    answer = await admin.send(
        "POST", "/prompt-sets", json={"task_type": "summarize", "name": "ours", "prompts": prompts}
    )
    assert answer.status_code == 201, answer.text
    chosen: dict[str, Any] = answer.json()
    return chosen


async def test_prompts_are_added_as_revisions_that_hold_what_the_task_type_asks_for(
    admin: Browser, database: TestDatabase
) -> None:
    first, second = await own_prompts(admin), await own_prompts(admin, system="Be brief. $mark")
    assert [(one["revision"], one["owner"]) for one in (first, second)] == [(1, "tenant"), (2, "tenant")]
    assert second["sha256"] == digest(second["prompts"]) != first["sha256"]
    for wrong, codes in (
        ({"system": "Be brief."}, {"prompt_missing"}),
        (second["prompts"] | {"sytem": "x"}, {"prompt_unknown"}),
    ):
        body = {"task_type": "summarize", "name": "ours", "prompts": wrong}
        answer = await admin.send("POST", "/prompt-sets", json=body)
        assert code(answer) == (422, "wrong_configuration")
        assert {one["code"] for one in answer.json()["error"]["details"]} == codes
    unheard = {"task_type": "sing", "name": "ours", "prompts": {"system": "La."}}
    assert (await admin.send("POST", "/prompt-sets", json=unheard)).json()["error"]["target"] == "task_type"
    entries = await rows(database, "SELECT CAST(a AS text) FROM audit_entries a WHERE action LIKE 'prompt%'")
    assert len(entries) == 2
    assert "Be brief" not in str(entries)


_POOL = """
    INSERT INTO model_pools (tenant_id, id, name, task_type)
    VALUES (:tenant, gen_random_uuid(), 'summaries-of-ours', 'summarize')
"""
_REVISION = """
    INSERT INTO pool_revisions (tenant_id, id, pool_id, number, strategy)
    SELECT tenant_id, gen_random_uuid(), id, 1, 'weighted' FROM model_pools WHERE tenant_id = :tenant
"""
_MEMBER = """
    INSERT INTO pool_members (tenant_id, id, revision_id, deployment_tenant_id, deployment_id,
        prompt_set_tenant_id, prompt_set_id, parameters, tier, weight, purpose)
    SELECT tenant_id, gen_random_uuid(), id, :tenant, CAST(:deployment AS uuid), :owner, :prompts, '{}', 0, 1,
        'serving' FROM pool_revisions WHERE tenant_id = :tenant
"""
_PUBLISH = """
    WITH r AS (
        UPDATE pool_revisions SET published_at = '2026-01-02' WHERE tenant_id = :tenant RETURNING id
    )
    UPDATE model_pools p SET published_revision_id = r.id FROM r WHERE p.tenant_id = :tenant
"""
_ROUTE = """
    INSERT INTO routes (tenant_id, id, name, task_type, conditions, pool_tenant_id, pool_id)
    SELECT tenant_id, gen_random_uuid(), 'ours', 'summarize', '{}', tenant_id, id FROM model_pools
    WHERE tenant_id = :tenant
"""


async def published(database: TestDatabase, deployment_id: str, *, route: bool = False) -> None:
    """A pool of Contoso's with this deployment, published."""
    ((tenant_id,),) = await rows(
        database, "SELECT tenant_id FROM deployments WHERE id = CAST(:id AS uuid)", id=deployment_id
    )
    ((prompt_tenant, prompt_set),) = await rows(
        database, "SELECT tenant_id, id FROM prompt_sets WHERE task_type = 'summarize' AND name = 'default'"
    )
    given = {"tenant": tenant_id, "deployment": deployment_id, "owner": prompt_tenant, "prompts": prompt_set}
    statements = [_POOL, _REVISION, _MEMBER, _PUBLISH, *([_ROUTE] if route else [])]
    for statement in statements:
        named = {name: value for name, value in given.items() if f":{name}" in statement}
        await execute(database, statement, **named)


async def test_members_see_who_processes_their_text_under_which_terms_and_since_when(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    async with portal.browser() as member:
        await member.sign_in(ADA)
        before = (await member.get("/sub-processors")).json()["value"]
        assert before
        assert {one["owner"] for one in before} == {"platform"}
        deployment, _ = await made(admin)
        number = portal.services.configuration.number
        await published(database, deployment["id"], route=True)
        await portal.services.configuration.newer_than(number)
        shown = await until_shown(portal, member)
        assert shown.pop("owner") == "tenant"
        assert shown == {
            "processor": "Mistral AI",
            "vendor": "mistral",
            "region": "eu",
            "provider": "mistral",
            "no_training": True,
            "zero_retention": False,
            "contract_until": None,
            "task_types": ["summarize"],
            "since": "2026-01-02T00:00:00Z",
        }
    async with portal.browser() as other:
        await other.sign_in(EDSGER)
        assert {one["owner"] for one in (await other.get("/sub-processors")).json()["value"]} == {"platform"}


async def until_shown(portal: Portal, member: Browser) -> dict[str, Any]:
    """The one account that is left once every change of the configuration has arrived."""
    while True:
        number = portal.services.configuration.number
        everybody = (await member.get("/sub-processors")).json()["value"]
        found = [one for one in everybody if "summarize" in one["task_types"]]
        ours = [one for one in found if one["owner"] == "tenant"]
        if ours:
            # The organisation's own route takes the task type whole.
            assert found == ours
            chosen: dict[str, Any] = ours[0]
            return chosen
        await portal.services.configuration.newer_than(number)
