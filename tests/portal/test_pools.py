"""Pools, revisions and routes through the portal's door: from a draft to what serves a job, and back."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from app.core.database import libpq_url
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER, MARY
from tests.portal.browsers import Browser, Portal, code
from tests.portal.models import (
    changed,
    made,
    own_deployment,
    own_prompt_set,
    platform_member,
    published,
    seed_models,
    tenant_of,
)
from tests.tenants.administration import execute, rows, snapshot
from tests.trust import PLAIN

TEXT = "The harbour was closed for three days. The ferry went on the fourth."


@pytest.fixture
async def admin(portal: Portal, database: TestDatabase) -> AsyncIterator[Browser]:
    await seed_models(database)
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


async def job(portal: Portal, database: TestDatabase) -> tuple[str, UUID, str]:
    """A job as accepted now: its id, the revision it pins and the reason for it."""
    async with httpx.AsyncClient(
        base_url=f"{portal.origin}/addin/v1",
        headers={"Authorization": f"Bearer {portal.entra.token(ADA)}"},
        trust_env=False,
        verify=PLAIN,
        timeout=20.0,
    ) as client:
        answer = await client.post("/jobs", json={"task_type": "summarize", "input": {"text": TEXT}})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"], *(await pinned(database, answer.json()["id"]))


async def pinned(database: TestDatabase, job_id: str) -> tuple[UUID, str]:
    ((revision, reason),) = await rows(
        database, "SELECT pool_revision_id, route_reason FROM jobs WHERE id = :id", id=UUID(job_id)
    )
    return revision, reason


async def seen(portal: Portal, database: TestDatabase) -> None:
    """Until this process knows the configuration as it is."""
    ((number,),) = await rows(database, "SELECT number FROM configuration_revision")
    await portal.services.configuration.newer_than(number - 1)


async def test_a_draft_never_serves_and_a_published_one_serves_the_next_job_until_it_is_reverted(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    member = await platform_member(database)
    pool = await made(admin, "/pools", name="summaries", task_type="summarize")
    first = await made(admin, f"/pools/{pool['id']}/revisions", members=[member], note="a first try")
    await made(admin, "/routes", name="all", task_type="summarize", pool_id=pool["id"])
    await seen(portal, database)
    _, _, reason = await job(portal, database)
    assert reason.startswith("the platform's route")

    shown = await changed(admin, "POST", f"/pools/{pool['id']}/revisions/1/publish", first["version"])
    assert (shown["published_revision"], shown["owner"]) == (1, "tenant")
    await seen(portal, database)
    running, revision, reason = await job(portal, database)
    assert str(revision) == first["id"]
    assert reason.startswith("the tenant's route all without conditions")

    second = await made(admin, f"/pools/{pool['id']}/revisions", copy_published=True, note="in two tiers")
    assert [one["deployment_name"] for one in second["members"]] == ["extractive"]
    shown = await changed(admin, "POST", f"/pools/{pool['id']}/revisions/2/publish", second["version"])
    await seen(portal, database)
    assert (await job(portal, database))[1] == UUID(second["id"])
    assert (await pinned(database, running))[0] == UUID(first["id"])

    shown = await changed(admin, "POST", f"/pools/{pool['id']}/revert", shown["version"], {})
    assert shown["published_revision"] == 1
    await seen(portal, database)
    assert (await job(portal, database))[1] == UUID(first["id"])
    shown = await changed(admin, "POST", f"/pools/{pool['id']}/revert", shown["version"], {"to": 2})
    assert shown["published_revision"] == 2
    assert [one["number"] for one in (await admin.get(f"/pools/{pool['id']}/revisions")).json()["value"]] == [
        2,
        1,
    ]


async def test_validation_names_every_problem_with_its_place(admin: Browser, database: TestDatabase) -> None:
    tenant = await tenant_of(admin)
    archived = await own_deployment(database, tenant, "gone")
    await execute(database, "UPDATE deployments SET archived_at = now() WHERE id = :id", id=archived)
    plain = await own_deployment(database, tenant, "plain", supported_parameters=["seed"])
    for deployment, currency in ((archived, "EUR"), (plain, "USD")):
        await execute(
            database,
            "INSERT INTO price_revisions (tenant_id, id, deployment_tenant_id, deployment_id, currency,"
            " input_micros, cached_input_micros, output_micros, reasoning_micros)"
            " VALUES (:tenant, gen_random_uuid(), :tenant, :deployment, :currency, 1, 1, 1, 1)",
            tenant=tenant,
            deployment=deployment,
            currency=currency,
        )
    prompts = str(await own_prompt_set(database, tenant, "mine"))
    others = str(await own_prompt_set(database, tenant, "for-letters", "letters"))
    pool = await made(admin, "/pools", name="wrong", task_type="summarize")
    draft = await made(
        admin,
        f"/pools/{pool['id']}/revisions",
        members=[
            {"deployment_id": str(archived), "prompt_set_id": prompts},
            {
                "deployment_id": str(plain),
                "prompt_set_id": others,
                "parameters": {"temperature": 0.1, "seed": 7},
                "tier": 1,
            },
            {"deployment_id": str(plain), "prompt_set_id": prompts, "tier": 2, "purpose": "shadow"},
        ],
    )
    await execute(
        database,
        "INSERT INTO tenant_policies (tenant_id, weight, max_steps_in_flight, max_jobs_queued,"
        " allowed_regions, require_no_training, require_zero_retention, retention_days,"
        " reuse_across_members) VALUES (:tenant, 1, 32, 1000, '[\"us\"]', false, false, 30, false)",
        tenant=tenant,
    )
    before = await snapshot(database)
    verdict = (await admin.send("POST", f"/pools/{pool['id']}/revisions/1/validate")).json()
    assert await snapshot(database) == before
    assert verdict["is_valid"] is False
    assert {(one["code"], one["target"]) for one in verdict["problems"]} == {
        ("archived_deployment", "members[0].deployment_id"),
        ("other_task_type", "members[1].prompt_set_id"),
        ("unsupported_parameter", "members[1].parameters.temperature"),
        ("currency_mix", "members[1].deployment_id"),
        ("currency_mix", "members[2].deployment_id"),
        ("empty_tier", "members[2].tier"),
        ("no_member_eligible", "members"),
    }
    refused = await admin.send(
        "POST",
        f"/pools/{pool['id']}/revisions/1/publish",
        headers={"If-Match": f'"{draft["version"]}"'},
    )
    assert code(refused) == (422, "invalid_draft")
    assert len(refused.json()["error"]["details"]) == 7
    assert (await admin.get(f"/pools/{pool['id']}")).json()["published_revision"] is None


async def test_what_is_not_there_is_refused_with_its_place(admin: Browser, database: TestDatabase) -> None:
    member = await platform_member(database)
    pool = await made(admin, "/pools", name="summaries", task_type="summarize")
    strange = {"deployment_id": pool["id"], "prompt_set_id": pool["id"]}
    answer = await admin.send("POST", f"/pools/{pool['id']}/revisions", json={"members": [member, strange]})
    assert code(answer) == (422, "invalid_draft")
    assert {(one["code"], one["target"]) for one in answer.json()["error"]["details"]} == {
        ("unknown_deployment", "members[1].deployment_id"),
        ("unknown_prompt_set", "members[1].prompt_set_id"),
    }
    assert (await admin.get(f"/pools/{pool['id']}/revisions")).json()["value"] == []
    empty = await made(admin, f"/pools/{pool['id']}/revisions")
    verdict = (await admin.send("POST", f"/pools/{pool['id']}/revisions/1/validate")).json()
    assert [one["code"] for one in verdict["problems"]] == ["no_members"]
    copied = await admin.send("POST", f"/pools/{pool['id']}/revisions", json={"copy_published": True})
    assert code(copied) == (409, "nothing_published")
    await changed(admin, "DELETE", f"/pools/{pool['id']}/revisions/1", empty["version"])
    assert code(await admin.get(f"/pools/{pool['id']}/revisions/1")) == (404, "revision_not_found")
    for body, place in (
        ({"pool_id": member["deployment_id"]}, "pool_id"),
        ({"conditions": {"min_tokens": 9, "max_tokens": 8}}, "conditions.max_tokens"),
    ):
        route = {"name": "r", "task_type": "summarize", "pool_id": pool["id"], **body}
        wrong = await admin.send("POST", "/routes", json=route)
        assert (code(wrong), wrong.json()["error"]["target"]) == ((422, "invalid_route"), place)
    unknown = await admin.send("POST", "/pools", json={"name": "x", "task_type": "cook"})
    assert code(unknown) == (422, "unknown_task_type")


async def test_a_change_names_the_version_that_it_changes(admin: Browser, database: TestDatabase) -> None:
    member = await platform_member(database)
    pool = await made(admin, "/pools", name="summaries", task_type="summarize")
    route = await made(admin, "/routes", name="all", task_type="summarize", pool_id=pool["id"])
    draft = await made(admin, f"/pools/{pool['id']}/revisions", members=[member])
    own = f"/pools/{pool['id']}"
    new_route = {"name": "every", "task_type": "summarize", "pool_id": pool["id"]}
    changes: list[tuple[str, str, dict[str, Any] | None]] = [
        ("PATCH", own, {"name": "texts"}),
        ("PATCH", f"{own}/revisions/1", {"note": "why"}),
        ("PUT", f"/routes/{route['id']}", new_route),
    ]
    for method, path, body in changes:
        assert code(await admin.send(method, path, json=body)) == (400, "bad_request")
        answer = await admin.send(method, path, json=body, headers={"If-Match": '"1"'})
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
        assert (await admin.get(path)).headers["ETag"] == '"2"'
    changes += [
        ("POST", f"{own}/revert", {}),
        ("POST", f"{own}/revisions/1/publish", None),
        ("DELETE", f"{own}/revisions/1", None),
        ("DELETE", f"/routes/{route['id']}", None),
    ]
    before = await snapshot(database)
    for method, path, body in changes:
        late = await admin.send(method, path, json=body, headers={"If-Match": '"1"'})
        assert code(late) == (412, "changed_meanwhile"), (method, path)
    assert await snapshot(database) == before
    assert draft["version"] == 1
    await changed(admin, "DELETE", f"/routes/{route['id']}", 2)
    assert code(await admin.get(f"/routes/{route['id']}")) == (404, "route_not_found")


async def test_the_platforms_are_seen_and_used_and_never_changed(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    theirs = next(
        one for one in (await admin.get("/pools")).json()["value"] if one["task_type"] == "summarize"
    )
    route = (await admin.get("/routes")).json()["value"][0]
    assert (theirs["owner"], route["owner"]) == ("platform", "platform")
    revision = f"/pools/{theirs['id']}/revisions/{theirs['published_revision']}"
    assert (await admin.get(revision)).json()["members"]
    mine = await made(
        admin,
        "/routes",
        name="short",
        task_type="summarize",
        pool_id=theirs["id"],
        conditions={"max_tokens": 100, "department": "Research"},
    )
    assert (mine["pool_owner"], mine["conditions"]["department"]) == ("platform", "Research")
    before = await snapshot(database)
    for method, path, body in (
        ("PATCH", f"/pools/{theirs['id']}", {"name": "ours"}),
        ("POST", f"/pools/{theirs['id']}/revisions", {}),
        ("PATCH", revision, {"note": "ours"}),
        ("DELETE", revision, None),
        ("POST", f"{revision}/publish", None),
        ("POST", f"/pools/{theirs['id']}/revert", {}),
        ("PUT", f"/routes/{route['id']}", {"name": "r", "task_type": "summarize", "pool_id": theirs["id"]}),
        ("DELETE", f"/routes/{route['id']}", None),
    ):
        answer = await admin.send(method, path, json=body, headers={"If-Match": '"1"'})
        assert code(answer) == (403, "owned_by_platform"), (method, path)
    assert await snapshot(database) == before
    async with portal.browser() as neighbour:
        await neighbour.sign_in(EDSGER)
        assert code(await neighbour.get(f"/routes/{mine['id']}")) == (404, "route_not_found")
        assert mine["id"] not in (await neighbour.get("/routes")).text


async def test_a_pool_that_a_route_leads_to_is_not_archived(admin: Browser, database: TestDatabase) -> None:
    pool = await made(admin, "/pools", name="summaries", task_type="summarize")
    route = await made(admin, "/routes", name="all", task_type="summarize", pool_id=pool["id"])
    used = await admin.send(
        "PATCH", f"/pools/{pool['id']}", json={"archived": True}, headers={"If-Match": '"1"'}
    )
    assert code(used) == (409, "pool_in_use")
    assert "all" in used.json()["error"]["message"]
    await changed(admin, "DELETE", f"/routes/{route['id']}", 1)
    archived = await changed(admin, "PATCH", f"/pools/{pool['id']}", 1, {"archived": True})
    assert archived["archived_at"] is not None
    assert pool["id"] not in (await admin.get("/pools")).text
    assert pool["id"] in (await admin.get("/pools", params={"archived": "true"})).text
    for path, body in (
        (f"/pools/{pool['id']}/revisions", {}),
        ("/routes", {"name": "all", "task_type": "summarize", "pool_id": pool["id"]}),
    ):
        assert code(await admin.send("POST", path, json=body)) == (409, "pool_archived")
    same = await admin.send("POST", "/pools", json={"name": "summaries", "task_type": "summarize"})
    assert code(same) == (409, "name_taken")


async def test_an_auditor_looks_and_changes_nothing(portal: Portal, admin: Browser) -> None:
    pool = await made(admin, "/pools", name="summaries", task_type="summarize")
    async with portal.browser() as auditor:
        await auditor.sign_in(MARY)
        assert (await auditor.get(f"/pools/{pool['id']}")).status_code == 200
        answer = await auditor.send("POST", "/pools", json={"name": "x", "task_type": "summarize"})
        assert code(answer) == (403, "role_missing")


@pytest.mark.parametrize("role", ["app", "owner"])
async def test_the_database_keeps_what_was_published_from_whoever_may_write(
    admin: Browser, database: TestDatabase, role: str
) -> None:
    tenant = await tenant_of(admin)
    pool = await made(admin, "/pools", name="summaries", task_type="summarize")
    await published(admin, pool, await platform_member(database))
    url = libpq_url(database.app_url if role == "app" else database.owner_url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant)])
        for statement in (
            "UPDATE pool_revisions SET note = 'other' WHERE tenant_id = %(tenant)s",
            "UPDATE pool_revisions SET published_at = NULL WHERE tenant_id = %(tenant)s",
            "DELETE FROM pool_revisions WHERE tenant_id = %(tenant)s",
            "UPDATE pool_members SET weight = 2 WHERE tenant_id = %(tenant)s",
            "DELETE FROM pool_members WHERE tenant_id = %(tenant)s",
        ):
            with pytest.raises(psycopg.errors.RestrictViolation):
                connection.execute(statement, {"tenant": tenant})
    draft = await made(admin, f"/pools/{pool['id']}/revisions", members=[await platform_member(database)])
    with pytest.raises(DBAPIError, match="never changed"):
        # A member of a draft does not move into what was published, either.
        await execute(
            database,
            "UPDATE pool_members SET revision_id = (SELECT id FROM pool_revisions WHERE number = 1"
            " AND tenant_id = :tenant) WHERE revision_id = :draft",
            tenant=tenant,
            draft=UUID(draft["id"]),
        )


async def test_the_eraser_takes_published_revisions_away(admin: Browser, database: TestDatabase) -> None:
    tenant = await tenant_of(admin)
    pool = await made(admin, "/pools", name="summaries", task_type="summarize")
    await published(admin, pool, await platform_member(database))
    with psycopg.connect(libpq_url(database.eraser_url), autocommit=True) as connection:
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant)])
        for table in ("pool_members", "pool_revisions"):
            deleted = connection.execute(f"DELETE FROM {table} WHERE tenant_id = %s", [tenant])
            assert deleted.rowcount == 1
