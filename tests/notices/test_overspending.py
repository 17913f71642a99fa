"""A vendor that counts more than was reserved, and the budget that this closes, are told of once and recorded."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import new_id, now
from app.core.keyring import LocalKeyring
from app.notices import service, webhooks
from app.notices.service import NoticeView
from app.notices.watching import Watching
from app.tenants.keys import TenantKeys
from app.vocabulary import PLATFORM, BudgetScope, CallOutcome, NoticeKind, Period
from tests.conftest import TestDatabase
from tests.notices.ends import add_deployment, add_provider
from tests.tenants.administration import administrator, execute, rows
from tests.usage.money import Purse, ended, intent


@pytest.fixture
def purse(database: TestDatabase) -> Purse:
    return Purse(database)


async def called(purse: Purse, cost_micros: int, **changes: Any) -> None:
    """A call for which 900 micros were reserved, and what it cost in the end."""
    one = intent(purse.database, **changes)
    assert await purse.open(one, await purse.budgets())
    await purse.settle(ended(one, cost_micros=cost_micros))


async def told(database: TestDatabase, tenant_id: UUID | None = None) -> list[NoticeView]:
    """What stands in the list when the schedule has run, oldest first."""
    await Watching(database.system, database.app).run()
    tenant_id = tenant_id or database.tenant_id
    async with database.app.tenant(tenant_id) as session:
        return (await service.page(session, tenant_id=tenant_id, before=None, limit=10))[::-1]


async def test_an_overrun_and_the_budget_that_it_closes_are_told_and_recorded_once(purse: Purse) -> None:
    database = purse.database
    provider = await add_provider(database, PLATFORM, "shared")
    alpha = await add_deployment(database, PLATFORM, provider, "our-alpha")
    closed = await purse.budget(hard=2_000, scope=BudgetScope.MEMBER, subject=str(database.member_id))
    await purse.budget(hard=10_000, period=Period.DAY)
    await called(purse, 2_500, deployment_id=alpha)
    found = await told(database)
    assert [(one.kind, one.subject_id, one.subject_name, one.owner, one.threshold_days) for one in found] == [
        (NoticeKind.OVERRUN, alpha, "our-alpha", "platform", 0),
        (NoticeKind.BUDGET_EXCEEDED, closed, "monthly budget (member)", "tenant", 0),
    ]
    limits = [900, 2_000]
    assert [one.money for one in found] == [
        {"calls": 1, "limit_micros": limit, "cost_micros": 2_500, "currency": "EUR"} for limit in limits
    ]
    assert found[1].ends_at == (await purse.stand())[closed].ends_at
    assert timedelta() < found[0].ends_at - now() <= timedelta(days=1)
    recorded = await rows(
        database,
        "SELECT action, target_id, actor_kind, detail->>'cost_micros', detail->>'limit_micros' FROM audit_entries"
        " WHERE action IN ('cost.overrun', 'budget.exceed') ORDER BY id",
    )
    assert recorded == [
        ("cost.overrun", str(alpha), "system", "2500", "900"),
        ("budget.exceed", str(closed), "system", "2500", "2000"),
    ]
    assert str(database.member_id) not in str(found)
    assert await told(database) == found
    assert await told(database, database.other_tenant_id) == []


async def test_webhooks_that_want_it_are_sent_what_the_list_shows(
    purse: Purse, keyring: LocalKeyring
) -> None:
    database = purse.database
    async with database.app.tenant(database.tenant_id) as session:
        await webhooks.create(
            session,
            tenant_id=database.tenant_id,
            url="https://hooks.contoso.example/hook",
            events=[NoticeKind.OVERRUN],
            sealer=await TenantKeys(database.app, keyring).sealer(database.tenant_id),
            actor=administrator(database.member_id),
        )
    await purse.budget(hard=1_000)
    await called(purse, 1_001)
    notice, _ = await told(database)
    ((type_, data),) = await rows(
        database, "SELECT payload->>'type', payload->'data' FROM webhook_deliveries"
    )
    assert (type_, data) == ("cost.overrun", notice.as_json())
    assert data["money"]["cost_micros"] == 1_001


async def test_overruns_of_a_day_are_summed_up_and_those_of_the_next_day_are_news(purse: Purse) -> None:
    database, alpha = purse.database, new_id()
    for cost in (901, 1_000, 900):
        await called(purse, cost, deployment_id=alpha)
    (first,) = await told(database)
    assert first.money == {"calls": 2, "limit_micros": 1_800, "cost_micros": 1_901, "currency": "EUR"}
    assert (first.subject_name, first.owner) == ("alpha", "tenant")
    await execute(database, "UPDATE model_calls SET settled_at = settled_at - interval '1 day'")
    _, second = await told(database)
    assert first.ends_at - second.ends_at == timedelta(days=1)


async def test_what_costs_no_more_than_was_reserved_is_no_news_though_a_limit_was_lowered_below_it(
    purse: Purse,
) -> None:
    await purse.budget(hard=2_000)
    await called(purse, 900)
    under_way = intent(purse.database)
    assert await purse.open(under_way, await purse.budgets())
    lost = intent(purse.database, reserved_micros=100)
    assert await purse.open(lost, await purse.budgets())
    await purse.settle(ended(lost, CallOutcome.CANCELLED, cost_micros=100))
    await execute(purse.database, "UPDATE budgets SET hard_micros = 1")
    assert await told(purse.database) == []
