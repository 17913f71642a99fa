"""Uploading a document: raw bytes in, segments counted, bad files refused here."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.addin.schemas import DocumentResource
from app.core.crypto import Sealer
from app.documents import service
from app.documents.errors import FileTooLarge
from app.documents.segments import Extracted
from app.http.guards import Caller, InProcess, TenantSealer, TenantSession
from app.http.services import Services
from app.identity.principal import Principal

router = APIRouter(prefix="/documents", tags=["documents"])


@dataclass(frozen=True)
class ReadFile:
    """A file that has been read, but not yet kept."""

    name: str
    size_bytes: int
    sha256: bytes
    extracted: Extracted


@router.post("", status_code=201)
async def upload(
    request: Request,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
    name: Annotated[str, Query(min_length=1, max_length=255, description="File name with its extension.")],
) -> DocumentResource:
    """Take a document; the body is the file itself."""
    file = await _read(state, name, await _body(request, state.settings.max_upload_bytes))
    return DocumentResource.model_validate(asdict(await store(session, sealer, caller, file)))


async def read_text(state: Services, text: str) -> ReadFile:
    """The pane's text as a file. Raises: the errors of `app.documents.errors`."""
    return await _read(state, "selection.txt", text.encode())


async def store(
    session: AsyncSession, sealer: Sealer, caller: Principal, file: ReadFile
) -> service.DocumentView:
    """Keep a file for the caller."""
    return await service.store(
        session,
        sealer,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        name=file.name,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        extracted=file.extracted,
    )


async def _read(state: Services, name: str, content: bytes) -> ReadFile:
    extracted = await state.extractor.extract(name, content)
    return ReadFile(name, len(content), hashlib.sha256(content).digest(), extracted)


async def _body(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is known to be too large."""
    announced = request.headers.get("content-length", "0")
    body = bytearray()
    if not announced.isdigit() or int(announced) <= limit:
        async for piece in request.stream():
            body += piece
            if len(body) > limit:
                break
        else:
            return bytes(body)
    raise FileTooLarge(f"The file has more than {limit // 2**20} MB; split it or send the part you need.")
