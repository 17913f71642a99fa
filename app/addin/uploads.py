"""Upload sessions: a large file in parts, resumable after any break; `Content-Range` as Graph takes it."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from app.addin.bodies import BODY_SECONDS, arriving
from app.addin.content_range import parse
from app.addin.documents import FILE_BODY
from app.addin.schemas import DocumentResource, NewUploadRequest, UploadResource
from app.core.errors import BadRequest
from app.documents import uploads
from app.documents.receiving import Receiver
from app.documents.uploads import NewUpload, UploadLimits, UploadState, UploadView
from app.http.contract import refused
from app.http.guards import Caller, InProcess, TenantSealer, TenantSession, actor_kind
from app.http.routes import GuardedRoute

router = APIRouter(prefix="/upload_sessions", tags=["documents"], route_class=GuardedRoute)


async def receiver(caller: Caller, state: InProcess, sealer: TenantSealer) -> Receiver:
    """Takes the caller's uploads."""
    return Receiver(
        state.database, state.extractor, sealer, caller.tenant_id, caller.member_id, actor_kind(caller)
    )


Receiving = Annotated[Receiver, Depends(receiver)]


@router.post("", status_code=201, responses=refused(409))
async def create_upload_session(
    request: Request,
    body: NewUploadRequest,
    response: Response,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
) -> UploadResource:
    """Begin an upload; send its parts to `Location`."""
    limits = UploadLimits(
        state.settings.max_upload_bytes,
        state.settings.max_upload_sessions,
        state.settings.upload_session_hours,
    )
    new = NewUpload(
        body.name,
        body.size_bytes,
        body.media_type,
        None if body.sha256 is None else bytes.fromhex(body.sha256),
    )
    view = await uploads.create(
        session, sealer, new, tenant_id=caller.tenant_id, member_id=caller.member_id, limits=limits
    )
    response.headers["Location"] = f"{request.url.path}/{view.id}"
    return _resource(view)


@router.put(
    "/{session_id}",
    status_code=202,
    responses={
        201: {"model": DocumentResource, "description": "The document, once every byte is here"},
        **refused(409, 416),
    },
    openapi_extra=FILE_BODY,
)
async def put_part(
    session_id: UUID,
    request: Request,
    response: Response,
    caller: Caller,
    state: InProcess,
    receiving: Receiving,
    content_range: Annotated[str, Header(max_length=64, description="`bytes FIRST-LAST/SIZE`")],
) -> UploadResource | DocumentResource:
    """Take a part: the range that is expected next, or one that arrived before. The last makes the document."""
    part = parse(content_range)
    async with state.uploads.place(caller.tenant_id, caller.member_id):
        view = await receiving.take(session_id, part, _body(request, part.end - part.start))
        if view.state is UploadState.RECEIVING:
            return _resource(view)
        document = await receiving.finish(view)
    response.status_code = 201
    return DocumentResource.model_validate(asdict(document))


@router.get("/{session_id}")
async def get_upload_session(
    session_id: UUID, caller: Caller, session: TenantSession, sealer: TenantSealer
) -> UploadResource:
    """Where an upload stands, and which range is expected next."""
    return _resource(
        await uploads.find(
            session, sealer, tenant_id=caller.tenant_id, member_id=caller.member_id, session_id=session_id
        )
    )


@router.delete("/{session_id}", status_code=204)
async def delete_upload_session(session_id: UUID, caller: Caller, session: TenantSession) -> None:
    """Give an upload up; what has arrived of it is removed. A document that it became stays."""
    await uploads.delete(
        session, tenant_id=caller.tenant_id, member_id=caller.member_id, session_id=session_id
    )


def _resource(view: UploadView) -> UploadResource:
    refused = view.refusal
    return UploadResource(
        id=view.id,
        name=view.name,
        state=view.state,
        size_bytes=view.size_bytes,
        received_bytes=view.received_bytes,
        next_expected_ranges=[view.expected] if view.expected else [],
        document_id=view.document_id,
        error=None if refused is None else {"code": refused.code, "message": refused.message},
        expires_at=view.expires_at,
    )


async def _body(request: Request, length: int) -> AsyncIterator[bytes]:
    """The body as it arrives, refused where it is too slow or announced with another length than its range."""
    announced = request.headers.get("content-length")
    if announced is not None and announced != str(length):
        raise BadRequest(
            f"The body has {announced[:20]} bytes and its Content-Range names {length}; make them agree.",
            target="Content-Range",
        )
    late = (
        f"The part stopped arriving, or was not whole within {BODY_SECONDS:.0f} seconds; look at the session and"
        " go on from the range that it expects."
    )
    async for chunk in arriving(request, late=late):
        yield chunk
