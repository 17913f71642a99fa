"""Whatever is sent to any operation: no answer is a 500, and each is one that the OpenAPI document tells of."""

import asyncio
import os
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.copilot.prompt_files import load_prompt_files
from app.http.browsers import HEADER
from app.local.entra.registrations import AUTOMATION_CLIENT_ID
from app.local.graph.drives import DOWNLOAD_HOST
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER, MARY, NORTHWIND, RunningEntra
from tests.imported import platform_imported
from tests.local.entra_clients import FABRIKAM
from tests.notices.ends import told
from tests.portal.browsers import Portal
from tests.portal.fuzzing import PART, Fuzzer
from tests.tenants.administration import execute, rows
from tests.trust import PLAIN

QUICK, DEEP = 2, 100
BEYOND_CHANCE = {
    "POST /addin/v1/documents/drive-items",
    "POST /addin/v1/batch-schedules",
    "PUT /addin/v1/batch-schedules/{schedule_id}",
    "POST /addin/v1/batches/{batch_id}/resume",
    "DELETE /addin/v1/batches/{batch_id}",
    "POST /addin/v1/jobs/{job_id}/resume",
    "DELETE /addin/v1/jobs/{job_id}",
    "GET /addin/v1/jobs/{job_id}/file",
    "GET /portal/v1/glossaries/{name}",
    "PUT /portal/v1/glossaries/{name}",
    "DELETE /portal/v1/glossaries/{name}",
    "GET /portal/v1/templates/{name}",
    "PUT /portal/v1/templates/{name}",
    "DELETE /portal/v1/templates/{name}",
    "GET /portal/v1/style-guide",
    "PUT /portal/v1/style-guide",
    "DELETE /portal/v1/style-guide",
    "DELETE /addin/v1/jobs/{job_id}/feedback",
    "GET /addin/v1/jobs/{job_id}/feedback",
    "PUT /addin/v1/jobs/{job_id}/feedback",
    "POST /portal/v1/erasures",
    "POST /portal/v1/erasures/{erasure_id}/cancel",
    "POST /portal/v1/onboarding",
    "GET /portal/v1/onboarding/consent",
    "POST /portal/v1/budgets",
    "PATCH /portal/v1/budgets/{budget_id}",
    "DELETE /portal/v1/budgets/{budget_id}",
    "POST /portal/v1/deployments",
    "PATCH /portal/v1/deployments/{deployment_id}",
    "POST /portal/v1/deployments/{deployment_id}/archive",
    "POST /portal/v1/deployments/{deployment_id}/prices",
    "POST /portal/v1/deployments/{deployment_id}/prices/withdraw",
    "POST /portal/v1/prompt-sets",
    "POST /portal/v1/providers",
    "PATCH /portal/v1/providers/{provider_id}",
    "PUT /portal/v1/providers/{provider_id}/credential",
    "POST /portal/v1/providers/{provider_id}/archive",
    "PUT /portal/v1/configuration",
    "POST /portal/v1/explain",
    "PUT /portal/v1/policy",
    "PUT /portal/v1/task-permissions/{task_type}",
    "POST /portal/v1/pools",
    "POST /portal/v1/routes",
    "PATCH /portal/v1/pools/{pool_id}",
    "POST /portal/v1/pools/{pool_id}/revert",
    "PATCH /portal/v1/pools/{pool_id}/revisions/{number}",
    "DELETE /portal/v1/pools/{pool_id}/revisions/{number}",
    "POST /portal/v1/pools/{pool_id}/revisions/{number}/publish",
    "PUT /portal/v1/routes/{route_id}",
    "DELETE /portal/v1/routes/{route_id}",
    "PATCH /portal/v1/settings",
    "POST /portal/v1/webhooks",
    "PATCH /portal/v1/webhooks/{webhook_id}",
    "GET /portal/v1/sign-in/callback",
    "POST /portal/v1/tenants/{tenant_id}/erase",
    "POST /portal/v1/tenants/{tenant_id}/resume",
    "POST /portal/v1/tenants/{tenant_id}/suspend",
}
"""Only what these refuse is seen here: they need steps at Entra, a state, a version, a name or limits, and have their tests."""


@pytest.fixture
def changes(entra: RunningEntra) -> dict[str, Any]:
    """Fabrikam operates the platform; nobody is to meet a limit of rates."""
    return {
        "operator_tenant": UUID(FABRIKAM),
        "rate_limit_member": 1_000_000,
        "rate_limit_tenant": 1_000_000,
        "rate_limit_sign_ins": 1_000_000,
        "rate_limit_sign_in_starts": 1_000_000,
        "graph_url": entra.app.graph.url,
        "graph_download_hosts": (DOWNLOAD_HOST,),
    }


