"""What we hold about a member, for that member alone: one JSON object a line, a page of rows at a time.

    member · document, document_file* · ... · job, job_file* · ...

Files come in parts after what they belong to, so that the memory stays flat: originals of Office documents that
are kept, and what jobs have made.
"""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.crypto import Sealer
from app.core.database import Database
from app.documents import originals
from app.documents.export import export_documents
from app.jobs import files
from app.jobs.batch_schedules import MOST_SCHEDULES
from app.jobs.export import export_jobs, export_schedules
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
    """Lines of JSON: the member's row, then each document and each job with its files, and each schedule of batches,
    opened. That is recorded.

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
    async for one in _all(database, sealer, export_documents, tenant_id, member_id, _DOCUMENTS_AT_ONCE):
        yield _line("document", one)
        if one["media_type"] in originals.ENDINGS:
            parts = _original(database, sealer, tenant_id, member_id, one["id"])
            async for line in _file_lines("document", one["id"], one, parts):
                yield line
    async for one in _all(database, sealer, export_jobs, tenant_id, member_id, _JOBS_AT_ONCE):
        yield _line("job", one)
        file = (one["result"] or {}).get("file")
        if file is not None:
            parts = _made(database, sealer, tenant_id, one["id"])
            async for line in _file_lines("job", one["id"], file, parts):
                yield line
    async for one in _all(database, sealer, export_schedules, tenant_id, member_id, MOST_SCHEDULES):
        yield _line("batch_schedule", one)


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


async def _file_lines(
    of: str, row_id: UUID, told: Mapping[str, Any], parts: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """A line for each part; put together in the order of their numbers they are the file."""
    number = 0
    async for part in parts:
        told_of_part = {f"{of}_id": row_id, "name": told["name"], "media_type": told["media_type"]}
        yield _line(f"{of}_file", {**told_of_part, "number": number, "content": b64encode(part).decode()})
        number += 1


async def _original(
    database: Database, sealer: Sealer, tenant_id: UUID, member_id: UUID, document_id: UUID
) -> AsyncIterator[bytes]:
    start = 0
    whose = {"tenant_id": tenant_id, "member_id": member_id, "document_id": document_id}
    while True:
        async with database.tenant(tenant_id) as session:
            part = await originals.read_part(session, sealer, **whose, start=start)
        if not part:
            return
        yield part
        start += len(part)


async def _made(database: Database, sealer: Sealer, tenant_id: UUID, job_id: UUID) -> AsyncIterator[bytes]:
    number = 0
    while True:
        async with database.tenant(tenant_id) as session:
            part = await files.read_part(session, sealer, tenant_id=tenant_id, job_id=job_id, number=number)
        if part is None:
            return
        yield part
        number += 1


def _line(kind: str, value: dict[str, Any]) -> bytes:
    return json.dumps({"kind": kind, **value}, ensure_ascii=False, default=_plain).encode() + b"\n"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
