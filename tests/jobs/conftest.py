"""Accepted jobs, workers that claim, and what they leave behind, on a real database."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.clock import new_id
from app.core.crypto import Sealer
from app.jobs.accept import NewJob, accept
from app.jobs.complete import (
    Completion,
    PlannedStep,
    Progress,
    complete,
    input_place,
    output_place,
    result_place,
)
from app.jobs.leases import ClaimedStep, claim
from app.vocabulary import PLATFORM, Lane, OfficeHost, StepKind
from tests.conftest import TestDatabase


@dataclass
class Desk:
    """The verbs of the jobs room with the defaults of a test, each in a transaction of its own."""

    database: TestDatabase
    sealer: Sealer
    other_sealer: Sealer
    owner: UUID = field(default_factory=new_id)

    def new_job(self, **changes: Any) -> NewJob:
        values: dict[str, Any] = {
            "task_type": "summarize",
            "host": OfficeHost.WORD,
            "lane": Lane.INTERACTIVE,
            "parameters": {"length": "paragraph"},
            "documents": [],
            "pool_tenant_id": PLATFORM,
            "pool_revision_id": new_id(),
            "route_reason": "the only route",
            "language": "en",
            "estimated_tokens": 100,
            "first_step": StepKind.FINAL,
            "on_dead": "partial",
            "deadline_seconds": 600.0,
            "sticky_key": b"somebody's text",
        }
        return NewJob(**{**values, **changes})

    async def accept(
        self,
        *,
        other_tenant: bool = False,
        colleague: bool = False,
        idempotency: tuple[str, bytes] | None = None,
        max_jobs_queued: int = 100_000,
        **changes: Any,
    ) -> UUID:
        tenant_id = self.database.other_tenant_id if other_tenant else self.database.tenant_id
        member_id = self.database.other_member_id if other_tenant else self.database.member_id
        if colleague:
            member_id = self.database.colleague_id
        async with self.database.app.tenant(tenant_id) as session:
            return await accept(
                session,
                self.other_sealer if other_tenant else self.sealer,
                self.new_job(**changes),
                tenant_id=tenant_id,
                member_id=member_id,
                max_jobs_queued=max_jobs_queued,
                idempotency=idempotency,
            )

    async def first_step(self, job_id: UUID) -> UUID:
        step_id: UUID = (await self.steps(job_id))[0]["id"]
        return step_id

    async def claim(
        self, step_id: UUID, *, lease_seconds: float = 30.0, owner: UUID | None = None
    ) -> ClaimedStep | None:
        async with self.database.app.tenant(self.database.tenant_id) as session:
            return await claim(
                session,
                tenant_id=self.database.tenant_id,
                step_id=step_id,
                owner=owner or self.owner,
                lease_seconds=lease_seconds,
            )

    async def claimed(self, job_id: UUID, **options: Any) -> ClaimedStep:
        step = await self.claim(await self.first_step(job_id), **options)
        assert step is not None
        return step

    async def finish(
        self,
        step: ClaimedStep,
        *,
        result: bytes | None = None,
        new_steps: tuple[PlannedStep, ...] = (),
        **more: Any,
    ) -> Progress:
        async with self.database.app.tenant(step.tenant_id) as session:
            return await complete(
                session,
                step,
                Completion(
                    sealed_output=self.sealer.seal(output_place(step.id), b"{}"),
                    sealed_result=None
                    if result is None
                    else self.sealer.seal(result_place(step.job_id), result),
                    new_steps=new_steps,
                    **more,
                ),
            )

    def planned(
        self,
        kind: StepKind,
        ordinal: int,
        *,
        step_id: UUID | None = None,
        successor: UUID | None = None,
        remaining: int = 0,
    ) -> PlannedStep:
        step_id = step_id or new_id()
        return PlannedStep(
            id=step_id,
            kind=kind,
            ordinal=ordinal,
            sealed_input=self.sealer.seal(input_place(step_id), b"{}"),
            estimated_tokens=10,
            successor_step_id=successor,
            remaining=remaining,
        )

    async def steps(self, job_id: UUID) -> list[Mapping[str, Any]]:
        return await self.rows("SELECT * FROM job_steps WHERE job_id = :id ORDER BY id", id=job_id)

    async def job(self, job_id: UUID) -> Mapping[str, Any]:
        return (await self.rows("SELECT * FROM jobs WHERE id = :id", id=job_id))[0]

    async def rows(self, statement: str, **values: Any) -> list[Mapping[str, Any]]:
        async with self.database.owner.system() as session:
            return [dict(row) for row in (await session.execute(text(statement), values)).mappings()]

    async def change(self, statement: str, **values: Any) -> None:
        async with self.database.owner.system() as session:
            await session.execute(text(statement), values)


@pytest.fixture
def desk(database: TestDatabase) -> Desk:
    """The verbs of the jobs room."""
    return Desk(
        database,
        Sealer(database.tenant_id, {1: secrets.token_bytes(32)}),
        Sealer(database.other_tenant_id, {1: secrets.token_bytes(32)}),
    )