class Doors:
    """Credentials of each door, and things that exist behind it."""

    def __init__(self, portal: Portal, http: httpx.AsyncClient) -> None:
        self._portal = portal
        self._http = http
        self._cookies: dict[str, str] = {}
        entra = portal.entra
        self._people = {"Authorization": f"Bearer {entra.token(ADA)}"}
        self._programs = {"Authorization": f"Bearer {entra.application_token()}"}

    async def headers(self, path: str) -> dict[str, str]:
        """What a client of the path's door sends."""
        if path.startswith("/addin/"):
            return self._people
        if path.startswith("/automation/"):
            return self._programs
        if not path.startswith("/portal/") or "/sign-in" in path:
            return {}
        login = EDSGER if path.startswith("/portal/v1/tenants") else ALAN
        cookies = self._cookies.get(login) or await self._signed_in(login)
        if "/sign-out" in path:
            # The next operation needs another session.
            del self._cookies[login]
        return {
            "Cookie": cookies,
            "Sec-Fetch-Site": "same-origin",
            "Origin": self._portal.origin,
            HEADER: "1",
        }

    async def _signed_in(self, login: str) -> str:
        async with self._portal.browser() as browser:
            await browser.sign_in(login)
            cookies = "; ".join(f"{one.name}={one.value}" for one in browser.http.cookies.jar)
        self._cookies[login] = cookies
        return cookies

    async def made(self) -> dict[str, str]:
        """Make one of each thing; gives their ids by the names of parameters."""
        async with self._portal.browser() as mary:
            await mary.sign_in(MARY)
            member = (await mary.get("/me")).json()["member_id"]
        client = {"client_id": AUTOMATION_CLIENT_ID, "name": "Nightly"}
        made = {
            "client_id": AUTOMATION_CLIENT_ID,
            "member_id": str(member),
            "app_client_id": await self._made("/portal/v1/app-clients", json=client),
            "hold_id": await self._made("/portal/v1/holds", json={"member_id": member, "reason": "A case"}),
            "budget_id": await self._made(
                "/portal/v1/budgets", json={"scope": "tenant", "currency": "EUR", "hard_micros": 10**12}
            ),
            "webhook_id": await self._made(
                "/portal/v1/webhooks",
                json={"url": "https://hooks.example.com/in", "events": ["contract.end"]},
            ),
            "tenant_id": await self._made(
                "/portal/v1/tenants", json={"entra_tenant_id": NORTHWIND, "name": "Northwind"}
            ),
        }
        made |= await self._models()
        pool = {"name": "texts", "task_type": "summarize"}
        made["pool_id"] = await self._made("/portal/v1/pools", json=pool)
        await self._made(f"/portal/v1/pools/{made['pool_id']}/revisions", json={})
        made["number"] = "1"
        made["route_id"] = await self._made("/portal/v1/routes", json={**pool, "pool_id": made["pool_id"]})
        made["task_type"] = "summarize"
        leave = await self._made("/addin/v1/graph-sessions", json={})
        made["/portal/v1/graph-sessions/{session_id} session_id"] = await self._made(
            "/addin/v1/graph-sessions", json={}
        )
        for path in ("/{session_id}", "/{session_id}/renew"):
            made[f"/addin/v1/graph-sessions{path} session_id"] = leave
        for door in ("/addin/v1", "/automation/v1"):
            document = await self._made(
                f"{door}/documents", params={"name": "a.txt"}, content=b"Tea is late."
            )
            made[f"{door}/jobs document_id"] = made[f"{door}/estimates document_id"] = document
            job = {"task_type": "summarize", "input": {"documents": [document]}}
            for path in ("", "/cancel", "/resume"):
                made[f"{door}/jobs/{{job_id}}{path} job_id"] = await self._made(f"{door}/jobs", json=job)
            upload = {"name": "a.txt", "size_bytes": len(PART)}
            made[f"{door}/upload_sessions/{{session_id}} session_id"] = await self._made(
                f"{door}/upload_sessions", json=upload
            )
        for path in ("batches", "estimates/batches"):
            made[f"/addin/v1/{path} document_id"] = made["/addin/v1/jobs document_id"]
        batch = {"task_type": "summarize", "input": {"documents": [made["/addin/v1/jobs document_id"]]}}
        made["batch_id"] = await self._made("/addin/v1/batches", json=batch)
        folder = {"drive_id": "b!0", "item_id": "root"}
        again = {"task_type": "summarize", "folder": folder, "at": "02:00"}
        made["/addin/v1/batch-schedules/{schedule_id} schedule_id"] = await self._made(
            "/addin/v1/batch-schedules", json={**again, "graph_session": leave}
        )
        # A stream ends only with its job.
        text = {"task_type": "summarize", "input": {"text": "Tea is late."}}
        over = await self._made("/addin/v1/jobs", json=text)
        await self._made(f"/addin/v1/jobs/{over}/cancel")
        return made | {f"/addin/v1/jobs/{{job_id}}/{what} job_id": over for what in ("events", "feedback")}

    async def _models(self) -> dict[str, str]:
        """A vendor account with a key, a model at another one, and prompts."""
        account = {
            "name": "acme",
            "kind": "openai_compatible",
            "vendor": "acme",
            "base_url": "https://api.acme.example.com/v1",
            "region": "eu",
            "processor": "Acme",
        }
        provider = await self._made("/portal/v1/providers", json=account)
        path = f"/portal/v1/providers/{provider}/credential"
        entered = await self._http.put(path, headers=await self.headers(path), json={"key": "sk-12345678"})
        assert entered.is_success, entered.text
        # Without a key nothing is called.
        model = {
            "name": "m",
            "provider_id": await self._made("/portal/v1/providers", json=account | {"name": "keyless"}),
            "model_name": "m",
            "context_window": 1000,
            "max_output_tokens": 100,
        }
        prompts = next(one for one in load_prompt_files() if one.task_type == "summarize").prompts
        ours = {"task_type": "summarize", "name": "ours", "prompts": prompts}
        return {
            "provider_id": provider,
            "deployment_id": await self._made("/portal/v1/deployments", json=model),
            "prompt_set_id": await self._made("/portal/v1/prompt-sets", json=ours),
        }

    async def _made(self, path: str, **options: Any) -> str:
        headers = await self.headers(path)
        answer = await self._http.post(path, headers=headers, **options)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])


