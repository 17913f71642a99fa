"""A caller with real Redis, Postgres and loopback HTTP, over members that a scripted vendor serves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.asyncio import Redis

from app.core.clock import new_id
from app.core.crypto import Sealer
from app.llm.accepted import Accepted
from app.llm.clients import Clients
from app.llm.errors import InvalidOutput
from app.llm.loop import ModelCaller
from app.llm.scope import CallScope
from app.llm.types import Block, Message, ModelRequest, ModelResult
from app.pools.breakers import Breakers
from app.pools.limits import Limits
from app.pools.values import PoolMemberFacts, RevisionFacts
from app.tenants.policy import Policy
from app.usage.ledger import CallView, job_calls, settle
from app.vocabulary import Environment, SegmentKind, StepKind
from tests.conftest import TestDatabase
from tests.pools.builders import deployment, member, provider, revision
from tests.scripted_vendor import ScriptedVendor


def request(**changes: Any) -> ModelRequest:
    """A short summary, in a shape."""
    values: dict[str, Any] = {
        "task_type": "summarize",
        "step_kind": StepKind.FINAL,
        "blocks": (Block("B1", "Revenue rose by 4 percent.", SegmentKind.PARAGRAPH),),
        "parameters": {},
        "language": "en",
        "render": lambda prompts: [
            Message("system", prompts["system"]),
            Message("user", "[B1] Revenue rose."),
        ],
        "response_schema": None,
        "input_tokens_estimate": 100,
        "max_output_tokens": 50,
    }
    return ModelRequest(**{**values, **changes})


def accept(result: ModelResult) -> str:
    """Checks that pass."""
    return result.text


def refuse(word: str) -> Callable[[ModelResult], str]:
    """Checks that refuse answers with a word."""

    def verify(result: ModelResult) -> str:
        if word in result.text:
            raise InvalidOutput("the answer says what it must not")
        return result.text

    return verify


@dataclass
class Bench:
    """Everything a call needs."""

    database: TestDatabase
    vendor: ScriptedVendor
    redis: Redis
    clients: Clients
    caller: ModelCaller
    limits: Limits
    scopes: list[CallScope] = field(default_factory=list)

    def member(self, name: str, *, tier: int = 0, **changes: Any) -> PoolMemberFacts:
        """A member that the scripted vendor serves under `name`."""
        account = provider(name=f"{name}-account", base_url=self.vendor.base_url)
        return member(deployment(name, **{"provider": account, **changes}), tier=tier)

    def pool(self, *names: str) -> RevisionFacts:
        """A pool whose members are asked in this order."""
        return revision(*(self.member(name, tier=tier) for tier, name in enumerate(names)))

    def scope(self, pool: RevisionFacts, **changes: Any) -> CallScope:
        """A scope of a new job of the first tenant."""
        values: dict[str, Any] = {
            "tenant_id": self.database.tenant_id,
            "member_id": self.database.member_id,
            "job_id": new_id(),
            "step_id": new_id(),
            "fencing": 1,
            "revision": pool,
            "policy": Policy(),
            "language": "en",
            "reservation": None,
            "sticky_key": new_id().bytes,
            "deadline": asyncio.get_running_loop().time() + 30,
            "sealer": Sealer(self.database.tenant_id, {1: b"k" * 32}),
            "records": [],
        }
        self.scopes.append(CallScope(**{**values, **changes}))
        return self.scopes[-1]

    async def call(
        self,
        pool: RevisionFacts,
        verify: Callable[[ModelResult], Any] = accept,
        asked: ModelRequest | None = None,
        **scope: Any,
    ) -> Accepted:
        """One call in a scope of its own."""
        return await self.caller.call(asked or request(), scope=self.scope(pool, **scope), verify=verify)

    async def ledger(self) -> Sequence[CallView]:
        """What the last scope's job has in the ledger once its records are settled."""
        scope = self.scopes[-1]
        async with self.database.app.tenant(scope.tenant_id) as session:
            await settle(session, scope.records)
            return await job_calls(session, scope.tenant_id, scope.job_id)


@pytest.fixture
async def vendor() -> AsyncIterator[ScriptedVendor]:
    async with ScriptedVendor() as vendor:
        yield vendor


@pytest.fixture
async def bench(database: TestDatabase, vendor: ScriptedVendor, redis: Redis) -> AsyncIterator[Bench]:
    clients, limits = Clients(database.app, None, Environment.DEVELOPMENT), Limits(redis)
    caller = ModelCaller(database.app, Breakers(redis), limits, clients)
    yield Bench(database, vendor, redis, clients, caller, limits)
    await clients.close()
