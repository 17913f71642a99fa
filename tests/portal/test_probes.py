"""A probe through the door really calls: a scripted vendor over loopback HTTP, the ledger, budgets, the record."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.llm.clients import Clients
from app.local.state import free_port
from app.pools.seed import write_deployment, write_provider
from app.pools.seed_schema import SeedDeployment, SeedPrice, SeedProvider
from app.vocabulary import ProviderKind
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER
from tests.portal.browsers import Browser, Portal, code
from tests.portal.test_providers import MISTRAL
from tests.scripted_vendor import ScriptedVendor
from tests.tenants.administration import execute, rows
from tests.wire_formats import Behaviour

KEY = "sk-house-71c0ffee"
READY = '{"ready": true}'


@pytest.fixture
async def vendor() -> AsyncIterator[ScriptedVendor]:
    async with ScriptedVendor() as server:
        yield server


@pytest.fixture
async def admin(portal: Portal) -> AsyncIterator[Browser]:
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


async def place(
    database: TestDatabase,
    base_url: str | None,
    *,
    kind: str = "openai_compatible",
    credential: str | None = "env:HOUSE_KEY",
    capabilities: tuple[str, ...] = ("json_schema", "tools"),
) -> str:
    """Where to probe: a deployment of the platform's, which may be on loopback. Gives its path."""
    account = SeedProvider.model_validate(
        {"name": "house", "kind": kind, "vendor": "acme", "region": "eu", "processor": "Acme"}
        | {"credential": credential}
    )
    model = SeedDeployment(
        name="alpha",
        provider="house",
        model_name="alpha",
        capabilities=list(capabilities),
        context_window=8000,
        max_output_tokens=1000,
        price=SeedPrice(
            input_micros=1_000_000,
            cached_input_micros=500_000,
            output_micros=2_000_000,
            reasoning_micros=2_000_000,
        ),
    )
    async with database.owner.system() as session:
        provider_id = await write_provider(session, account, base_url)
        return f"/deployments/{await write_deployment(session, model, provider_id)}/probe"


async def budget(database: TestDatabase, hard_micros: int, scope: str = "tenant") -> None:
    """Contoso, its administrator, or who probes there may spend so much a month."""
    await execute(
        database,
        "INSERT INTO budgets (tenant_id, id, scope, subject, period, currency, hard_micros)"
        " SELECT tenant_id, gen_random_uuid(), CAST(:scope AS text),"
        " CASE CAST(:scope AS text) WHEN 'member' THEN id::text WHEN 'task_type' THEN 'probe' ELSE '' END, 'month', 'EUR', :hard"
        " FROM members WHERE display_name = 'Alan Turing'",
        scope=scope,
        hard=hard_micros,
    )


async def calls(database: TestDatabase) -> list[tuple[Any, ...]]:
    return await rows(
        database, "SELECT task_type, outcome, error_code, cost_micros, request_model FROM model_calls"
    )


