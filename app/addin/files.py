"""The file that a job has made."""

from collections.abc import AsyncIterator
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from app.addin.resources import open_result
from app.core.crypto import Sealer
from app.core.database import Database
from app.http.guards import Caller, InProcess, TenantSealer
from app.http.routes import GuardedRoute
from app.jobs.errors import JobFileNotFound
from app.jobs.files import read_part
from app.jobs.service import view

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=GuardedRoute)


@router.get(
    "/{job_id}/file",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file, under the name in `Content-Disposition`.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def get_job_file(
    job_id: UUID, caller: Caller, state: InProcess, sealer: TenantSealer
) -> StreamingResponse:
    """The document that an own job with `output: file` has made; `file` in its result says more of it."""
    # A session of the request's would stay open until the last byte is sent.
    async with state.database.tenant(caller.tenant_id) as session:
        job = await view(session, tenant_id=caller.tenant_id, member_id=caller.member_id, job_id=job_id)
    file = (open_result(sealer, job) or {}).get("file")
    if file is None:
        raise JobFileNotFound(job_id)
    return StreamingResponse(
        _parts(state.database, sealer, caller.tenant_id, job_id),
        media_type=file["media_type"],
        headers={
            "Content-Disposition": _disposition(file["name"]),
            "Content-Length": str(file["size_bytes"]),
            "ETag": f'"{file["etag"]}"',
            "Cache-Control": "no-store",
        },
    )


async def _parts(database: Database, sealer: Sealer, tenant_id: UUID, job_id: UUID) -> AsyncIterator[bytes]:
    """Part by part, each in a transaction of its own: a slow reader holds nothing open."""
    number = 0
    while True:
        async with database.tenant(tenant_id) as session:
            part = await read_part(session, sealer, tenant_id=tenant_id, job_id=job_id, number=number)
        if part is None:
            return
        yield part
        number += 1


def _disposition(name: str) -> str:
    """A name to save under, for readers of RFC 6266 and for older ones."""
    plain = "".join(one if one.isascii() and one.isprintable() and one not in '"\\' else "_" for one in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
