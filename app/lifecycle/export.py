"""What we hold about a member, for that member alone: one JSON object a line, a page of rows at a time."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.crypto import Sealer
from app.core.database import Database
from app.documents.export import export_documents
from app.jobs.export import export_jobs
from app.tenants import members

_JOBS_AT_ONCE = 50
_DOCUMENTS_AT_ONCE = 1
"""A document may be large; one at a time keeps the memory flat."""

Opened = Awaitable[Sequence[dict[str, Any]]]
Page = Callable[..., Awaitable[Callable[[], Opened]]]
"""Reads a page in a session, and gives what opens it when that is over."""


async def export_member(
    database: Database, sealer: Sealer, *, tenant_id: UUID, member_id: UUID, actor: Actor
) -> AsyncIterator[bytes]:
    """Lines of JSON: the member's row, then each document and each job, opened. That it was done is recorded.

    Each page is a transaction of its own that is over before anything of it is opened, so neither a slow
    reader nor a large document holds a connection. Raises: `MemberNotFound`.
    """
    async with database.tenant(tenant_id) as session:
        row = await members.find(session, tenant_id=tenant_id, member_id=member_id)
        await record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action=AuditAction.MEMBER_EXPORT,
            target_type="member",
            target_id=str(member_id),
        )
    yield _line("member", asdict(row))
    for kind, page, at_once in (
        ("document", export_documents, _DOCUMENTS_AT_ONCE),
        ("job", export_jobs, _JOBS_AT_ONCE),
    ):
        async for one in _all(database, sealer, page, tenant_id, member_id, at_once):
            yield _line(kind, one)


async def _all(
    database: Database, sealer: Sealer, page: Page, tenant_id: UUID, member_id: UUID, at_once: int
) -> AsyncIterator[dict[str, Any]]:
    after: UUID | None = None
    while True:
        async with database.tenant(tenant_id) as session:
            opening = await page(
                session, sealer, tenant_id=tenant_id, member_id=member_id, after=after, limit=at_once
            )
        found = await opening()
        for one in found:
            yield one
        if len(found) < at_once:
            return
        after = found[-1]["id"]


def _line(kind: str, value: dict[str, Any]) -> bytes:
    return json.dumps({"kind": kind, **value}, ensure_ascii=False, default=_plain).encode() + b"\n"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
