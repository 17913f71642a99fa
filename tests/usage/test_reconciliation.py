"""The ledger adds up, or the check says what does not; each flaw is put there on purpose."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import new_id
from app.usage.reconciliation import Difference, Flaw, differences, repair
from app.vocabulary import PLATFORM, CallOutcome, Period
from tests.conftest import TestDatabase
from tests.forked import run
from tests.tenants.administration import execute, rows
from tests.usage.money import Purse, ended, intent

PRICE_ID = new_id()


@pytest.fixture
async def purse(database: TestDatabase) -> Purse:
    """A ledger that adds up: calls of every outcome, at a price of 1.1 and 4.4 micros a token."""
    await execute(
        database,
        "INSERT INTO providers (tenant_id, id, name, kind, vendor, region, processor, no_training, zero_retention)"
        " VALUES (:platform, :id, 'acme', 'openai_compatible', 'acme', 'eu', 'Acme', true, true)",
        platform=PLATFORM,
        id=PRICE_ID,
    )
    await execute(
        database,
        "INSERT INTO deployments (tenant_id, id, name, provider_tenant_id, provider_id, model_name, model_class,"
        " capabilities, context_window, max_output_tokens, lifecycle)"
        " VALUES (:platform, :id, 'alpha', :platform, :id, 'alpha', 'general', '[]', 8192, 1024, 'active')",
        platform=PLATFORM,
        id=PRICE_ID,
    )
    await execute(
        database,
        "INSERT INTO price_revisions (tenant_id, id, deployment_tenant_id, deployment_id, currency, input_micros,"
        " cached_input_micros, output_micros, reasoning_micros)"
        " VALUES (:platform, :id, :platform, :id, 'EUR', 1100000, 100000, 4400000, 8800000)",
        platform=PLATFORM,
        id=PRICE_ID,
    )
    made = Purse(database)
    await made.budget(hard=None, soft=1)
    await made.budget(hard=10**9, period=Period.DAY)
    budgets = await made.budgets()
    for outcome, changes in (
        (CallOutcome.SUCCEEDED, {"input_tokens": 101, "output_tokens": 20, "cost_micros": 200}),
        (CallOutcome.REJECTED, {"cached_input_tokens": 50, "reasoning_tokens": 10, "cost_micros": 192}),
        (CallOutcome.FAILED, {"input_tokens": 0, "output_tokens": 0, "cost_micros": 0}),
        (CallOutcome.CANCELLED, {"input_tokens": 0, "output_tokens": 0, "cost_micros": 900}),
        (CallOutcome.UNSENT, {"input_tokens": 0, "output_tokens": 0, "cost_micros": 0}),
    ):
        one = intent(database, price_revision_id=PRICE_ID)
        assert await made.open(one, budgets)
        await made.settle(ended(one, outcome, **changes))
    assert await made.open(intent(database, price_revision_id=PRICE_ID), budgets)
    return made


async def found(database: TestDatabase, *tenants: UUID, **changes: Any) -> list[Difference]:
    given: dict[str, Any] = {"kept_days": 3650, "deadline_seconds": 600.0, **changes}
    async with database.system.system() as session:
        return [one async for one in differences(session, tenants=tenants, **given)]


async def test_a_ledger_of_calls_of_every_outcome_adds_up(purse: Purse) -> None:
    assert await purse.sums() == (2 * 900, 2 * (200 + 192 + 900))
    assert await found(purse.database) == []
    assert await found(purse.database, purse.database.tenant_id) == []
    # A price that counts no more is still what those calls were made at.
    await execute(purse.database, "UPDATE price_revisions SET withdrawn_at = now()")
    assert await found(purse.database) == []


@pytest.mark.parametrize("column", ["spent_micros", "reserved_micros"])
async def test_a_period_that_differs_by_one_is_named_and_repaired(purse: Purse, column: str) -> None:
    database, before = purse.database, await purse.sums()
    budget_id = min(await purse.stand())
    await execute(
        database,
        f"UPDATE budget_periods SET {column} = {column} + 1 WHERE budget_id = :id",
        id=budget_id,
    )
    (one,) = await found(database)
    assert (one.flaw, one.tenant_id, one.id) == (Flaw.PERIOD, database.tenant_id, budget_id)
    assert await found(database, database.other_tenant_id) == []
    async with database.system.system() as session:
        assert await repair(session, one)
        assert not await repair(session, one)
    assert await purse.sums() == before
    assert await found(database) == []
    ((action, detail),) = await rows(database, "SELECT action, detail FROM audit_entries")
    assert action == "ledger.repair"
    assert detail[f"{column}_before"] == detail[column] + 1


@pytest.mark.parametrize(
    ("broken", "flaws"),
    [
        # A call that costs otherwise differs from its tokens, and its budgets' sums from it.
        (
            "SET cost_micros = cost_micros + 1 WHERE outcome = 'succeeded'",
            [Flaw.PERIOD, Flaw.PERIOD, Flaw.COST],
        ),
        ("SET output_tokens = output_tokens + 1 WHERE outcome = 'rejected'", [Flaw.COST]),
        ("SET reserved_micros = 901 WHERE outcome = 'cancelled'", [Flaw.COST]),
        ("SET price_revision_id = id WHERE outcome = 'failed'", [Flaw.PRICE]),
        ("SET currency = 'USD' WHERE outcome = 'succeeded'", [Flaw.CURRENCY]),
        ("SET started_at = started_at - interval '700 s' WHERE outcome = 'pending'", [Flaw.UNSETTLED]),
        ("SET charges = NULL WHERE outcome = 'unsent'", []),
        ("SET charges = NULL WHERE outcome = 'rejected'", [Flaw.PERIOD, Flaw.PERIOD]),
    ],
)
async def test_a_broken_call_is_named(purse: Purse, broken: str, flaws: list[Flaw]) -> None:
    await execute(purse.database, f"UPDATE model_calls {broken}")
    differ = await found(purse.database)
    assert [one.flaw for one in differ] == flaws
    calls = {row[0] for row in await rows(purse.database, "SELECT id FROM model_calls")}
    assert all(one.id in calls for one in differ if one.flaw is not Flaw.PERIOD)


async def test_periods_whose_calls_retention_may_have_deleted_are_left_alone(purse: Purse) -> None:
    await execute(purse.database, "DELETE FROM model_calls WHERE outcome = 'succeeded'")
    assert len(await found(purse.database)) == 2
    assert await found(purse.database, kept_days=0) == []


def _ledger(database: TestDatabase, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run(
        "app.cli",
        "ledger",
        "check",
        *arguments,
        environment={
            **os.environ,
            "SWITCHBOARD_HOME": str(folder / "home"),
            "DATABASE_SYSTEM_URL": database.system_url,
        },
    )


async def test_the_command_says_what_differs_and_mends_it(purse: Purse, tmp_path: Path) -> None:
    await execute(purse.database, "UPDATE budget_periods SET spent_micros = 0")
    told = _ledger(purse.database, tmp_path)
    assert told.returncode == 1, told.stderr
    for budget_id in await purse.stand():
        assert str(budget_id) in told.stdout
    assert "its calls 900 and 1292" in told.stdout
    mended = _ledger(
        purse.database, tmp_path, "--repair", "--json", "--tenant", str(purse.database.tenant_id)
    )
    assert (mended.returncode, mended.stderr) == (0, "")
    body = json.loads(mended.stdout)
    assert (body["adds_up"], len(body["repaired"])) == (True, 2)
