"""Each end is announced once at each threshold, to those who use it, with the pool that would be left empty."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.notices import service
from app.notices.service import NoticeView
from app.notices.watching import Watching
from app.vocabulary import PLATFORM, NoticeKind
from tests.conftest import TestDatabase
from tests.notices.ends import add_deployment, add_pool, add_provider, platform_pool, told
from tests.tenants.administration import execute, rows

END = datetime(2027, 6, 30, 22, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


async def at(database: TestDatabase, when: datetime, tenant_id: UUID | None = None) -> list[NoticeView]:
    """What is written for a tenant at a time."""
    tenant_id = tenant_id or database.tenant_id
    async with database.app.tenant(tenant_id) as session:
        return await service.write(session, tenant_id=tenant_id, now=when)


async def test_an_end_is_announced_90_30_and_7_days_ahead_and_when_it_comes_each_once(
    database: TestDatabase,
) -> None:
    await add_provider(database, database.tenant_id, "Acme", until=END)
    seen = {}
    for when in (
        END - 90 * DAY - SECOND,
        END - 90 * DAY,
        END - 31 * DAY,
        END - 30 * DAY,
        END - 8 * DAY,
        END - 7 * DAY,
        END - SECOND,
        END,
        END + DAY,
    ):
        seen[when] = [one.threshold_days for one in await at(database, when)]
    assert {when: days for when, days in seen.items() if days} == {
        END - 90 * DAY: [90],
        END - 30 * DAY: [30],
        END - 7 * DAY: [7],
        END: [0],
    }


async def test_who_hears_of_an_end_late_is_told_once_and_of_what_is_long_over_nothing(
    database: TestDatabase,
) -> None:
    await add_provider(database, database.tenant_id, "Acme", until=END)
    await add_provider(database, database.tenant_id, "Gone", until=END - 60 * DAY)
    (notice,) = await at(database, END - 5 * DAY)
    assert (notice.subject_name, notice.threshold_days, notice.kind) == ("Acme", 7, NoticeKind.CONTRACT)
    assert await at(database, END - 4 * DAY) == []


async def test_another_end_is_announced_anew(database: TestDatabase) -> None:
    await add_provider(database, database.tenant_id, "Acme", until=END)
    await at(database, END - 20 * DAY)
    await execute(database, "UPDATE providers SET contract_until = :end", end=END + 10 * DAY)
    (notice,) = await at(database, END - 20 * DAY)
    assert (notice.threshold_days, notice.ends_at) == (30, END + 10 * DAY)


async def test_a_deployment_is_announced_as_deprecated_and_as_retired(database: TestDatabase) -> None:
    provider = await add_provider(database, database.tenant_id, "Acme")
    ends = {"deprecated_at": END - DAY, "retired_at": END}
    await add_deployment(database, database.tenant_id, provider, "alpha", **ends)
    found = await at(database, END - 20 * DAY)
    assert [(one.kind, one.subject_name, one.ends_at, one.owner) for one in found] == [
        (NoticeKind.DEPRECATION, "alpha", END - DAY, "tenant"),
        (NoticeKind.RETIREMENT, "alpha", END, "tenant"),
    ]


async def test_the_pool_that_would_be_left_empty_is_named_in_advance(database: TestDatabase) -> None:
    await platform_pool(database, lasting=False, ends_at=END)
    (notice,) = await at(database, END - 20 * DAY)
    assert (notice.subject_name, notice.owner) == ("old-model", "platform")
    assert notice.pools == [
        {"name": "everybodys", "task_type": "summarize", "becomes_empty": True, "members_left": 0}
    ]


@pytest.mark.parametrize("table", ["deployments", "providers"])
async def test_the_end_of_what_was_put_away_is_no_news(database: TestDatabase, table: str) -> None:
    shared = await add_provider(database, PLATFORM, "shared", until=END)
    for name in ("old-model", "other-model"):
        id_ = await add_deployment(database, PLATFORM, shared, name, retired_at=END)
        await add_pool(database, PLATFORM, f"of-{name}", {id_: PLATFORM})
    archived = "UPDATE {} SET archived_at = now() WHERE name IN ('old-model', 'shared')"
    await execute(database, archived.format(table))
    seen = {(one.kind, one.subject_name) for one in await at(database, END - 20 * DAY)}
    left = {(NoticeKind.RETIREMENT, "other-model"), (NoticeKind.CONTRACT, "shared")}
    assert seen == (left if table == "deployments" else set())


async def test_a_pool_with_somebody_left_is_named_and_not_called_empty(database: TestDatabase) -> None:
    await platform_pool(database, lasting=True, ends_at=END)
    ((pool,),) = [one.pools for one in await at(database, END - 20 * DAY)]
    assert (pool["name"], pool["becomes_empty"], pool["members_left"]) == ("everybodys", False, 1)


async def test_who_is_left_is_judged_by_each_tenants_own_policy(database: TestDatabase) -> None:
    await platform_pool(database, lasting=True, ends_at=END)
    elsewhere = await add_provider(database, PLATFORM, "elsewhere", region="us")
    await execute(
        database,
        "UPDATE deployments SET provider_id = :id WHERE name = 'new-model'",
        id=elsewhere,
    )
    await execute(
        database,
        "INSERT INTO tenant_policies (tenant_id, weight, max_steps_in_flight, max_jobs_queued, allowed_regions,"
        " require_no_training, require_zero_retention, retention_days, reuse_across_members)"
        " VALUES (:tenant, 1, 32, 1000, '[\"eu\"]', false, false, 30, false)",
        tenant=database.tenant_id,
    )
    ((mine,),) = [one.pools for one in await at(database, END - 20 * DAY)]
    ((others,),) = [one.pools for one in await at(database, END - 20 * DAY, database.other_tenant_id)]
    assert (mine["becomes_empty"], others["becomes_empty"]) == (True, False)


async def test_of_two_that_end_the_later_one_empties_the_pool(database: TestDatabase) -> None:
    await platform_pool(database, lasting=True, ends_at=END)
    await execute(
        database, "UPDATE deployments SET retired_at = :end WHERE name = 'new-model'", end=END + DAY
    )
    found = {one.subject_name: one.pools[0]["becomes_empty"] for one in await at(database, END - 20 * DAY)}
    assert found == {"old-model": False, "new-model": True}


async def test_a_pool_is_empty_when_one_language_that_was_served_has_nobody_left(
    database: TestDatabase,
) -> None:
    await platform_pool(database, lasting=True, ends_at=END)
    for name, languages in (("old-model", '["de", "fi"]'), ("new-model", '["de"]')):
        await execute(
            database,
            "UPDATE deployments SET languages = CAST(:languages AS jsonb) WHERE name = :name",
            name=name,
            languages=languages,
        )
    ((pool,),) = [one.pools for one in await at(database, END - 20 * DAY)]
    assert pool["becomes_empty"]


async def test_what_a_tenant_does_not_use_is_not_announced_to_it(database: TestDatabase) -> None:
    await platform_pool(database, lasting=True, ends_at=END)
    provider = await add_provider(database, database.tenant_id, "own")
    own = await add_deployment(database, database.tenant_id, provider, "own-model")
    await add_pool(database, database.tenant_id, "ours", {own: database.tenant_id})
    await add_provider(database, database.tenant_id, "Acme", until=END)
    (notice,) = await at(database, END - 20 * DAY)
    assert notice.subject_name == "Acme"
    assert [one.subject_name for one in await at(database, END - 20 * DAY, database.other_tenant_id)] == [
        "old-model"
    ]


async def test_a_route_with_conditions_leaves_the_platforms_in_use(database: TestDatabase) -> None:
    await platform_pool(database, lasting=True, ends_at=END)
    provider = await add_provider(database, database.tenant_id, "own")
    own = await add_deployment(database, database.tenant_id, provider, "own-model")
    await add_pool(database, database.tenant_id, "ours", {own: database.tenant_id}, language="de")
    assert [one.subject_name for one in await at(database, END - 20 * DAY)] == ["old-model"]


async def test_two_reapers_at_once_tell_every_tenant_once(database: TestDatabase) -> None:
    soon = datetime.now(UTC) + 5 * DAY
    await platform_pool(database, lasting=False, ends_at=soon)
    notes = await asyncio.gather(
        *(Watching(database.system, database.app).run() for _ in range(2)),
    )
    assert {"2 notices written", None} == set(notes) or set(notes) == {"1 notices written"}
    assert await rows(
        database, "SELECT tenant_id, subject_name, threshold_days FROM notices ORDER BY tenant_id"
    ) == sorted((tenant, "old-model", 7) for tenant in (database.tenant_id, database.other_tenant_id))


async def test_a_tenant_that_is_being_erased_gets_no_notice(database: TestDatabase) -> None:
    await platform_pool(database, lasting=False, ends_at=datetime.now(UTC) + 5 * DAY)
    await execute(database, "UPDATE tenants SET state = 'erasing' WHERE id = :id", id=database.tenant_id)
    await Watching(database.system, database.app).run()
    assert await rows(database, "SELECT tenant_id FROM notices") == [(database.other_tenant_id,)]


async def test_lists_show_a_tenant_its_own_notices_newest_first(database: TestDatabase) -> None:
    first = await told(database, database.tenant_id)
    second = await told(database, database.tenant_id)
    await told(database, database.other_tenant_id)
    async with database.app.tenant(database.tenant_id) as session:
        found = await service.page(session, tenant_id=database.tenant_id, before=None, limit=10)
    assert [one.id for one in found] == [second, first]