@pytest.mark.parametrize("kind", ["openai_compatible", "anthropic"])
async def test_a_probe_calls_the_deployment_and_reports_what_it_saw_and_cost(
    kind: str,
    admin: Browser,
    vendor: ScriptedVendor,
    database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOUSE_KEY", KEY)
    path = await place(database, vendor.base_url if kind == "openai_compatible" else vendor.origin, kind=kind)
    await budget(database, 1_000_000)
    vendor.script("alpha", Behaviour(answer=READY, usage=(40, 6)))
    answer = await admin.send("POST", path)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["succeeded"], report
    assert 0 <= report.pop("first_token_ms") <= report.pop("latency_ms")
    assert report == {
        "succeeded": True,
        "error": None,
        "usage": {"input_tokens": 40, "cached_input_tokens": 0, "output_tokens": 6, "reasoning_tokens": 0},
        "finish_reason": report["finish_reason"],
        "response_model": "alpha",
        "cost_micros": 52,
        "currency": "EUR",
        "confirmed": ["json_schema"],
        "refuted": [],
        "untested": ["tools"],
    }
    assert report["finish_reason"] in {"stop", "end_turn"}
    (asked,) = vendor.asked
    assert (asked.key, asked.stream, asked.schema is not None) == (KEY, True, True)
    assert KEY not in answer.text
    assert await calls(database) == [("probe", "succeeded", None, 52, "alpha")]
    money = await rows(database, "SELECT spent_micros, reserved_micros FROM budget_periods")
    assert money == [(52, 0)]
    ((count,),) = await rows(
        database,
        "SELECT count(*) FROM audit_entries WHERE action = 'deployment.probe' AND detail->>'name' = 'alpha'",
    )
    assert count == 1


async def test_the_time_in_which_a_vendors_library_is_imported_is_not_the_models(
    admin: Browser, vendor: ScriptedVendor, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, imported = 1.5, Clients._import

    async def imported_slowly(self: Clients, kind: ProviderKind) -> None:
        await asyncio.sleep(slow)
        await imported(self, kind)

    monkeypatch.setattr(Clients, "_import", imported_slowly)
    monkeypatch.setenv("HOUSE_KEY", KEY)
    path = await place(database, vendor.base_url)
    vendor.script("alpha", Behaviour(answer=READY))
    report = (await admin.send("POST", path)).json()
    assert report["succeeded"], report
    assert report["latency_ms"] < slow * 1000


@pytest.mark.parametrize(
    ("behaviour", "error", "outcome"),
    [
        (Behaviour(status=401), {"code": "bad_credential", "status": 401}, "failed"),
        (Behaviour(status=503), {"code": "unavailable", "status": 503}, "failed"),
        (
            Behaviour(status=429, headers={"Retry-After": "7"}),
            {"code": "rate_limited", "status": 429, "retry_after_seconds": 7.0},
            "failed",
        ),
        (Behaviour(answer=READY, finish_reason="length"), {"code": "truncated"}, "failed"),
        (Behaviour(answer="Yes, I am ready."), {"code": "invalid_output"}, "rejected"),
        (Behaviour(answer="[" * 50_000), {"code": "invalid_output"}, "rejected"),
    ],
)
async def test_what_goes_wrong_at_the_vendor_is_told_in_our_words(
    behaviour: Behaviour,
    error: dict[str, Any],
    outcome: str,
    admin: Browser,
    vendor: ScriptedVendor,
    database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOUSE_KEY", KEY)
    path = await place(database, vendor.base_url)
    vendor.script("alpha", behaviour)
    report = (await admin.send("POST", path)).json()
    assert not report["succeeded"]
    assert {name: report["error"][name] for name in error} == error
    assert report["error"]["message"]
    assert report["confirmed"] == []
    assert report["refuted"] == (["json_schema"] if error["code"] == "invalid_output" else [])
    ((_, ended, error_code, cost, _),) = await calls(database)
    assert (ended, error_code, cost) == (outcome, error["code"], report["cost_micros"])


async def test_nobody_listening_and_no_key_are_failures_too_and_without_a_key_nothing_is_asked(
    admin: Browser, vendor: ScriptedVendor, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSE_KEY", KEY)
    path = await place(database, f"http://127.0.0.1:{free_port()}/v1")
    assert (await admin.send("POST", path)).json()["error"]["code"] == "unavailable"
    monkeypatch.delenv("HOUSE_KEY")
    report = (await admin.send("POST", path)).json()
    assert (report["error"]["code"], report["latency_ms"]) == ("bad_credential", None)
    assert len(await calls(database)) == 1
    assert vendor.seen == []


@pytest.mark.parametrize(
    ("scope", "whose"),
    [("tenant", "your organisation"), ("member", "your account"), ("task_type", "the task type probe")],
)
async def test_a_probe_that_a_budget_does_not_leave_is_refused_with_its_reason(
    scope: str,
    whose: str,
    admin: Browser,
    vendor: ScriptedVendor,
    database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOUSE_KEY", KEY)
    path = await place(database, vendor.base_url)
    await budget(database, 10, scope)
    refused = await admin.send("POST", path)
    assert code(refused) == (429, "budget_exhausted")
    error = refused.json()["error"]
    assert error["message"].startswith(f"The monthly budget of {whose} is used up until ")
    assert [one["message"] for one in error["details"] if one["code"] == "scope"] == [scope]
    assert int(refused.headers["Retry-After"]) > 0
    assert (vendor.seen, await calls(database)) == ([], [])
    assert await rows(database, "SELECT 1 FROM audit_entries WHERE action = 'deployment.probe'") == []


async def test_the_built_in_member_answers_for_nothing(admin: Browser, database: TestDatabase) -> None:
    path = await place(database, None, kind="extractive", credential=None)
    report = (await admin.send("POST", path)).json()
    assert (report["succeeded"], report["cost_micros"], report["first_token_ms"]) == (True, 0, None)


async def test_only_administrators_probe_what_they_may_see_and_not_all_the_time(
    portal: Portal, admin: Browser, vendor: ScriptedVendor, database: TestDatabase
) -> None:
    provider = (await admin.send("POST", "/providers", json=MISTRAL)).json()["id"]
    body = {
        "name": "m",
        "provider_id": provider,
        "model_name": "m",
        "context_window": 10,
        "max_output_tokens": 5,
    }
    own = (await admin.send("POST", "/deployments", json=body)).json()["id"]
    async with portal.browser() as other, portal.browser() as member:
        await other.sign_in(EDSGER)
        await member.sign_in(ADA)
        assert code(await other.send("POST", f"/deployments/{own}/probe")) == (404, "deployment_not_found")
        assert code(await member.send("POST", f"/deployments/{own}/probe")) == (403, "role_missing")
    path = await place(database, vendor.base_url, credential="env:HOUSE_KEY")
    answers = [await admin.send("POST", path) for _ in range(11)]
    assert [one.status_code for one in answers[:10]] == [200] * 10
    assert code(answers[10]) == (429, "too_many_requests")
    assert int(answers[10].headers["retry-after"]) >= 1