async def fuzzed(portal: Portal, database: TestDatabase, examples: int) -> Fuzzer:
    """Every operation has been tried so often."""
    await execute(
        database, "UPDATE members SET role = 'PlatformOperator' WHERE display_name = 'Edsger Dijkstra'"
    )
    await platform_imported(database)
    edsger = portal.entra.app.people.find(EDSGER)
    assert edsger is not None
    portal.entra.app.people.add(replace(edsger, role="PlatformOperator"))
    async with httpx.AsyncClient(base_url=portal.origin, trust_env=False, verify=PLAIN, timeout=20.0) as http:
        doors = Doors(portal, http)
        document = (await http.get("/openapi.json")).json()
        made = await doors.made()
        ((tenant_id,),) = await rows(
            database, "SELECT tenant_id FROM members WHERE display_name = 'Alan Turing'"
        )
        made["notice_id"] = str(await told(database, tenant_id))
        fuzzer = Fuzzer(portal.origin, document, made)
    operations = [(path, method) for path, methods in document["paths"].items() for method in methods]
    # What removes or ends comes last, so that there is something for the others.
    for path, method in sorted(operations, key=lambda one: (one[1] == "delete", one)):
        headers = await doors.headers(path)
        await asyncio.to_thread(fuzzer.run, method, path, headers, examples)
    fuzzer.close()
    assert len(fuzzer.statuses) == len(operations)
    return fuzzer


def judge(fuzzer: Fuzzer) -> None:
    """Nothing was found, and there was something to find it in."""
    statuses = sum(fuzzer.statuses.values(), Counter[int]())
    print(f"{fuzzer.cases} requests to {len(fuzzer.statuses)} operations: {sorted(statuses.items())}")
    assert not fuzzer.found, "\n".join(fuzzer.found.values())
    refused_only = {name for name, seen in fuzzer.statuses.items() if min(seen) >= 400}
    assert refused_only <= BEYOND_CHANCE


async def test_every_operation_answers_as_its_document_tells(portal: Portal, database: TestDatabase) -> None:
    judge(await fuzzed(portal, database, QUICK))


@pytest.mark.skipif(
    os.environ.get("SWITCHBOARD_TEST_MARKED") != "1", reason="takes minutes: set SWITCHBOARD_TEST_MARKED=1"
)
@pytest.mark.timeout(1800)
async def test_many_requests_to_every_operation_are_answered_as_its_document_tells(
    portal: Portal, database: TestDatabase
) -> None:
    judge(await fuzzed(portal, database, DEEP))
