"""Planning: a place is reserved, or the step waits, or the worker finds out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from app.core.clock import new_id
from app.pools.breakers import Breakers
from app.pools.configuration import Configuration
from app.pools.dispatching import Reservation, StepFacts, Unplanned, Wait, give_back, plan, reserved_grant
from app.pools.limits import Limits
from app.pools.values import RevisionFacts
from app.vocabulary import StepKind
from tests.conftest import TestDatabase
from tests.pools.test_configuration import seeded


@dataclass
class Planner:
    """The relay's side: the system role, Redis, the platform's short pool."""

    configuration: Configuration
    breakers: Breakers
    limits: Limits
    tenant_id: UUID
    revision: RevisionFacts

    async def plan(
        self, *, step_id: UUID | None = None, revision_id: UUID | None = None, **changes: object
    ) -> Reservation | Wait | Unplanned:
        values = {"kind": StepKind.FINAL, "language": "en", "estimated_tokens": 300, **changes}
        return await plan(
            self.configuration,
            self.breakers,
            self.limits,
            tenant_id=self.tenant_id,
            revision_id=revision_id or self.revision.id,
            step=StepFacts(
                id=step_id or new_id(),
                sticky_key=new_id().bytes,
                task_type="summarize",
                **values,  # type: ignore[arg-type]
            ),
        )


@pytest.fixture
async def planner(database: TestDatabase, redis: Redis) -> AsyncIterator[Planner]:
    await seeded(database)
    configuration = Configuration(database.system)
    routes = {route.name: route for route in await configuration.routes(database.tenant_id)}
    revision_id = routes["summarize-short"].published_revision_id
    assert revision_id is not None
    revision = await configuration.revision(database.tenant_id, revision_id)
    yield Planner(configuration, Breakers(redis), Limits(redis), database.tenant_id, revision)
    await configuration.close()


async def test_a_place_is_reserved_at_the_first_member_that_is_free(planner: Planner) -> None:
    first, second = await planner.plan(), await planner.plan()
    assert isinstance(first, Reservation)
    assert isinstance(second, Reservation)
    assert first.member.deployment.name == "smollm2-135m"
    assert second.member.deployment.name == "extractive"
    await give_back(planner.limits, first)
    third = await planner.plan()
    assert isinstance(third, Reservation)
    assert third.member.deployment.name == "smollm2-135m"


async def test_a_step_planned_again_keeps_its_place(planner: Planner) -> None:
    step_id = new_id()
    planned, again = await planner.plan(step_id=step_id), await planner.plan(step_id=step_id)
    assert isinstance(planned, Reservation)
    assert isinstance(again, Reservation)
    assert again.member == planned.member
    stored = planned.as_json()
    assert stored["member_id"] == str(planned.member.id)
    grant = reserved_grant(planner.revision, stored)
    assert grant is not None
    assert grant.holder == f"step:{step_id}"
    assert reserved_grant(planner.revision, {**stored, "deployment_id": str(new_id())}) is None


async def test_a_step_waits_while_everyone_who_may_do_it_rests(planner: Planner) -> None:
    for member in planner.revision.members:
        await planner.breakers.failed(member.deployment, rest_seconds=20, retry_after_seconds=None)
    planned = await planner.plan()
    assert isinstance(planned, Wait)
    assert 19 < planned.seconds <= 20


async def test_what_another_process_knows_to_rest_is_learnt_while_planning(
    planner: Planner, redis: Redis
) -> None:
    for member in planner.revision.members:
        await Breakers(redis).failed(member.deployment, rest_seconds=20, retry_after_seconds=None)
    assert isinstance(await planner.plan(), Wait)
    assert len(planner.breakers.resting(m.deployment for m in planner.revision.members)) == 2


async def test_a_plan_step_and_what_nobody_may_do_are_left_to_the_worker(
    planner: Planner, database: TestDatabase
) -> None:
    assert await planner.plan(kind=StepKind.PLAN) == Unplanned("the step calls no model")
    assert await planner.plan(estimated_tokens=100_000) == Unplanned("no_eligible_member")
    assert await planner.plan(revision_id=new_id()) == Unplanned("unknown_pool_revision")
    async with database.owner.system() as session:
        await session.execute(text("UPDATE deployments SET lifecycle = 'retired'"))
    fresh = Planner(
        Configuration(database.system),
        planner.breakers,
        planner.limits,
        planner.tenant_id,
        planner.revision,
    )
    assert await fresh.plan() == Unplanned("no_eligible_member")
    await fresh.configuration.close()
