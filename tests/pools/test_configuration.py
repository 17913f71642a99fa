"""Configuration is cached, isolated by tenant, and renewed in under a second after a change."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from app.copilot.prompt_files import load_prompt_files
from app.core.clock import new_id
from app.core.yaml_text import load_yaml
from app.pools.configuration import Configuration
from app.pools.errors import UnknownRevision
from app.pools.routes import JobFacts, choose_route
from app.pools.seed import import_platform
from app.vocabulary import Lane, ProviderKind
from tests.conftest import TestDatabase

SEED = load_yaml((Path(__file__).parents[2] / "infra/seed.yaml").read_text())["platform"]
MODEL = {"SWITCHBOARD_EMBEDDED_MODEL_URL": "http://127.0.0.1:9/v1"}
SHORT = JobFacts("summarize", Lane.INTERACTIVE, "en", 500, "word")


async def seeded(database: TestDatabase, seed: dict[str, Any] = SEED, **variables: str) -> None:
    async with database.owner.system() as session:
        await import_platform(session, seed, load_prompt_files(), variables=variables or MODEL)


@pytest.fixture(params=["app", "system"])
async def configuration(
    request: pytest.FixtureRequest, database: TestDatabase
) -> AsyncIterator[Configuration]:
    await seeded(database)
    configuration = Configuration(getattr(database, request.param))
    configuration.start()
    yield configuration
    await configuration.close()


async def test_both_roles_read_the_platforms_pools_for_any_tenant(
    configuration: Configuration, database: TestDatabase
) -> None:
    for tenant_id in (database.tenant_id, database.other_tenant_id):
        chosen = choose_route(await configuration.routes(tenant_id), SHORT)
        revision = await configuration.revision(tenant_id, chosen.revision_id)
        assert [member.deployment.name for member in revision.members] == ["smollm2-135m", "extractive"]
        model, built_in = (member.deployment for member in revision.members)
        assert model.provider.base_url == MODEL["SWITCHBOARD_EMBEDDED_MODEL_URL"]
        assert built_in.provider.kind is ProviderKind.EXTRACTIVE
        assert model.price is not None
        assert revision.members[0].prompt_name == "small"
        assert (await configuration.policy(tenant_id)).allowed_regions is None


async def test_what_was_read_costs_no_sql_again(database: TestDatabase) -> None:
    await seeded(database)
    configuration, statements = Configuration(database.app), []
    event.listen(
        database.app.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_: statements.append(statement),
    )
    await asyncio.gather(*(configuration.routes(database.tenant_id) for _ in range(20)))
    first = len(statements)
    await configuration.routes(database.tenant_id)
    assert sum("FROM routes" in statement for statement in statements) == 1
    assert len(statements) == first
    await configuration.close()


async def test_a_change_arrives_in_under_a_second_without_a_notification(
    configuration: Configuration, database: TestDatabase
) -> None:
    number = await configuration.newer_than(-1)
    before = await configuration.routes(database.tenant_id)
    async with database.owner.system() as session:
        await session.execute(text("DELETE FROM routes WHERE name = 'summarize-short'"))
    async with asyncio.timeout(1):
        await configuration.newer_than(number)
    assert len(await configuration.routes(database.tenant_id)) == len(before) - 1


async def test_a_notification_makes_it_look_at_once(
    configuration: Configuration, database: TestDatabase
) -> None:
    number = await configuration.newer_than(-1)
    async with database.owner.system() as session:
        await session.execute(text("UPDATE providers SET region = 'moved' WHERE name = 'built-in'"))
    configuration.changed("")
    async with asyncio.timeout(0.4):
        await configuration.newer_than(number)
    chosen = choose_route(await configuration.routes(database.tenant_id), SHORT)
    revision = await configuration.revision(database.tenant_id, chosen.revision_id)
    assert revision.members[1].deployment.provider.region == "moved"


async def test_a_tenants_route_and_policy_are_not_another_tenants(
    configuration: Configuration, database: TestDatabase
) -> None:
    number = await configuration.newer_than(-1)
    async with database.owner.system() as session:
        await session.execute(
            text(
                "INSERT INTO routes (tenant_id, id, name, task_type, conditions, pool_tenant_id, pool_id)"
                " SELECT :tenant, :id, 'own', 'summarize', '{}', tenant_id, id FROM model_pools"
                " WHERE name = 'summarize-long'"
            ),
            {"tenant": database.tenant_id, "id": new_id()},
        )
        await session.execute(
            text(
                "INSERT INTO tenant_policies (tenant_id, weight, max_steps_in_flight, max_jobs_queued,"
                " allowed_regions, require_no_training, require_zero_retention, retention_days,"
                " reuse_across_members) VALUES (:tenant, 1, 32, 1000, '[\"eu\"]', false, false, 30, false)"
            ),
            {"tenant": database.tenant_id},
        )
    configuration.changed("")
    await configuration.newer_than(number)
    assert choose_route(await configuration.routes(database.tenant_id), SHORT).route_name == "own"
    others = await configuration.routes(database.other_tenant_id)
    assert {one.name for one in others if one.task_type == "summarize"} == {"summarize", "summarize-short"}
    assert (await configuration.policy(database.other_tenant_id)).allowed_regions is None
    mine = (await configuration.policy(database.tenant_id)).allowed_regions
    assert mine is not None
    assert list(mine) == ["eu"]


async def test_a_revision_that_is_not_there_says_so(
    configuration: Configuration, database: TestDatabase
) -> None:
    with pytest.raises(UnknownRevision):
        await configuration.revision(database.tenant_id, new_id())


async def test_a_storm_of_notifications_costs_few_looks(database: TestDatabase) -> None:
    looks: list[str] = []
    event.listen(
        database.system.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_: looks.append(statement) if "configuration_rev" in statement else None,
    )
    configuration = Configuration(database.system)
    configuration.start()
    await configuration.newer_than(-1)
    began = time.monotonic()
    for _ in range(300):
        configuration.changed("")
        # As notifications arrive: one by one, with the loop running between them.
        await asyncio.sleep(0.001)
    elapsed = time.monotonic() - began
    await configuration.close()
    assert 1 < len(looks) <= elapsed / 0.05 + 2
