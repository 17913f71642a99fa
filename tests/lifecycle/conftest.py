"""A tenant with content in every room, and the verbs of the lifecycle on it."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from app.audit.record import Actor, ActorKind
from app.core.clock import new_id
from app.core.crypto import Sealer
from app.core.keyring import LocalKeyring
from app.documents import service as documents
from app.documents.reading import read
from app.jobs.accept import NewJob, accept
from app.jobs.complete import result_place
from app.lifecycle import erasure, holds
from app.lifecycle.erasing import Erasing
from app.lifecycle.retention import Retention
from app.tenants.keys import TenantKeys
from app.vocabulary import Lane, OfficeHost, StepKind
from tests.conftest import TestDatabase

SECRET = "The dismissal of Ms. Quux is planned for March."


@dataclass
class Archive:
    """What a tenant has left with us, and what may be done to it."""

    database: TestDatabase
    redis: Redis
    keyring: LocalKeyring

    def __post_init__(self) -> None:
        self.keys = TenantKeys(self.database.app, self.keyring)

    def another_process(self) -> "Archive":
        """The same archive without what this one remembers."""
        return Archive(self.database, self.redis, self.keyring)

    def actor(self, member_id: UUID | None = None) -> Actor:
        return Actor(ActorKind.MEMBER, member_id=member_id or self.database.member_id)

    def erasing(self, *, batch: int = 200) -> Erasing:
        return Erasing(self.database.system, self.database.eraser, self.redis, settle_seconds=0, batch=batch)

    def retention(self, *, ledger_days: int = 3650, batch: int = 500) -> Retention:
        return Retention(self.database.system, self.database.eraser, ledger_days=ledger_days, batch=batch)

    async def sealer(self, tenant_id: UUID) -> Sealer:
        return await self.keys.sealer(tenant_id)

    async def fill(
        self, member_id: UUID | None = None, *, tenant_id: UUID | None = None, days_old: float = 0.0
    ) -> UUID:
        """A document, a finished job that reads it, its call in the ledger, its stream; gives the job."""
        tenant_id = tenant_id or self.database.tenant_id
        member_id = member_id or self.database.member_id
        sealer = await self.sealer(tenant_id)
        async with self.database.app.tenant(tenant_id) as session:
            document = await documents.store(
                session,
                sealer,
                tenant_id=tenant_id,
                member_id=member_id,
                name="plan.txt",
                size_bytes=len(SECRET),
                sha256=hashlib.sha256(SECRET.encode()).digest(),
                extracted=read("plan.txt", SECRET.encode()),
            )
            job_id = await accept(
                session,
                sealer,
                NewJob(
                    task_type="summarize",
                    host=OfficeHost.WORD,
                    lane=Lane.INTERACTIVE,
                    parameters={"focus": SECRET},
                    documents=[document.id],
                    pool_tenant_id=tenant_id,
                    pool_revision_id=new_id(),
                    route_reason="the only route",
                    language="en",
                    estimated_tokens=100,
                    first_step=StepKind.FINAL,
                    on_dead="partial",
                    deadline_seconds=600.0,
                    sticky_key=b"somebody's text",
                ),
                tenant_id=tenant_id,
                member_id=member_id,
                max_jobs_queued=1000,
                idempotency=(str(new_id()), b"hash"),
            )
        await self.redis.set(f"events:{tenant_id}:{job_id}", "sealed")
        await self._finish(job_id, sealer, days_old)
        return job_id

    async def _finish(self, job_id: UUID, sealer: Sealer, days_old: float) -> None:
        sealed = sealer.seal(result_place(job_id), b'{"text": "A summary."}')
        await self.change(
            "UPDATE job_steps SET state = 'done' WHERE job_id = :id",
            "UPDATE jobs SET state = 'succeeded', sealed_result = :result,"
            " finished_at = now() - make_interval(secs => :seconds) WHERE id = :id",
            "UPDATE documents SET created_at = now() - make_interval(secs => :seconds)"
            " WHERE id IN (SELECT document_id FROM job_inputs WHERE job_id = :id)",
            "INSERT INTO model_calls (tenant_id, id, member_id, job_id, step_id, fencing, hop, pool_revision_id,"
            " pool_member_id, deployment_id, provider_name, request_model, outcome, cost_micros, currency,"
            " input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, reserved_micros, started_at)"
            " SELECT tenant_id, gen_random_uuid(), member_id, id, id, 1, 0, id, id, id, 'vendor', 'model',"
            " 'succeeded', 7, 'EUR', 1, 0, 1, 0, 7, now() - make_interval(secs => :seconds)"
            " FROM jobs WHERE id = :id",
            id=job_id,
            result=bytes(sealed),
            seconds=days_old * 86_400,
        )

    async def change(self, *statements: str, **values: Any) -> None:
        async with self.database.owner.system() as session:
            for statement in statements:
                named = {name: value for name, value in values.items() if f":{name}" in statement}
                await session.execute(text(statement), named)

    async def count(self, table: str, tenant_id: UUID, member_id: UUID | None = None) -> int:
        whose = " AND member_id = :member" if member_id is not None else ""
        async with self.database.owner.system() as session:
            found = await session.scalar(
                text(f"SELECT count(*) FROM {table} WHERE tenant_id = :tenant{whose}"),
                {"tenant": tenant_id, **({"member": member_id} if member_id is not None else {})},
            )
        return found or 0

    async def ask(self, member_id: UUID | None, *, by_operator: bool = False) -> erasure.ErasureView:
        tenant_id = self.database.tenant_id
        sealer = None if member_id is None else await self.sealer(tenant_id)
        async with self.database.app.tenant(tenant_id) as session:
            return await erasure.request(
                session,
                tenant_id=tenant_id,
                member_id=member_id,
                sealer=sealer,
                requested_by=self.database.colleague_id,
                by_operator=by_operator,
                wait_days=0,
                actor=self.actor(self.database.colleague_id),
            )

    async def erasure(self) -> erasure.ErasureView:
        async with self.database.app.tenant(self.database.tenant_id) as session:
            return (await erasure.page(session, tenant_id=self.database.tenant_id, before=None, limit=1))[0]

    async def hold(self, member_id: UUID | None) -> holds.HoldView:
        async with self.database.app.tenant(self.database.tenant_id) as session:
            return await holds.place(
                session,
                tenant_id=self.database.tenant_id,
                member_id=member_id,
                reason="case 7",
                until=None,
                placed_by=self.database.colleague_id,
                actor=self.actor(self.database.colleague_id),
            )

    async def release(self, hold_id: UUID) -> holds.HoldView:
        async with self.database.app.tenant(self.database.tenant_id) as session:
            return await holds.release(
                session,
                tenant_id=self.database.tenant_id,
                hold_id=hold_id,
                released_by=self.database.colleague_id,
                actor=self.actor(self.database.colleague_id),
            )


@pytest.fixture
def archive(database: TestDatabase, redis: Redis, keyring: LocalKeyring) -> Archive:
    """A tenant, and the verbs of the lifecycle."""
    return Archive(database, redis, keyring)
