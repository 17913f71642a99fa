"""Every operation that changes something is called through its door and found in the record: who, what, when, from where."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.audit.actions import AuditAction
from app.copilot.prompt_files import load_prompt_files
from app.core.clock import now
from app.local.entra.registrations import AUTOMATION_CLIENT_ID
from app.local.graph.drives import DOWNLOAD_HOST
from tests.architecture.test_routes import operations
from tests.audit.operations import RECORDS, WITHOUT
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, GRACE, MARY, RunningEntra, seed_tenants
from tests.imported import platform_imported
from tests.notices.ends import told
from tests.portal.browsers import Browser, Portal
from tests.portal.conftest import portal as portal  # noqa: PLC0414 - the fixture
from tests.portal.models import platform_member
from tests.tenants.administration import execute, rows
from tests.trust import PLAIN

_UNSAFE = frozenset({"post", "put", "patch", "delete"})
_TEXT = "The harbour was closed for three days."
_ENTRIES = (
    "SELECT id, tenant_id, actor_kind, actor_member_id, address, action,"
    " COALESCE(target_member_id::text, target_id), at FROM audit_entries"
)


@pytest.fixture
def changes(entra: RunningEntra) -> dict[str, Any]:
    """Contoso operates the platform, and its people have drives."""
    return {
        "operator_tenant": seed_tenants()[0]["entra_tenant_id"],
        "graph_url": entra.app.graph.url,
        "graph_download_hosts": (DOWNLOAD_HOST,),
    }


def test_each_operation_that_changes_something_is_recorded_or_has_a_reason() -> None:
    offered = [(method, f"{method.upper()} {path}") for method, path, _ in operations()]
    known, unsafe = {name for _, name in offered}, {name for method, name in offered if method in _UNSAFE}
    assert unsafe - RECORDS.keys() - WITHOUT.keys() == set(), "say what it records: tests/audit/operations.py"
    assert RECORDS.keys() | WITHOUT.keys() <= known
    assert RECORDS.keys() & WITHOUT.keys() == set()
    assert all(WITHOUT.values())


@dataclass(frozen=True)
class Who:
    """Whom the record must name; of an operator it names nobody, only what it is."""

    kind: str
    member_id: UUID | None
    tenant_id: UUID | None = None
    """Whose record it stands in; None is not looked at."""


@dataclass
class Witness:
    """Makes requests and looks what each has left in the record."""

    portal: Portal
    database: TestDatabase
    seen: set[tuple[str, AuditAction]] = field(default_factory=set)

    async def person(self, login: str) -> Who:
        """A person of the seed."""
        person = self.portal.entra.app.people.find(login)
        assert person is not None
        ((tenant_id, member_id),) = await rows(
            self.database,
            "SELECT tenant_id, id FROM members WHERE entra_object_id = CAST(:id AS uuid)",
            id=person.object_id,
        )
        return Who("member", member_id, tenant_id)

    @asynccontextmanager
    async def finds(self, who: Who, action: AuditAction) -> AsyncIterator[list[httpx.Response]]:
        """Whether the one request made within has left one entry of this action, and it says who and from where."""
        before, began = {one[0] for one in await rows(self.database, _ENTRIES)}, now()
        made: list[httpx.Response] = []
        yield made
        (answer,) = made
        assert answer.status_code < 400, (answer.request.url, answer.text)
        operation = _operation(answer.request)
        assert action in RECORDS[operation], operation
        found = [
            one for one in await rows(self.database, _ENTRIES) if one[0] not in before and one[5] == action
        ]
        assert len(found) == 1, (operation, action, found)
        _, tenant_id, kind, member_id, address, _, target_id, at = found[0]
        assert (kind, member_id, address) == (who.kind, who.member_id, "127.0.0.1"), operation
        # The database's clock is this machine's, but read at another instant.
        assert began - timedelta(seconds=1) < at < now() + timedelta(seconds=1), operation
        assert who.tenant_id in {None, tenant_id}, operation
        assert target_id != "", operation
        self.seen.add((operation, action))

    async def sees(
        self,
        client: httpx.AsyncClient | Browser,
        who: Who,
        action: AuditAction,
        method: str,
        path: str,
        **more: Any,
    ) -> Any:
        """Make a request and look; gives the body of its answer."""
        async with self.finds(who, action) as made:
            send = client.send if isinstance(client, Browser) else client.request
            made.append(await send(method, path, **more))
        is_json = made[0].headers.get("content-type") == "application/json"
        return made[0].json() if is_json and made[0].content else None


def _operation(request: httpx.Request) -> str:
    """The operation of the contract that a request calls."""
    for operation in RECORDS:
        method, _, template = operation.partition(" ")
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if request.method == method and re.fullmatch(pattern, request.url.path):
            return operation
    raise AssertionError(f"{request.method} {request.url.path} is not in the table")


def door(portal: Portal, name: str, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{portal.origin}/{name}/v1",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        verify=PLAIN,
        timeout=30.0,
    )


async def work(witness: Witness, client: httpx.AsyncClient, who: Who) -> str:
    """What the add-in and programs both do; gives a job that was accepted last."""
    content = _TEXT.encode()
    document = await witness.sees(
        client,
        who,
        AuditAction.DOCUMENT_UPLOAD,
        "POST",
        "/documents",
        params={"name": "a.txt"},
        content=content,
    )
    session = (
        await client.post("/upload_sessions", json={"name": "b.txt", "size_bytes": len(content)})
    ).json()
    await witness.sees(
        client,
        who,
        AuditAction.DOCUMENT_UPLOAD,
        "PUT",
        f"/upload_sessions/{session['id']}",
        content=content,
        headers={"Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}"},
    )
    body = {"task_type": "summarize", "input": {"documents": [document["id"]]}}
    job = await witness.sees(client, who, AuditAction.JOB_ACCEPT, "POST", "/jobs", json=body)
    await witness.sees(client, who, AuditAction.JOB_CANCEL, "POST", f"/jobs/{job['id']}/cancel")
    accepted: str = (await client.post("/jobs", json=body)).json()["id"]
    return accepted


async def set_aside(witness: Witness, job_id: str) -> None:
    """As a worker does that needs somebody."""
    await execute(
        witness.database,
        "UPDATE jobs SET state = 'waiting', waiting_reason = 'other', waiting_at = clock_timestamp(),"
        " expires_at = clock_timestamp() + interval '1 day' WHERE id = :id",
        id=UUID(job_id),
    )


async def with_a_batch(witness: Witness, client: httpx.AsyncClient, who: Who) -> None:
    document = (await client.post("/documents", params={"name": "c.txt"}, content=_TEXT.encode())).json()
    body = {"task_type": "summarize", "input": {"documents": [document["id"]]}}
    batch = await witness.sees(client, who, AuditAction.JOB_ACCEPT, "POST", "/batches", json=body)
    own = f"/batches/{batch['id']}"
    await set_aside(witness, batch["id"])
    await witness.sees(client, who, AuditAction.JOB_RESUME, "POST", f"{own}/resume")
    await witness.sees(client, who, AuditAction.JOB_CANCEL, "POST", f"{own}/cancel")
    await witness.sees(client, who, AuditAction.JOB_REMOVE, "DELETE", own)


async def in_the_pane(witness: Witness) -> None:
    ada = await witness.person(ADA)
    async with door(witness.portal, "addin", witness.portal.entra.token(ADA)) as client:
        job_id = await work(witness, client, ada)
        await set_aside(witness, job_id)
        await witness.sees(client, ada, AuditAction.JOB_RESUME, "POST", f"/jobs/{job_id}/resume")
        await client.post(f"/jobs/{job_id}/cancel")
        await witness.sees(client, ada, AuditAction.JOB_REMOVE, "DELETE", f"/jobs/{job_id}")
        await with_a_batch(witness, client, ada)
        item = witness.portal.entra.app.graph.items(ADA)[0]
        drive_item = {"drive_id": item.drive_id, "item_id": item.id}
        await witness.sees(
            client, ada, AuditAction.DOCUMENT_UPLOAD, "POST", "/documents/drive-items", json=drive_item
        )
        path = "/graph-sessions"
        leave = await witness.sees(client, ada, AuditAction.GRAPH_SESSION_BEGIN, "POST", path, json={})
        nightly = {
            "task_type": "summarize",
            "folder": drive_item,
            "graph_session": leave["id"],
            "at": "02:00",
        }
        made = AuditAction.BATCH_SCHEDULE_CREATE
        kept = await witness.sees(client, ada, made, "POST", "/batch-schedules", json=nightly)
        changed, ended = AuditAction.BATCH_SCHEDULE_CHANGE, AuditAction.BATCH_SCHEDULE_DELETE
        await witness.sees(client, ada, changed, "PUT", f"/batch-schedules/{kept['id']}", json=nightly)
        await witness.sees(client, ada, ended, "DELETE", f"/batch-schedules/{kept['id']}")
        own = f"{path}/{leave['id']}"
        await witness.sees(client, ada, AuditAction.GRAPH_SESSION_RENEW, "POST", f"{own}/renew")
        await witness.sees(client, ada, AuditAction.GRAPH_SESSION_REVOKE, "DELETE", own)
        await witness.sees(client, ada, AuditAction.MEMBER_EXPORT, "GET", "/me/export")


async def at_the_portal(witness: Witness) -> None:
    portal, alan = witness.portal, await witness.person(ALAN)
    ada = (await witness.person(ADA)).member_id
    async with portal.browser() as admin, door(portal, "addin", portal.entra.token(ADA)) as pane:
        answer = admin.at_entra(await admin.begin(ALAN))
        async with witness.finds(alan, AuditAction.SIGN_IN) as made:
            made.append(await admin.come_back(answer))
        leave = (await pane.post("/graph-sessions", json={})).json()["id"]
        await witness.sees(
            admin, alan, AuditAction.GRAPH_SESSION_REVOKE, "DELETE", f"/graph-sessions/{leave}"
        )
        hold = await witness.sees(
            admin,
            alan,
            AuditAction.HOLD_PLACE,
            "POST",
            "/holds",
            json={"member_id": str(ada), "reason": "case 7"},
        )
        await witness.sees(admin, alan, AuditAction.HOLD_RELEASE, "POST", f"/holds/{hold['id']}/release")
        assert alan.tenant_id is not None
        notice = await told(witness.database, alan.tenant_id)
        seen = AuditAction.NOTICE_ACKNOWLEDGE
        await witness.sees(admin, alan, seen, "POST", f"/notices/{notice}/acknowledge")
        asked = await witness.sees(
            admin, alan, AuditAction.ERASURE_REQUEST, "POST", "/erasures", json={"member_id": str(ada)}
        )
        await witness.sees(admin, alan, AuditAction.ERASURE_CANCEL, "POST", f"/erasures/{asked['id']}/cancel")
        for action, body in (
            (AuditAction.MEMBER_ROLE, {"role": "Auditor"}),
            (AuditAction.MEMBER_BLOCK, {"state": "blocked"}),
            (AuditAction.MEMBER_UNBLOCK, {"state": "active"}),
        ):
            await witness.sees(admin, alan, action, "PATCH", f"/members/{ada}", json=body)
        tag = (await admin.get("/settings")).headers["ETag"]
        await witness.sees(
            admin,
            alan,
            AuditAction.TENANT_SETTINGS,
            "PATCH",
            "/settings",
            json={"retention_days": 7},
            headers={"If-Match": tag},
        )
        await with_a_budget(witness, admin, alan)
        await with_a_webhook(witness, admin, alan)
        await with_wording(witness, admin, alan)
        await with_a_program(witness, admin, alan)
        await with_models(witness, admin, alan)
        await witness.sees(admin, alan, AuditAction.SIGN_OUT, "POST", "/sign-out")
        await admin.sign_in(ALAN)
        await witness.sees(admin, alan, AuditAction.SIGN_OUT, "POST", "/sign-out-everywhere")


async def with_a_budget(witness: Witness, admin: Browser, alan: Who) -> None:
    body = {"scope": "tenant", "currency": "EUR", "hard_micros": 10**9}
    made = await witness.sees(admin, alan, AuditAction.BUDGET_CREATE, "POST", "/budgets", json=body)
    own, tag = f"/budgets/{made['id']}", {"If-Match": made["etag"]}
    limits = {"soft_micros": 10**8}
    made = await witness.sees(admin, alan, AuditAction.BUDGET_CHANGE, "PATCH", own, json=limits, headers=tag)
    tag = {"If-Match": made["etag"]}
    await witness.sees(admin, alan, AuditAction.BUDGET_DELETE, "DELETE", own, headers=tag)


async def with_wording(witness: Witness, admin: Browser, alan: Who) -> None:
    texts: dict[str, dict[str, Any]] = {
        "/glossaries/trade": {"language": "de", "terms": [{"source": "harbour", "target": "Hafen"}]},
        "/templates/thanks": {"title": "Thanks", "instruction": "Thank them."},
        "/style-guide": {"text": "Be brief."},
    }
    for path, body in texts.items():
        await witness.sees(admin, alan, AuditAction.WORDING_CHANGE, "PUT", path, json=body)
        tag = {"If-Match": (await admin.get(path)).headers["ETag"]}
        await witness.sees(admin, alan, AuditAction.WORDING_DELETE, "DELETE", path, headers=tag)


async def with_a_webhook(witness: Witness, admin: Browser, alan: Who) -> None:
    body = {"url": "https://hooks.contoso.example/switchboard", "events": ["contract.end"]}
    made = await witness.sees(admin, alan, AuditAction.WEBHOOK_CREATE, "POST", "/webhooks", json=body)
    path = f"/webhooks/{made['id']}"
    await witness.sees(
        admin,
        alan,
        AuditAction.WEBHOOK_CHANGE,
        "PATCH",
        path,
        json={"state": "paused"},
        headers={"If-Match": (await admin.get(path)).headers["ETag"]},
    )
    await witness.sees(admin, alan, AuditAction.WEBHOOK_ROTATE, "POST", f"{path}/secret/rotate", json={})
    await witness.sees(admin, alan, AuditAction.WEBHOOK_TEST, "POST", f"{path}/test")
    await witness.sees(admin, alan, AuditAction.WEBHOOK_DELETE, "DELETE", path)


async def with_a_program(witness: Witness, admin: Browser, alan: Who) -> None:
    body = {"client_id": AUTOMATION_CLIENT_ID, "name": "Archive"}
    made = await witness.sees(admin, alan, AuditAction.APP_CLIENT_REGISTER, "POST", "/app-clients", json=body)
    program = Who("application", UUID(made["member_id"]), alan.tenant_id)
    async with door(witness.portal, "automation", witness.portal.entra.application_token()) as client:
        await work(witness, client, program)
    await witness.sees(admin, alan, AuditAction.APP_CLIENT_REVOKE, "DELETE", f"/app-clients/{made['id']}")


async def with_models(witness: Witness, admin: Browser, alan: Who) -> None:
    body = {
        "name": "acme",
        "kind": "openai_compatible",
        "vendor": "acme",
        "base_url": "https://api.acme.example.com/v1",
        "region": "eu",
        "processor": "Acme",
    }
    made = await witness.sees(admin, alan, AuditAction.PROVIDER_CREATE, "POST", "/providers", json=body)
    provider = f"/providers/{made['id']}"
    key = f"{provider}/credential"
    await witness.sees(admin, alan, AuditAction.CREDENTIAL_SET, "PUT", key, json={"key": "sk-12345678"})
    await witness.sees(admin, alan, AuditAction.CREDENTIAL_CLEAR, "DELETE", key)
    model = {
        "name": "m",
        "provider_id": made["id"],
        "model_name": "m",
        "context_window": 1000,
        "max_output_tokens": 100,
    }
    made = await witness.sees(admin, alan, AuditAction.DEPLOYMENT_CREATE, "POST", "/deployments", json=model)
    deployment = f"/deployments/{made['id']}"
    kinds = ("input", "cached_input", "output", "reasoning")
    price = {"currency": "EUR", **{f"{kind}_micros": 1 for kind in kinds}}
    await witness.sees(admin, alan, AuditAction.PRICE_ADD, "POST", f"{deployment}/prices", json=price)
    listed = {"If-Match": (await admin.get(f"{deployment}/prices")).headers["ETag"]}
    gone = f"{deployment}/prices/withdraw"
    await witness.sees(admin, alan, AuditAction.PRICE_WITHDRAW, "POST", gone, headers=listed)
    await witness.sees(admin, alan, AuditAction.DEPLOYMENT_PROBE, "POST", f"{deployment}/probe")
    prompts = next(one for one in load_prompt_files() if one.task_type == "summarize").prompts
    ours = {"task_type": "summarize", "name": "ours", "prompts": prompts}
    await witness.sees(admin, alan, AuditAction.PROMPT_SET_CREATE, "POST", "/prompt-sets", json=ours)
    for action, method, path, more in (
        (AuditAction.DEPLOYMENT_CHANGE, "PATCH", deployment, {"json": {"concurrency": 7}}),
        (AuditAction.DEPLOYMENT_ARCHIVE, "POST", f"{deployment}/archive", {}),
        (AuditAction.PROVIDER_CHANGE, "PATCH", provider, {"json": {"region": "us"}}),
        (AuditAction.PROVIDER_ARCHIVE, "POST", f"{provider}/archive", {}),
    ):
        tag = (await admin.get(path.removesuffix("/archive"))).headers["ETag"]
        await witness.sees(admin, alan, action, method, path, headers={"If-Match": tag}, **more)


async def with_pools(witness: Witness) -> None:
    """A pool from its first draft to its archive."""
    alan, member = await witness.person(ALAN), await platform_member(witness.database)
    async with witness.portal.browser() as admin:
        await admin.sign_in(ALAN)

        async def does(action: AuditAction, method: str, path: str, version: int = 0, **body: Any) -> Any:
            headers = {"If-Match": f'"{version}"'}
            return await witness.sees(admin, alan, action, method, path, headers=headers, json=body)

        wanted: dict[str, Any] = {"name": "texts", "task_type": "summarize"}
        pool = await does(AuditAction.POOL_CREATE, "POST", "/pools", **wanted)
        own, drafts = f"/pools/{pool['id']}", f"/pools/{pool['id']}/revisions"
        for number in (1, 2, 3):
            await does(AuditAction.POOL_DRAFT, "POST", drafts, members=[member])
            if number < 3:
                await does(AuditAction.POOL_PUBLISH, "POST", f"{drafts}/{number}/publish", 1)
        await does(AuditAction.POOL_DRAFT, "PATCH", f"{drafts}/3", 1, note="why")
        await does(AuditAction.POOL_DRAFT, "DELETE", f"{drafts}/3", 2)
        await does(AuditAction.POOL_REVERT, "POST", f"{own}/revert", 3)
        wanted |= {"pool_id": pool["id"]}
        route = f"/routes/{(await does(AuditAction.ROUTE_CREATE, 'POST', '/routes', **wanted))['id']}"
        await does(AuditAction.ROUTE_CHANGE, "PUT", route, 1, **wanted)
        await does(AuditAction.ROUTE_DELETE, "DELETE", route, 2)
        await does(AuditAction.POOL_CHANGE, "PATCH", own, 4, archived=True)
        await does(AuditAction.POLICY_CHANGE, "PUT", "/policy", 1, require_no_training=True)
        path = "/task-permissions/summarize"
        await does(AuditAction.TASK_PERMISSION_CHANGE, "PUT", path, 1, departments=["Research"])
        await does(AuditAction.TASK_PERMISSION_CHANGE, "PUT", path, 2)
        export = AuditAction.CONFIGURATION_EXPORT
        async with witness.finds(alan, export) as made:
            made.append(await admin.get("/configuration"))
        kind = {"Content-Type": "application/yaml", "If-Match": made[0].headers["ETag"]}
        async with witness.finds(alan, AuditAction.CONFIGURATION_IMPORT) as put:
            # The same again would change nothing, and leave nothing.
            less = made[0].content.partition(b"policy:")[0]
            put.append(await admin.send("PUT", "/configuration", content=less, headers=kind))


async def for_the_platform(witness: Witness) -> None:
    """Mary of the operator's tenant; what she does stands in the record of the tenant that it is done to."""
    person = witness.portal.entra.app.people.find(MARY)
    assert person is not None
    witness.portal.entra.app.people.add(replace(person, role="PlatformOperator"))
    await execute(
        witness.database,
        "UPDATE members SET role = 'PlatformOperator' WHERE id = :id",
        id=(await witness.person(MARY)).member_id,
    )
    theirs = (await witness.person(GRACE)).tenant_id
    operator = Who("operator", None, theirs)
    async with witness.portal.browser() as browser:
        await browser.sign_in(MARY)
        invitation = {"entra_tenant_id": str(uuid4()), "name": "Northwind"}
        await witness.sees(
            browser, Who("operator", None), AuditAction.TENANT_INVITE, "POST", "/tenants", json=invitation
        )
        for action, verb, more in (
            (AuditAction.TENANT_SUSPEND, "suspend", {"json": {"reason": "unpaid"}}),
            (AuditAction.TENANT_RESUME, "resume", {}),
            (AuditAction.ERASURE_REQUEST, "erase", {"json": {"name": "Fabrikam"}}),
        ):
            path = f"/tenants/{theirs}/{verb}"
            await witness.sees(browser, operator, action, "POST", path, **more)


async def test_each_of_them_is_found_in_the_record_after_a_run_through_its_door(
    portal: Portal, database: TestDatabase
) -> None:
    await platform_imported(database)
    witness = Witness(portal, database)
    for story in (in_the_pane, with_pools, at_the_portal, for_the_platform):
        await story(witness)
    table = {(operation, action) for operation, actions in RECORDS.items() for action in actions}
    assert table - witness.seen == set(), "no story calls it"
