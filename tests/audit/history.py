"""Recording and chaining in tests, and what a superuser can do to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record
from app.core.clock import new_id
from app.core.database import Database
from app.local.postgres import EmbeddedPostgres
from tests.conftest import TestDatabase

ADDRESS = "198.51.100.7"


async def happen(
    database: Database,
    tenant_id: UUID,
    *,
    member_id: UUID | None = None,
    times: int = 1,
    action: AuditAction = AuditAction.JOB_ACCEPT,
) -> None:
    """Record that a member did something, so many times."""
    actor = Actor(ActorKind.MEMBER if member_id else ActorKind.SYSTEM, member_id, ADDRESS)
    async with database.tenant(tenant_id) as session:
        for number in range(times):
            await record(
                session,
                tenant_id=tenant_id,
                actor=actor,
                action=action,
                target_type="job",
                target_id=str(new_id()),
                detail={"number": number, "task_type": "summarize"},
            )


@contextmanager
def superuser(postgres: EmbeddedPostgres, database: TestDatabase) -> Iterator[psycopg.Connection]:
    """Whoever owns the cluster, with triggers and row-level security out of the way."""
    url = postgres.url.rsplit("/", 1)[0] + f"/{database.name}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection
