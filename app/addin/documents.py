"""Uploading a document: raw bytes in, segments counted, bad files refused here."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect

from app.addin.schemas import DocumentResource, DriveItem
from app.core.crypto import Sealer
from app.core.errors import BadRequest
from app.documents import service
from app.documents.errors import FileTooLarge
from app.documents.names import display_name
from app.documents.reading import read
from app.documents.segments import Extracted
from app.http.contract import refused
from app.http.guards import Caller, InProcess, RawToken, TenantSealer, TenantSession, actor_kind
from app.http.routes import GuardedRoute
from app.identity.principal import Principal

router = APIRouter(prefix="/documents", tags=["documents"], route_class=GuardedRoute)
_BODY_SECONDS = 120.0
FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    }
}
"""For handlers that read their body themselves, piece by piece."""


@dataclass(frozen=True)
class ReadFile:
    """A file that has been read, but not yet kept."""

    name: str
    content: bytes
    extracted: Extracted


@router.post("", status_code=201, openapi_extra=FILE_BODY)
async def upload(
    request: Request,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
    name: Annotated[str, Query(min_length=1, max_length=255, description="File name with its extension.")],
) -> DocumentResource:
    """Take a document; the body is the file itself."""
    name = display_name(name)
    async with state.uploads.place(caller.tenant_id):
        content = await _body(request, state.settings.max_upload_bytes)
        extracted = await state.extractor.extract(name, content, group=caller.tenant_id)
        prepared = await prepare(sealer, ReadFile(name, content, extracted))
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
) -> DocumentResource:
    """Take a file from Microsoft 365, fetched on behalf of the caller; then it is read like an upload."""
    async with state.uploads.place(caller.tenant_id):
        fetched = await state.files.fetch(caller, token, body.ref())
        extracted = await state.extractor.extract(fetched.name, fetched.content, group=caller.tenant_id)
        prepared = await prepare(
            sealer,
            ReadFile(fetched.name, fetched.content, extracted),
            source={"drive_id": body.drive_id, "item_id": body.item_id, "etag": fetched.etag},
        )
        stored = await keep(session, caller, prepared)
    return DocumentResource.model_validate(asdict(stored))


async def read_text(text: str) -> ReadFile:
    """The pane's text as a file; plain text needs no process to read it safely."""
    content = text.encode()
    return ReadFile("selection.txt", content, await asyncio.to_thread(read, "selection.txt", content))


async def prepare(
    sealer: Sealer, file: ReadFile, *, source: Mapping[str, str] | None = None
) -> service.PreparedDocument:
    """Describe and seal a file; done before the request's transaction begins."""
    return await service.prepare(
        sealer,
        name=file.name,
        size_bytes=len(file.content),
        sha256=sealer.digest("document", file.content),
        extracted=file.extracted,
        source=source,
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


async def _body(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is known to be too large or too slow."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > limit:
                    raise _too_large(limit)
    except (TimeoutError, ClientDisconnect):
        message = f"The file did not arrive whole within {_BODY_SECONDS:.0f} seconds; send it again."
        raise BadRequest(message, target="content") from None
    return bytes(body)


def _too_large(limit: int) -> FileTooLarge:
    return FileTooLarge(f"The file has more than {limit // 2**20} MB; split it or send the part you need.")
