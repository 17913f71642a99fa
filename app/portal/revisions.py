"""Revisions of a tenant's pools: drafts are made, changed, judged and published; what was published stays."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.pools import drafts
from app.pools.pool_views import RevisionView
from app.pools.releasing import publish_draft
from app.pools.validating import validate
from app.portal.pool_schemas import (
    ChangeDraft,
    DraftProblem,
    DraftVerdict,
    NewDraft,
    PoolResource,
    RevisionResource,
    RevisionSummary,
)
from app.portal.schemas import Page

router = APIRouter(prefix="/pools/{pool_id}/revisions", tags=["models"], route_class=GuardedRoute)
Number = Annotated[int, Path(ge=1, le=2_000_000_000, description="Of the revision, from 1 in each pool.")]


@router.get("")
async def list_revisions(
    pool_id: UUID,
    caller: AdminOrAuditor,
    session: PortalSession,
    before: Annotated[
        int | None, Query(ge=1, le=2_000_000_000, description="Number of the last one of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[RevisionSummary]:
    """Revisions of a pool, the newest first, without their members."""
    found = await drafts.list_revisions(
        session, tenant_id=caller.tenant_id, pool_id=pool_id, before=before, limit=limit + 1
    )
    shown = [RevisionSummary.of(one) for one in found[:limit]]
    more = None
    if len(found) > limit:
        more = f"/portal/v1/pools/{pool_id}/revisions?before={shown[-1].number}&limit={limit}"
    return Page(value=shown, next_link=more)


@router.post("", status_code=201, responses=refused(409))
async def create_draft(
    pool_id: UUID,
    body: NewDraft,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
) -> RevisionResource:
    """Make a draft; it serves nothing until it is published."""
    made = await drafts.create_draft(
        session,
        tenant_id=caller.tenant_id,
        pool_id=pool_id,
        content=body.content(),
        actor=actor(request, caller),
        copy_published=body.copy_published,
    )
    response.headers["Location"] = f"/portal/v1/pools/{pool_id}/revisions/{made.number}"
    return _shown(made, response)


@router.get("/{number}")
async def get_revision(
    pool_id: UUID, number: Number, response: Response, caller: AdminOrAuditor, session: PortalSession
) -> RevisionResource:
    """A revision with its members and its ETag."""
    found = await drafts.find_revision(session, tenant_id=caller.tenant_id, pool_id=pool_id, number=number)
    return _shown(found, response)


@router.patch("/{number}", responses=refused(409))
async def change_draft(
    pool_id: UUID,
    number: Number,
    body: ChangeDraft,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    if_match: IfMatch = None,
) -> RevisionResource:
    """Change a draft."""
    after = await drafts.change_draft(
        session,
        tenant_id=caller.tenant_id,
        pool_id=pool_id,
        number=number,
        version=expected_version(if_match, "draft"),
        content=body.content(),
        actor=actor(request, caller),
    )
    return _shown(after, response)


@router.delete("/{number}", status_code=204, responses=refused(409))
async def delete_draft(
    pool_id: UUID,
    number: Number,
    request: Request,
    caller: TenantAdmin,
    session: PortalSession,
    if_match: IfMatch = None,
) -> None:
    """Drop a draft."""
    await drafts.delete_draft(
        session,
        tenant_id=caller.tenant_id,
        pool_id=pool_id,
        number=number,
        version=expected_version(if_match, "draft"),
        actor=actor(request, caller),
    )


@router.post("/{number}/validate")
async def validate_revision(
    pool_id: UUID, number: Number, caller: AdminOrAuditor, session: PortalSession
) -> DraftVerdict:
    """Say everything that is wrong with a revision today, each with its place; changes nothing."""
    found = await validate(session, tenant_id=caller.tenant_id, pool_id=pool_id, number=number)
    return DraftVerdict(is_valid=not found, problems=[DraftProblem.of(one) for one in found])


@router.post("/{number}/publish", responses=refused(409))
async def publish(
    pool_id: UUID,
    number: Number,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    if_match: IfMatch = None,
) -> PoolResource:
    """Let a draft serve, as it was when its ETag was given; an invalid one is refused with every problem.

    Jobs accepted from now on pin it; jobs that run keep theirs. The answer's ETag is the pool's.
    """
    after = await publish_draft(
        session,
        tenant_id=caller.tenant_id,
        pool_id=pool_id,
        number=number,
        version=expected_version(if_match, "draft"),
        actor=actor(request, caller),
    )
    show_version(response, after.version)
    return PoolResource.of(after)


def _shown(revision: RevisionView, response: Response) -> RevisionResource:
    show_version(response, revision.version)
    return RevisionResource.of(revision)
