"""Usage by day, member, task type, pool and vendor: every grouping has the ledger's sums, and no cell is a formula."""

import csv
import io
import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.clock import new_id, now
from app.usage.errors import RangeTooLong
from app.usage.reports import Dimension, UsageRow, Wanted, as_csv, statement, usage
from app.vocabulary import CallOutcome
from tests.conftest import TestDatabase
from tests.tenants.administration import execute, rows
from tests.usage.money import Purse, ended, intent

MEASURES = [
    "calls",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_micros",
    "reserved_micros",
]


def days(back: int = 40) -> tuple[date, date]:
    today = now().astimezone(UTC).date()
    return today - timedelta(days=back), today + timedelta(days=1)


async def report(database: TestDatabase, tenant_id: UUID | None = None, **asked: Any) -> list[UsageRow]:
    since, until = days()
    wanted = Wanted(
        asked.pop("since", since),
        asked.pop("until", until),
        asked.pop("by", ()),
        asked.pop("member_id", None),
    )
    tenant_id = tenant_id or database.tenant_id
    async with database.app.tenant(tenant_id) as session:
        return await usage(session, tenant_id=tenant_id, wanted=wanted, **{"limit": 1000, **asked})


async def some_calls(database: TestDatabase) -> None:
    """Two people, two task types, two pools, two vendors, three days; one under way, one that never left."""
    purse = Purse(database)
    names = itertools.product(
        (database.member_id, database.colleague_id), ("summarize", "translate"), ("a", "b"), ("acme", "=1+1")
    )
    for number, (member_id, task_type, pool, vendor) in enumerate(names):
        one = intent(database, member_id=member_id, task_type=task_type, pool_name=pool, vendor=vendor)
        assert await purse.open(one, ())
        if number == 0:
            continue
        outcome = CallOutcome.UNSENT if number == 1 else CallOutcome.SUCCEEDED
        await purse.settle(ended(one, outcome, cost_micros=number * 10, cached_input_tokens=number))
        await execute(
            database,
            "UPDATE model_calls SET started_at = started_at - make_interval(days => :days) WHERE id = :id",
            days=number % 3,
            id=one.id,
        )


async def test_every_grouping_has_the_sums_of_the_ledger(database: TestDatabase) -> None:
    await some_calls(database)
    ((*sums,),) = await rows(
        database,
        "SELECT count(*), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens), sum(reasoning_tokens),"
        " sum(cost_micros) FILTER (WHERE outcome <> 'pending'),"
        " sum(reserved_micros) FILTER (WHERE outcome = 'pending') FROM model_calls WHERE outcome <> 'unsent'",
    )
    assert sums[0] == 15
    for size in range(len(Dimension) + 1):
        for by in itertools.combinations(Dimension, size):
            found = await report(database, by=by)
            assert [sum(getattr(row, name) for row in found) for name in MEASURES] == sums
            keys = [tuple(getattr(row, one.value) for one in by) for row in found]
            assert keys == sorted(set(keys))
            assert all(getattr(row, one.value) is None for row in found for one in set(Dimension) - set(by))


async def test_a_range_a_member_and_another_tenant_see_their_own_only(database: TestDatabase) -> None:
    await some_calls(database)
    mine = await report(database, member_id=database.member_id, by=[Dimension.MEMBER])
    assert [(row.member, row.calls) for row in mine] == [(database.member_id, 7)]
    today = days()[1] - timedelta(days=1)
    each = [
        (await report(database, since=today - timedelta(days=back), until=today - timedelta(days=back - 1)))[
            0
        ].calls
        for back in range(3)
    ]
    assert sum(each) == 15
    assert await report(database, database.other_tenant_id) == []
    for since, until in ((today, today), (today - timedelta(days=367), today)):
        with pytest.raises(RangeTooLong):
            await report(database, since=since, until=until)


async def test_pages_follow_each_other_without_gap(database: TestDatabase) -> None:
    await some_calls(database)
    by = [Dimension.TASK_TYPE, Dimension.VENDOR, Dimension.DAY]
    whole = await report(database, by=by)
    assert [
        row for skip in range(0, len(whole), 3) for row in await report(database, by=by, skip=skip, limit=3)
    ] == whole


def row(**changes: Any) -> UsageRow:
    values: dict[str, Any] = dict.fromkeys((one.value for one in Dimension), None) | dict.fromkeys(
        MEASURES, 1
    )
    return UsageRow(**{**values, "currency": "EUR", **changes})


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", 'a "pool", with\nlines', "plain"]
)
def test_a_cell_of_the_csv_is_never_a_formula_and_says_what_it_said(name: str) -> None:
    header, cells = list(csv.reader(io.StringIO(as_csv([row(pool=name)], [Dimension.POOL]), newline="")))
    assert header == ["pool", "currency", *MEASURES]
    assert cells[0].removeprefix("'") == name
    assert not cells[0].startswith(("=", "+", "-", "@", "\t", "\r"))


async def test_a_report_over_a_hundred_thousand_calls_reads_its_days_by_the_index(
    database: TestDatabase,
) -> None:
    async with database.owner.system() as session:
        await session.execute(
            text(
                "INSERT INTO model_calls (tenant_id, id, member_id, job_id, step_id, fencing, hop, pool_revision_id,"
                " pool_member_id, deployment_id, provider_name, request_model, outcome, input_tokens,"
                " cached_input_tokens, output_tokens, reasoning_tokens, reserved_micros, cost_micros, currency, started_at)"
                " SELECT :tenant, gen_random_uuid(), :member, :one, :one, 1, 0, :one, :one, :one, 'acme', 'alpha',"
                " 'succeeded', 1, 0, 1, 0, 2, 2, 'EUR', CAST(:day AS timestamptz) + n * interval '5 min'"
                " FROM generate_series(0, 99999) n"
            ),
            {
                "tenant": database.tenant_id,
                "member": database.member_id,
                "one": new_id(),
                "day": datetime(2025, 1, 1, tzinfo=UTC),
            },
        )
    async with database.owner.system() as session:
        await session.execute(text("ANALYZE model_calls"))
    wanted = Wanted(date(2025, 6, 1), date(2025, 6, 8), [Dimension.DAY, Dimension.TASK_TYPE])
    for member_id in (None, database.member_id):
        asked = statement(database.tenant_id, Wanted(wanted.since, wanted.until, wanted.by, member_id)).limit(
            100
        )
        told = str(asked.compile(dialect=database.app.engine.dialect, compile_kwargs={"literal_binds": True}))
        async with database.app.tenant(database.tenant_id) as session:
            plan = "\n".join(
                await session.scalars(text(f"EXPLAIN (ANALYZE, BUFFERS OFF) {told}".replace(":", "\\:")))
            )
        assert "started_at" in plan
        assert "Index Scan using ix_model_calls_tenant_id" in plan
        assert "Seq Scan" not in plan
    found = await report(database, since=wanted.since, until=wanted.until, by=wanted.by)
    assert [row.calls for row in found] == [288] * 7
