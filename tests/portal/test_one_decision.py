"""The door, an estimate, an explanation and the call itself decide alike, whatever is configured and goes on."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from app.copilot.cohorts import sticky_key
from app.core.clock import new_id, now
from app.core.errors import AppError
from app.documents.tokens import estimate_tokens
from app.llm.clients import Clients
from app.llm.errors import AllResting
from app.llm.loop import ModelCaller
from app.llm.scope import CallScope
from app.pools.breakers import Breakers
from app.pools.limits import Limits
from app.pools.values import RevisionFacts
from app.usage.budgets import Payer, budgets_of, standings
from app.vocabulary import Environment
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN
from tests.llm.conftest import request
from tests.portal.browsers import Browser, Portal
from tests.portal.models import made, own_deployment, own_prompt_set, published, seed_models, tenant_of
from tests.portal.test_data import pane
from tests.portal.test_explain import explained, priced
from tests.tenants.administration import execute, rows

TEXT = "The harbour opens on Monday, and the ferry to the island leaves every morning at nine in the summer."
NAMES = ("ours", "theirs", "spare")
STATES = 14


@dataclass
class Desk:
    """A tenant with a pool of three members, whose circumstances change."""

    portal: Portal
    database: TestDatabase
    admin: Browser
    tenant_id: UUID
    member_id: UUID
    deployments: dict[str, UUID]

    async def become(self, state: random.Random) -> dict[str, float]:
        """Another state of everything that a decision depends on; gives who rests, and for how long."""
        of, often = {"tenant": self.tenant_id}, state.choice([0.25, 0.7])
        for name in NAMES:
            await execute(
                self.database,
                "UPDATE providers SET authentication = :by, region = :region WHERE name = :name",
                by="key" if state.random() < often else "none",
                region="us" if state.random() < often else "eu",
                name=f"{name}-provider",
            )
        await execute(self.database, "DELETE FROM budgets WHERE tenant_id = :tenant", **of)
        await execute(self.database, "DELETE FROM task_permissions WHERE tenant_id = :tenant", **of)
        scope, subject = state.choice(
            [("tenant", ""), ("member", str(self.member_id)), ("task_type", "summarize")]
        )
        hard, currency = state.choice([(0, "EUR"), (100, "EUR"), (10**12, "EUR"), (10**12, "USD")])
        if state.random() < 0.6:
            await execute(
                self.database,
                "INSERT INTO budgets (tenant_id, id, scope, subject, period, currency, soft_micros, hard_micros)"
                " VALUES (:tenant, gen_random_uuid(), :scope, :subject, 'day', :currency, 0, :hard)",
                currency=currency,
                scope=scope,
                subject=subject,
                hard=hard,
                **of,
            )
        if state.random() < 0.4:
            await execute(
                self.database,
                "INSERT INTO task_permissions (tenant_id, task_type, departments)"
                " VALUES (:tenant, 'summarize', CAST(:departments AS jsonb))",
                departments=state.choice(['["research"]', '["Sales"]']),
                **of,
            )
        await execute(
            self.database,
            "INSERT INTO tenant_policies (tenant_id, allowed_regions) VALUES (:tenant, CAST(:regions AS jsonb))"
            " ON CONFLICT (tenant_id) DO UPDATE SET allowed_regions = excluded.allowed_regions",
            regions=state.choice(["null", '["eu"]', '["eu", "us"]']),
            **of,
        )
        async for key in self.portal.services.redis.scan_iter("breaker:*"):
            await self.portal.services.redis.delete(key)
        return {name: 60.0 for name in NAMES if state.random() < 0.25}

    async def revision(self) -> RevisionFacts:
        """What serves."""
        ((number,),) = await rows(self.database, "SELECT number FROM configuration_revision")
        await self.portal.services.configuration.newer_than(number - 1)
        ((id_,),) = await rows(
            self.database, "SELECT published_revision_id FROM model_pools WHERE name = 'texts'"
        )
        return await self.portal.services.configuration.revision(self.tenant_id, id_)

    async def asked(
        self, revision: RevisionFacts, resting: dict[str, float]
    ) -> tuple[list[str], dict[str, str], str]:
        """The order of a call for such a job, who is excluded for what, and what ends it before it begins."""
        services = self.portal.services
        breakers = Breakers(services.redis)
        for member in revision.members:
            if member.deployment.name in resting:
                down = member.deployment
                await breakers.failed(down, rest_seconds=resting[down.name], retry_after_seconds=None)
        async with services.database.tenant(self.tenant_id) as session:
            payer = Payer(self.tenant_id, self.member_id, "summarize")
            budgets = await budgets_of(session, services.configuration, payer)
            stand = await standings(session, self.tenant_id, budgets, now())
        sealer = await services.keys.sealer(self.tenant_id)
        scope = CallScope(
            tenant_id=self.tenant_id,
            member_id=self.member_id,
            job_id=new_id(),
            step_id=new_id(),
            fencing=1,
            revision=revision,
            policy=await services.configuration.policy(self.tenant_id),
            language="en",
            reservation=None,
            deadline=0.0,
            sticky_key=sticky_key(sealer, self.member_id),
            sealer=sealer,
            records=[],
            standings=stand,
        )
        clients = Clients(services.database, services.keys, Environment.DEVELOPMENT)
        caller = ModelCaller(services.database, breakers, Limits(services.redis), clients)
        wanted = request(language="en", input_tokens_estimate=estimate_tokens(TEXT), max_output_tokens=1)
        try:
            selection = (await caller._begin(wanted, scope)).selection
        except AllResting:
            return [], {}, ""
        except AppError as error:
            return [], {detail.target or "": detail.code for detail in error.details}, error.code
        finally:
            await clients.close()
        return (
            [one.deployment.name for one in selection.order],
            {one.deployment.name: reason.value for one, reason in selection.excluded},
            "",
        )


@pytest.fixture
async def desk(portal: Portal, database: TestDatabase) -> AsyncIterator[Desk]:
    await seed_models(database)
    async with portal.browser() as admin, portal.browser() as ada:
        await admin.sign_in(ALAN)
        await ada.sign_in(ADA)
        tenant = await tenant_of(admin)
        member_id = UUID((await ada.get("/me")).json()["member_id"])
        await execute(database, "UPDATE members SET department = 'Research' WHERE id = :id", id=member_id)
        prompts = str(await own_prompt_set(database, tenant, "mine"))
        ids = {name: await own_deployment(database, tenant, name) for name in NAMES}
        for number, one in enumerate(ids.values()):
            await priced(database, tenant, one, 10 ** (2 + 3 * number))
        pool = await made(admin, "/pools", name="texts", task_type="summarize")
        members = [
            {"deployment_id": str(id_), "prompt_set_id": prompts, "weight": weight, "tier": tier}
            for id_, weight, tier in zip(ids.values(), (3, 2, 1), (0, 0, 1), strict=True)
        ]
        await published(admin, pool, *members)
        await made(admin, "/routes", name="texts", task_type="summarize", pool_id=pool["id"])
        yield Desk(portal, database, admin, tenant, member_id, ids)


async def test_what_is_explained_is_what_the_door_the_estimate_and_the_call_do(desk: Desk) -> None:
    seen: set[str] = set()
    for number in range(STATES):
        resting = await desk.become(random.Random(number))
        revision = await desk.revision()
        order, excluded, ends = await desk.asked(revision, resting)
        found = await explained(
            desk.portal,
            desk.database,
            desk.admin,
            member_id=str(desk.member_id),
            language="en",
            document_tokens=estimate_tokens(TEXT),
        )
        refusal = "" if found["refusal"] is None else found["refusal"]["code"]
        body: dict[str, Any] = {"task_type": "summarize", "input": {"text": TEXT}}
        async with pane(desk.portal) as client:
            submitted = await client.post("/jobs", json=body)
            estimated = await client.post("/estimates", json=body)
        door = "" if submitted.status_code == 202 else submitted.json()["error"]["code"]
        told = estimated.json()
        if estimated.status_code == 200:
            foretold = told["refused"]["code"] if told["refused"] else ""
        else:
            foretold = told["error"]["code"]
        assert (refusal, door, foretold) == (refusal, refusal, refusal), number
        if refusal != "task_type_not_permitted":
            assert refusal == ends, number
        assert [one["deployment"] for one in found["order"]] == order, number
        if excluded and order:
            assert {one["deployment"]: one["reason"] for one in found["excluded"]} == excluded, number
        seen |= {refusal, *(one["reason"] for one in found["excluded"])}
    refusals = {"task_type_not_permitted", "no_eligible_member", "budget_exhausted", "budget_currency"}
    assert seen >= {"", *refusals}
    assert seen >= {"credential", "budget", "currency", "region", "resting"}


async def test_of_nobody_in_particular_a_departments_permission_and_a_groups_budget_count(desk: Desk) -> None:
    group = str(new_id())
    await execute(
        desk.database,
        "INSERT INTO task_permissions (tenant_id, task_type, groups, departments)"
        " VALUES (:tenant, 'summarize', CAST(:groups AS jsonb), '[\"Sales\"]')",
        tenant=desk.tenant_id,
        groups=f'["{group}"]',
    )
    await execute(
        desk.database,
        "INSERT INTO budgets (tenant_id, id, scope, subject, period, currency, hard_micros)"
        " VALUES (:tenant, gen_random_uuid(), 'group', :group, 'day', 'EUR', 0)",
        tenant=desk.tenant_id,
        group=group,
    )

    async def refusal(**who: str) -> str | None:
        about = {"language": "en", "document_tokens": 1000, **who}
        found = await explained(desk.portal, desk.database, desk.admin, **about)
        code: str | None = found["refusal"] and found["refusal"]["code"]
        return code

    assert await refusal() == await refusal(department="Research") == "task_type_not_permitted"
    assert await refusal(department="sales") is None
    assert await refusal(group=group) == "budget_exhausted"
