"""Which member would serve, in which order, why not the others, and at which price: asked, not tried."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from app.copilot.cohorts import by_item, by_name, sticky_key
from app.core.clock import now
from app.pools.breakers import Breakers
from app.pools.limits import Limits
from app.pools.selection import Demand, select, stickiness
from app.tenants.policy import Policy
from app.vocabulary import PLATFORM, StepKind
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER
from tests.pools.builders import deployment, provider
from tests.portal.browsers import Browser, Portal, code
from tests.portal.models import (
    changed,
    made,
    own_deployment,
    own_prompt_set,
    published,
    seed_models,
    tenant_of,
)
from tests.portal.test_data import pane
from tests.tenants.administration import execute, rows, snapshot


@pytest.fixture
async def admin(portal: Portal, database: TestDatabase) -> AsyncIterator[Browser]:
    await seed_models(database)
    async with portal.browser() as browser:
        await browser.sign_in(ALAN)
        yield browser


async def explained(
    portal: Portal, database: TestDatabase, browser: Browser, **question: Any
) -> dict[str, Any]:
    ((number,),) = await rows(database, "SELECT number FROM configuration_revision")
    await portal.services.configuration.newer_than(number - 1)
    answer = await browser.send("POST", "/explain", json={"task_type": "summarize", **question})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def priced(database: TestDatabase, tenant: UUID, deployment_id: UUID, micros: int) -> None:
    await execute(
        database,
        "INSERT INTO price_revisions (tenant_id, id, deployment_tenant_id, deployment_id, currency,"
        " input_micros, cached_input_micros, output_micros, reasoning_micros)"
        " VALUES (:tenant, gen_random_uuid(), :tenant, :deployment, 'EUR', :micros, 0, :micros, :micros)",
        tenant=tenant,
        deployment=deployment_id,
        micros=micros,
    )


async def test_the_answer_names_order_reasons_load_and_cost_and_leaves_nothing_behind(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    tenant = await tenant_of(admin)
    prompts = str(await own_prompt_set(database, tenant, "mine"))
    made_of: dict[str, dict[str, Any]] = {
        "big": {"concurrency": 3},
        "half": {"concurrency": 3},
        "small": {"context_window": 3000},
        "resting": {},
        "german": {"languages": ["de"]},
        "abroad": {"provider": {"region": "us"}},
    }
    ids = {name: await own_deployment(database, tenant, name, **values) for name, values in made_of.items()}
    await priced(database, tenant, ids["big"], 1_000_000)
    pool = await made(admin, "/pools", name="texts", task_type="summarize")
    weights = {"big": 3}
    await published(
        admin,
        pool,
        *(
            {"deployment_id": str(id_), "prompt_set_id": prompts, "weight": weights.get(name, 1)}
            for name, id_ in ids.items()
        ),
    )
    await made(admin, "/routes", name="texts", task_type="summarize", pool_id=pool["id"])
    await changed(admin, "PUT", "/policy", 1, {"allowed_regions": ["eu"]})
    facts = {
        name: deployment(name, id=id_, concurrency=3 if name == "big" else None) for name, id_ in ids.items()
    }
    ((provider_id,),) = await rows(database, "SELECT id FROM providers WHERE name = 'resting-provider'")
    down = deployment("resting", id=ids["resting"], provider=provider(id=provider_id, region="eu"))
    redis = portal.services.redis
    await Breakers(redis).failed(down, rest_seconds=90, retry_after_seconds=None)
    await Limits(redis).reserve([facts["big"]], tokens=700, holder="somebody")
    # The tenant's data key is made when it is first needed, by whoever needs it.
    await portal.services.keys.sealer(tenant)
    before = await snapshot(database)

    found = await explained(portal, database, admin, language="en", document_tokens=4000)
    assert await snapshot(database) == before
    assert (found["would_be_accepted"], found["first_step"]) == (True, "final"), found["refusal"]
    assert found["route"] == {
        "name": "texts",
        "reason": found["route"]["reason"],
        "pool": "texts",
        "pool_owner": "tenant",
        "revision": 1,
        "strategy": "weighted",
    }
    assert {one["deployment"]: one["share"] for one in found["order"]} == {"big": 0.75, "half": 0.25}
    big = next(one for one in found["order"] if one["deployment"] == "big")
    assert (big["calls_at_once"], big["concurrency"]) == (1, 3)
    assert {one["deployment"]: one["reason"] for one in found["excluded"]} == {
        "small": "context",
        "resting": "resting",
        "german": "language",
        "abroad": "region",
    }
    rests = next(one for one in found["excluded"] if one["deployment"] == "resting")
    assert 80 < rests["rests_for_seconds"] <= 90
    # 4000 tokens of text, 600 of instructions, and all that the model writes: a micro each.
    assert found["costs_at_most"] == {"calls": 1, "micros": 5600, "currency": "EUR"}

    long = await explained(portal, database, admin, language="en", document_tokens=400_000)
    assert (long["first_step"], long["costs_at_most"]["calls"] > 4) == ("plan", True)
    nobody = await explained(portal, database, admin, language="en", document_tokens=2_000_000)
    assert (nobody["would_be_accepted"], nobody["refusal"]["code"]) == (False, "job_too_large")


async def test_a_member_and_a_document_have_the_order_that_their_jobs_have(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    tenant = await tenant_of(admin)
    prompts = str(await own_prompt_set(database, tenant, "mine"))
    ids = [str(await own_deployment(database, tenant, name)) for name in "abcd"]
    pool = await made(admin, "/pools", name="texts", task_type="summarize")
    await published(admin, pool, *({"deployment_id": one, "prompt_set_id": prompts} for one in ids))
    await made(admin, "/routes", name="texts", task_type="summarize", pool_id=pool["id"])
    member_id = (await admin.get("/me")).json()["member_id"]
    sealer = await portal.services.keys.sealer(tenant)
    seen = set()
    for number in range(6):
        item = {"drive_id": "d", "item_id": f"i{number}"}
        for named, document in (
            ({"document_name": f"{number}.docx"}, by_name(f"{number}.docx")),
            ({"drive_item": item}, by_item(**item)),
        ):
            found = await explained(portal, database, admin, member_id=member_id, **named)
            ((revision_id,),) = await rows(
                database, "SELECT published_revision_id FROM model_pools WHERE name = 'texts'"
            )
            revision = await portal.services.configuration.revision(tenant, revision_id)
            key = sticky_key(sealer, UUID(member_id), [document])
            demand = Demand("summarize", StepKind.FINAL, "und", 0, 1)
            draw = stickiness(revision.pool_id, key)
            order = select(revision, Policy(), demand, resting={}, now=now(), draw=draw).order
            names = tuple(one["deployment"] for one in found["order"])
            assert names == tuple(one.deployment.name for one in order)
            seen.add(names)
    assert len(seen) > 3
    both = {"task_type": "summarize", "document_name": "a", "drive_item": {"drive_id": "d", "item_id": "i"}}
    assert code(await admin.send("POST", "/explain", json=both)) == (422, "malformed")


async def test_a_route_for_a_department_and_a_members_budget_are_seen(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    tenant = await tenant_of(admin)
    pool = await made(admin, "/pools", name="texts", task_type="summarize")
    paid = await own_deployment(database, tenant, "paid")
    await priced(database, tenant, paid, 1_000_000_000)
    prompts = str(await own_prompt_set(database, tenant, "mine"))
    await published(admin, pool, {"deployment_id": str(paid), "prompt_set_id": prompts})
    await made(
        admin,
        "/routes",
        name="research",
        task_type="summarize",
        pool_id=pool["id"],
        conditions={"department": "Research"},
    )
    others = await explained(portal, database, admin)
    assert others["route"]["pool_owner"] == "platform"
    research = await explained(portal, database, admin, department="RESEARCH", document_tokens=10)
    assert (research["route"]["name"], research["order"][0]["deployment"]) == ("research", "paid")

    async with portal.browser() as ada:
        await ada.sign_in(ADA)
        member_id = (await ada.get("/me")).json()["member_id"]
    await execute(database, "UPDATE members SET department = 'Research' WHERE id = :id", id=UUID(member_id))
    await execute(
        database,
        "INSERT INTO budgets (tenant_id, id, scope, subject, period, currency, hard_micros)"
        " VALUES (:tenant, gen_random_uuid(), 'member', :member, 'day', 'EUR', 5)",
        tenant=tenant,
        member=member_id,
    )
    hers = await explained(portal, database, admin, member_id=member_id, document_tokens=10)
    assert [one["reason"] for one in hers["excluded"]] == ["budget"]
    assert (hers["budgets"][0]["scope"], hers["budgets"][0]["left_micros"]) == ("member", 5)
    assert hers["would_be_accepted"] is False
    await changed(admin, "PUT", "/task-permissions/summarize", 1, {"roles": ["Auditor"]})
    kept_out = await explained(portal, database, admin, member_id=member_id)
    assert kept_out["refusal"]["code"] == "task_type_not_permitted"
    async with portal.browser() as neighbour:
        await neighbour.sign_in(EDSGER)
        asked = {"task_type": "summarize", "member_id": member_id}
        assert code(await neighbour.send("POST", "/explain", json=asked)) == (404, "member_not_found")


async def test_a_full_queue_is_told_by_explanations_and_estimates_as_the_door_refuses_it(
    portal: Portal, admin: Browser, database: TestDatabase
) -> None:
    tenant = await tenant_of(admin)
    await execute(
        database,
        "INSERT INTO tenant_policies (tenant_id, max_jobs_queued) VALUES (:tenant, 1)",
        tenant=tenant,
    )
    assert (await explained(portal, database, admin))["would_be_accepted"] is True
    async with pane(portal, ADA) as ada:
        job = {"task_type": "summarize", "input": {"text": "The harbour opens on Monday."}}
        assert (await ada.post("/jobs", json=job)).status_code == 202
        full = await explained(portal, database, admin)
        estimated = (await ada.post("/estimates", json=job)).json()["refused"]
        refused = (await ada.post("/jobs", json=job)).json()["error"]
    assert (full["would_be_accepted"], full["refusal"]) == (
        False,
        {"code": "too_many_jobs", "message": refused["message"]},
    )
    assert full["order"]
    assert estimated == {**full["refusal"], "resets_at": None}
    await changed(admin, "PUT", "/task-permissions/summarize", 1, {"roles": ["Auditor"]})
    assert (await explained(portal, database, admin))["refusal"]["code"] == "task_type_not_permitted"


@pytest.mark.parametrize(
    "archive",
    [
        "UPDATE deployments SET archived_at = now() WHERE id = :id",
        "UPDATE providers SET archived_at = now() WHERE id = (SELECT provider_id FROM deployments WHERE id = :id)",
    ],
    ids=["deployment", "provider"],
)
async def test_what_the_platform_has_archived_is_excluded_from_a_tenants_pool(
    portal: Portal, admin: Browser, database: TestDatabase, archive: str
) -> None:
    tenant = await tenant_of(admin)
    prompts = str(await own_prompt_set(database, tenant, "mine"))
    theirs = await own_deployment(database, PLATFORM, "theirs")
    own = await own_deployment(database, tenant, "own")
    pool = await made(admin, "/pools", name="texts", task_type="summarize")
    members = [{"deployment_id": str(id_), "prompt_set_id": prompts} for id_ in (theirs, own)]
    await published(admin, pool, *members)
    await made(admin, "/routes", name="texts", task_type="summarize", pool_id=pool["id"])
    before = await explained(portal, database, admin, language="en", document_tokens=100)
    assert {one["deployment"] for one in before["order"]} == {"theirs", "own"}

    await execute(database, archive, id=theirs)

    found = await explained(portal, database, admin, language="en", document_tokens=100)
    assert [one["deployment"] for one in found["order"]] == ["own"]
    assert [(one["deployment"], one["reason"]) for one in found["excluded"]] == [("theirs", "archived")]
