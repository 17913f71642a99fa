"""Uploading a document: raw bytes in, segments counted, bad files refused here."""

import hashlib
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.addin.schemas import DocumentResource
from app.documents import service
from app.documents.errors import FileTooLarge
from app.http.guards import Caller, InProcess, TenantSealer, TenantSession

router = APIRouter(prefix="/documents", tags=["documents"])


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
    content = await _read_body(request, state.settings.max_upload_bytes)
    extracted = await state.extractor.extract(name, content)
    stored = await service.store(
        session,
        sealer,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        name=name,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).digest(),
        extracted=extracted,
    )
    return DocumentResource.model_validate(asdict(stored))


async def _read_body(request: Request, limit: int) -> bytes:
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
