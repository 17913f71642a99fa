"""The platform's seed: idempotent, left out where the environment says so, wrong places named."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from app.copilot.prompt_files import load_prompt_files
from app.core.errors import SeedError
from app.local.vendors import announce_vendors, found_keys
from app.pools.configuration import Configuration
from app.pools.errors import NoRoute
from app.pools.routes import JobFacts, choose_route
from app.pools.seed import import_platform
from app.vocabulary import Lane, Lifecycle
from tests.conftest import TestDatabase
from tests.pools.test_configuration import MODEL, SEED, seeded
from tests.scripted_vendor import ScriptedVendor

DEVELOPMENT = {"SWITCHBOARD_ENV": "development"}
KEYS = {
    f"{name}_API_KEY": "k" for name in ["OPENAI", "ANTHROPIC", "XAI", "DEEPSEEK", "MISTRAL", "META", "GEMINI"]
}
MEMBERS = """
    SELECT p.name, r.number, m.tier, d.name FROM model_pools p
    JOIN pool_revisions r ON r.id = p.published_revision_id
    JOIN pool_members m ON m.revision_id = r.id JOIN deployments d ON d.id = m.deployment_id
    WHERE p.task_type = :task_type ORDER BY p.name, m.tier
"""


async def members(database: TestDatabase, task_type: str = "summarize") -> list[tuple[Any, ...]]:
    """Of the published pools of a task type."""
    async with database.owner.system() as session:
        return [tuple(row) for row in await session.execute(text(MEMBERS), {"task_type": task_type})]


async def number(database: TestDatabase) -> Any:
    async with database.owner.system() as session:
        return await session.scalar(text("SELECT number FROM configuration_revision"))


async def test_the_seed_that_comes_with_the_product_imports(database: TestDatabase) -> None:
    await seeded(database)
    assert await members(database) == [
        ("summarize-long", 1, 0, "extractive"),
        ("summarize-short", 1, 0, "smollm2-135m"),
        ("summarize-short", 1, 1, "extractive"),
    ]
    assert await members(database, "extract_actions") == [("extract-actions", 1, 0, "extractive")]


async def test_a_task_type_that_the_file_does_not_name_waits_in_a_pool_of_its_own(
    database: TestDatabase, vendor: ScriptedVendor
) -> None:
    async with database.owner.system() as session:
        await import_platform(session, SEED, load_prompt_files(), variables=MODEL)
    assert await members(database, "draft") == []
    configuration = Configuration(database.app)
    routes = await configuration.routes(database.tenant_id)
    with pytest.raises(NoRoute, match=r"draft_reply is set up: .* the pool draft-reply\..* OPENAI_API_KEY"):
        choose_route(routes, JobFacts("draft_reply", Lane.INTERACTIVE, "en", 0, "word"))
    await configuration.close()
    async with database.owner.system() as session:
        await announce_vendors(session, {**DEVELOPMENT, "OPENAI_API_KEY": "k"}, offline=False)
    assert await members(database, "draft") == [("draft", 1, -1, "environment-openai")]
    assert await members(database, "draft_reply") == [("draft-reply", 1, -1, "environment-openai")]
    async with database.owner.system() as session:
        await announce_vendors(session, DEVELOPMENT, offline=False)
    assert await members(database, "draft") == []


async def test_an_unchanged_seed_writes_nothing_at_all(database: TestDatabase) -> None:
    await seeded(database)
    before = await number(database)
    await seeded(database)
    assert await number(database) == before


async def test_a_changed_member_makes_one_new_revision_of_its_pool_only(database: TestDatabase) -> None:
    await seeded(database)
    seed = copy.deepcopy(SEED)
    seed["pools"][0]["members"][1]["weight"] = 5
    seed["deployments"][1]["price"] = {**seed["deployments"][1]["price"], "input_micros": 7}
    seed["routes"].pop(0)
    await seeded(database, seed)
    assert {(pool, revision) for pool, revision, *_ in await members(database)} == {
        ("summarize-long", 1),
        ("summarize-short", 2),
    }
    async with database.owner.system() as session:
        prices = await session.execute(
            text(
                "SELECT input_micros FROM price_revisions p JOIN deployments d ON d.id = p.deployment_id"
                " WHERE d.name = 'extractive' ORDER BY p.created_at"
            )
        )
        routes = await session.execute(
            text("SELECT name FROM routes WHERE task_type IN ('summarize', 'extract_actions')")
        )
        assert [row[0] for row in prices] == [0, 7]
        assert sorted(row[0] for row in routes) == ["extract-actions", "summarize"]


async def test_a_model_whose_address_is_not_set_is_left_out_and_comes_back(database: TestDatabase) -> None:
    await seeded(database, UNRELATED="x")
    assert [row[3] for row in await members(database)] == ["extractive", "extractive"]
    await seeded(database)
    assert ("summarize-short", 2, 0, "smollm2-135m") in await members(database)


WRONG: list[tuple[list[Any], Any, str]] = [
    (["providers", 0, "kind"], "cohere", "providers[0].kind: input should be"),
    (["deployments", 0, "contextwindow"], 1, "deployments[0].contextwindow: extra inputs"),
    (["deployments", 1, "provider"], "gone", "deployments[1].provider: there is no provider gone"),
    (["pools", 0, "members", 1, "tier"], -1, "pools[0].members[1].tier: input should be greater"),
    (["pools", 0, "members", 0, "deployment"], "x", "pools[0].members[0].deployment: there is no"),
    (["pools", 0, "members", 0, "prompt_set"], "x", "pools[0].members[0].prompt_set: there are no prompts"),
    (["pools", 0, "members", 0, "parameters"], {"api_base": "x"}, "members[0].parameters.api_base"),
    (["routes", 0, "conditions"], {"sensitivity": 1}, "routes[0].conditions.sensitivity"),
    (
        ["routes", 0, "pool"],
        "x",
        "routes[0].pool: there is no pool x; known are: extract-actions, summarize-long",
    ),
    (["routes", 0, "task_type"], "rewrite", "routes[0].task_type: the pool summarize-short serves summarize"),
    (["routes", 0, "name"], "summarize", "routes[1].name: summarize is there twice"),
]


@pytest.mark.parametrize(("place", "value", "message"), WRONG)
async def test_a_mistake_is_named_with_its_place(
    database: TestDatabase, place: list[Any], value: Any, message: str
) -> None:
    seed = copy.deepcopy(SEED)
    target: Any = seed
    for part in place[:-1]:
        target = target[part]
    target[place[-1]] = value
    with pytest.raises(SeedError) as raised:
        await seeded(database, seed)
    assert str(raised.value).startswith("infra/seed.yaml: platform.")
    assert message in str(raised.value)


async def test_a_prompt_that_changed_under_its_old_revision_is_refused(database: TestDatabase) -> None:
    await seeded(database)
    changed = [replace(file, sha256="0" * 64) for file in load_prompt_files()]
    with pytest.raises(SeedError, match="raise `revision` in their file"):
        async with database.owner.system() as session:
            await import_platform(session, SEED, changed, variables=MODEL)


async def test_a_key_in_the_environment_is_asked_first_and_leaves_when_it_is_gone(
    database: TestDatabase,
) -> None:
    await seeded(database)
    environment = {**DEVELOPMENT, "OPENAI_API_KEY": "sk-secret", "OPENAI_MODEL": "a-model"}
    async with database.owner.system() as session:
        lines = await announce_vendors(session, environment, False)
    assert any("a-model by OpenAI is asked first (env:OPENAI_API_KEY)" in line for line in lines)
    assert "sk-secret" not in "".join(lines)
    first = [row for row in await members(database) if row[3] == "environment-openai"]
    assert [(pool, tier) for pool, _, tier, _ in first] == [("summarize-long", -1), ("summarize-short", -1)]
    async with database.owner.system() as session:
        stored = (await session.execute(text("SELECT reference, sealed FROM provider_credentials"))).all()
    assert [tuple(row) for row in stored] == [("env:OPENAI_API_KEY", None)]

    before = await number(database)
    await seeded(database)
    async with database.owner.system() as session:
        await announce_vendors(session, environment, False)
    assert await number(database) == before

    async with database.owner.system() as session:
        assert await announce_vendors(session, DEVELOPMENT, True) == []
    assert all("environment" not in row[3] for row in await members(database))


async def test_outside_development_no_key_is_taken_from_the_environment(database: TestDatabase) -> None:
    await seeded(database)
    async with database.owner.system() as session:
        assert await announce_vendors(session, {"OPENAI_API_KEY": "sk"}, False) == []


def test_each_known_key_gives_one_deployment_by_its_vendors_protocol() -> None:
    azure = {
        "AZURE_OPENAI_API_KEY": "k",
        "AZURE_OPENAI_ENDPOINT": "https://contoso.openai.azure.com/",
        "AZURE_OPENAI_DEPLOYMENT": "ours",
    }
    offers = found_keys({**KEYS, **azure})
    assert [offer.provider.kind for offer in offers] == [
        *("openai", "anthropic", "openai_compatible", "openai_compatible", "openai_compatible"),
        *("openai_compatible", "google", "azure_openai"),
    ]
    assert offers[-1].provider.base_url == "https://contoso.openai.azure.com/openai/v1/"
    assert offers[2].provider.base_url == "https://api.x.ai/v1"
    assert all(str(offer.provider.credential).startswith("env:") for offer in offers)


def test_what_is_offered_is_a_model_that_is_known_still_runs_and_answers_in_a_schema() -> None:
    for offer in found_keys(KEYS):
        known = offer.deployment
        assert known.price is not None, known.model_name
        assert known.lifecycle is Lifecycle.ACTIVE, known.model_name
        assert "json_schema" in known.capabilities
        sent = offer.parameters.model_dump(exclude_none=True)
        assert known.supported_parameters is not None
        assert sent.keys() <= set(known.supported_parameters)
    other = found_keys({"OPENAI_API_KEY": "k", "OPENAI_MODEL": "nobody-knows-it"})[0]
    assert (other.deployment.context_window, other.deployment.price) == (32_768, None)
    assert other.parameters.model_dump(exclude_none=True) == {}


async def test_a_server_on_this_machine_is_found_by_its_models() -> None:
    from app.local.vendors import found_server

    async with ScriptedVendor() as vendor:
        offer = await found_server(vendor.base_url)
    assert offer is not None
    assert (offer.deployment.model_name, offer.deployment.context_window) == ("scripted", 4_096)
    assert await found_server("http://127.0.0.1:1/v1") is None
