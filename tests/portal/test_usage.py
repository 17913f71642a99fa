"""Usage through the doors: administrators see the tenant's, members their own, spreadsheets get no formula."""

import csv
import io
from typing import Any

import pytest

from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER, MARY
from tests.portal.browsers import Browser, Portal, code
from tests.portal.test_budgets import spend, tenant_of
from tests.portal.test_data import member_id, pane
from tests.tenants.administration import execute


@pytest.fixture
async def admin(portal: Portal) -> Any:
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


async def test_a_tenant_sees_what_it_used_and_a_member_what_they_did(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    tenant_id = await tenant_of(admin)
    async with pane(portal, ADA) as ada:
        assert (await ada.get("/me/usage")).json()["value"] == []
        mine = await member_id(admin, "Ada")
        for micros in (1, 20, 300):
            await spend(portal, tenant_id, micros)
        await execute(
            database, "UPDATE model_calls SET member_id = :id, vendor = '=A1' WHERE cost_micros < 30", id=mine
        )
        (own,) = (await ada.get("/me/usage", params={"group_by": "vendor"})).json()["value"]
    assert (own["vendor"], own["calls"], own["cost_micros"], own["member"]) == ("=A1", 2, 21, None)
    first = (await admin.get("/usage", params={"group_by": "member", "limit": 1})).json()
    second = (await admin.get(first["next_link"].removeprefix("/portal/v1"))).json()
    rows = first["value"] + second["value"]
    assert sorted(row["cost_micros"] for row in rows) == [21, 300]
    assert second.get("next_link") is None
    table = await admin.get("/usage", params={"group_by": "vendor"}, headers={"Accept": "text/csv"})
    assert table.headers["Content-Type"].startswith("text/csv")
    assert table.headers["Content-Disposition"].startswith('attachment; filename="usage-')
    _, *cells = csv.reader(io.StringIO(table.text, newline=""))
    assert [(row[0], row[7]) for row in cells] == [("", "300"), ("'=A1", "21")]


async def test_who_may_not_see_it_does_not_and_a_bad_range_is_told(portal: Portal, admin: Browser) -> None:
    await spend(portal, await tenant_of(admin), 5)
    async with portal.browser() as auditor, portal.browser() as others, portal.browser() as plain:
        await auditor.sign_in(MARY)
        await others.sign_in(EDSGER)
        await plain.sign_in(ADA)
        assert len((await auditor.get("/usage")).json()["value"]) == 1
        assert (await others.get("/usage")).json()["value"] == []
        assert code(await plain.get("/usage")) == (403, "role_missing")
    cases: list[tuple[dict[str, str], str]] = [
        ({"from": "2026-02-01", "to": "2026-02-01"}, "bad_range"),
        ({"from": "2020-01-01", "to": "2026-01-01"}, "bad_range"),
        ({"to": "0001-01-01"}, "bad_range"),
        ({"group_by": "member;drop"}, "malformed"),
        ({"from": "yesterday"}, "malformed"),
    ]
    for params, error in cases:
        assert code(await admin.get("/usage", params=params)) == (422, error), params
