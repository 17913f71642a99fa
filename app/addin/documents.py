"""Uploading a document: raw bytes in, segments counted, bad files refused here."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.addin.bodies import BODY_SECONDS, arriving
from app.addin.schemas import DocumentResource, DriveItem
from app.core.crypto import Sealer
from app.documents import service
from app.documents.readers.text import read as read_plain
from app.documents.reading import read
from app.documents.taking import ReadFile, Taker
from app.http.contract import refused
from app.http.guards import Caller, InProcess, RawToken, TenantSealer, TenantSession, actor_kind
from app.http.routes import GuardedRoute
from app.identity.principal import Principal

router = APIRouter(prefix="/documents", tags=["documents"], route_class=GuardedRoute)
FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    }
}
"""For handlers that read their body themselves, piece by piece."""


async def taker(caller: Caller, state: InProcess, sealer: TenantSealer) -> Taker:
    """Takes the caller's files that come in one go."""
    return Taker(state.database, state.extractor, sealer, caller.tenant_id, caller.member_id)


Taking = Annotated[Taker, Depends(taker)]


@router.post("", status_code=201, openapi_extra=FILE_BODY)
async def upload(
    request: Request,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
    taking: Taking,
    name: Annotated[str, Query(min_length=1, max_length=255, description="File name with its extension.")],
) -> DocumentResource:
    """Take a document; the body is the file itself."""
    late = f"The file stopped arriving, or was not whole within {BODY_SECONDS:.0f} seconds; send it again."
    async with state.uploads.place(caller.tenant_id, caller.member_id):
        file = await taking.take(name, arriving(request, late=late), announced_bytes=_announced(request))
        prepared = await prepare(sealer, file)
        stored = await keep(session, caller, prepared)
    return DocumentResource.model_validate(asdict(stored))


@router.post("/drive-items", status_code=201, responses=refused(404, 409))
async def take_drive_item(
    body: DriveItem,
    caller: Caller,
    token: RawToken,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
    taking: Taking,
) -> DocumentResource:
    """Take a file from Microsoft 365, fetched on behalf of the caller; then it is read like an upload."""
    async with state.uploads.place(caller.tenant_id, caller.member_id):
        async with state.files.open(caller, token, body.ref()) as fetched:
            file = await taking.take(fetched.name, fetched.pieces)
        prepared = await prepare(
            sealer,
            file,
            source={"drive_id": body.drive_id, "item_id": body.item_id, "etag": fetched.etag},
        )
        stored = await keep(session, caller, prepared)
    return DocumentResource.model_validate(asdict(stored))


async def read_text(sealer: Sealer, text: str, *, by_line: bool) -> ReadFile:
    """The pane's text as a file; plain text needs no process to read it safely."""
    name, content = "selection.txt", text.encode()
    reader = partial(read_plain, by_line=True) if by_line else partial(read, name)
    extracted = await asyncio.to_thread(reader, content)
    return ReadFile(name, len(content), sealer.digest("document", content), extracted)


async def prepare(
    sealer: Sealer, file: ReadFile, *, source: Mapping[str, str] | None = None
) -> service.PreparedDocument:
    """Describe and seal a file; done before the request's transaction begins."""
    return await service.prepare(
        sealer,
        name=file.name,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        extracted=file.extracted,
        source=source,
        original=file.original,
    )


async def keep(
    session: AsyncSession, caller: Principal, prepared: service.PreparedDocument
) -> service.DocumentView:
    """Keep a prepared file for the caller."""
    return await service.keep(
        session,
        prepared,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        actor_kind=actor_kind(caller),
    )


def _announced(request: Request) -> int | None:
    announced = request.headers.get("content-length", "")
    return int(announced) if announced.isdigit() else None
