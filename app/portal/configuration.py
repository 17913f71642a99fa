"""The tenant's whole configuration of models as one file: to keep, to compare, to bring to another tenant."""

import asyncio
import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from app.audit.actions import AuditAction
from app.audit.record import record
from app.copilot.catalog import task_types
from app.core.errors import BadRequest, ChangedMeanwhile, TooLarge
from app.http.contract import refused
from app.http.etags import IfMatch
from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.pools.exporting import export_configuration
from app.pools.file_schema import MOST_BYTES, read_file, write_file
from app.pools.importing import import_configuration, lock_configuration

router = APIRouter(prefix="/configuration", tags=["models"], route_class=GuardedRoute)
_YAML = "application/yaml"
_FILE: dict[str, Any] = {
    "content": {
        _YAML: {
            "schema": {
                "type": "object",
                "description": "Providers, deployments, prices, prompt sets, pools, routes, policy and permissions.",
            }
        }
    }
}


class ImportedChange(BaseModel):
    """One thing that the import changes."""

    kind: str
    name: str
    what: str


class ImportResult(BaseModel):
    """What the import has changed; a trial says what it would change."""

    is_applied: bool
    changes: list[ImportedChange]


@router.get("", response_class=Response, responses={200: _FILE})
async def get_configuration(request: Request, caller: AdminOrAuditor, session: PortalSession) -> Response:
    """Export the tenant's own configuration as YAML; keys are never in it. Its ETag is what an import names."""
    text = write_file(await export_configuration(session, tenant_id=caller.tenant_id))
    await record(
        session,
        tenant_id=caller.tenant_id,
        actor=actor(request, caller),
        action=AuditAction.CONFIGURATION_EXPORT,
        target_type="tenant",
        target_id=str(caller.tenant_id),
    )
    return Response(text, media_type=_YAML, headers={"ETag": _tag(text)})


@router.put(
    "", responses=refused(400, 412, 413, 422), openapi_extra={"requestBody": {"required": True, **_FILE}}
)
async def put_configuration(
    request: Request,
    caller: TenantAdmin,
    session: PortalSession,
    *,
    dry_run: Annotated[bool, Query(description="Only say what it would change; needs no If-Match.")] = False,
    if_match: IfMatch = None,
) -> ImportResult:
    """Bring the tenant's own configuration to what a file says; the same file again changes nothing.

    What the file does not name is archived, routes are deleted; keys stay with accounts that do not move. Nothing is
    written if anything is wrong.
    """
    file = await asyncio.to_thread(read_file, await _body(request))
    await lock_configuration(session, tenant_id=caller.tenant_id)
    if not dry_run or if_match is not None:
        await _check(session, caller.tenant_id, if_match)
    async with session.begin_nested() as trial:
        changes = await import_configuration(
            session,
            tenant_id=caller.tenant_id,
            file=file,
            task_types=task_types(),
            actor=actor(request, caller),
        )
        if dry_run:
            await trial.rollback()
    return ImportResult(
        is_applied=not dry_run,
        changes=[ImportedChange(kind=one.kind, name=one.name, what=one.what) for one in changes],
    )


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _YAML:
        raise BadRequest(f"Send the file as {_YAML}.", target="Content-Type")
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BYTES:
            raise TooLarge(f"A configuration has at most {MOST_BYTES:,} bytes.")
    return bytes(content)


async def _check(session: PortalSession, tenant_id: Any, if_match: str | None) -> None:
    if if_match is None:
        raise BadRequest(
            "Send the ETag of the configuration you read as `If-Match`, so that nobody's change is lost.",
            target="If-Match",
        )
    if if_match.strip() != _tag(write_file(await export_configuration(session, tenant_id=tenant_id))):
        raise ChangedMeanwhile("configuration")


def _tag(text: str) -> str:
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
