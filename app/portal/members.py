"""The tenant's people, for its administrators: list, look, block, give roles."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import after_commit
from app.core.errors import ErrorDetail, Unprocessable
from app.http.contract import refused
from app.http.guards import AdminOrAuditor, InProcess, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.http.services import Services
from app.identity import long_sessions
from app.jobs.overview import job_counts
from app.portal.schemas import NO_NUL, ChangeMember, MemberResource, Page
from app.tenants import members
from app.tenants.members import MemberFacts
from app.tenants.tombstones import tombstone
from app.vocabulary import MemberState, Role

router = APIRouter(prefix="/members", tags=["members"], route_class=GuardedRoute)
Search = Annotated[
    str,
    Query(
        max_length=100,
        pattern=NO_NUL,
        description="In the name or the department, whatever the case; or an object id.",
    ),
]
_ASSIGNABLE = frozenset({Role.TENANT_ADMIN, Role.AUDITOR, Role.MEMBER})


@router.get("")
async def list_members(
    caller: AdminOrAuditor,
    session: PortalSession,
    services: InProcess,
    search: Search = "",
    role: Role | None = None,
    state: MemberState | None = None,
    after: Annotated[UUID | None, Query(description="Id of the last member of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[MemberResource]:
    """People of the caller's tenant, in the order we first saw them; erased ones by their object id, too."""
    found = await members.page(
        session,
        tenant_id=caller.tenant_id,
        search=search,
        erased=await _tombstone(services, caller.tenant_id, search),
        role=role,
        state=state,
        after=after,
        limit=limit + 1,
    )
    shown = await _resources(session, caller.tenant_id, found[:limit])
    more = None
    if len(found) > limit:
        given = {
            "search": search or None,
            "role": role,
            "state": state,
            "after": shown[-1].id,
            "limit": limit,
        }
        more = f"/portal/v1/members?{urlencode({k: v for k, v in given.items() if v is not None})}"
    return Page(value=shown, next_link=more)


@router.get("/{member_id}")
async def get_member(member_id: UUID, caller: AdminOrAuditor, session: PortalSession) -> MemberResource:
    """A person of the caller's tenant."""
    found = await members.find(session, tenant_id=caller.tenant_id, member_id=member_id)
    return (await _resources(session, caller.tenant_id, [found]))[0]


@router.patch("/{member_id}", responses=refused(409))
async def change_member(
    member_id: UUID,
    body: ChangeMember,
    request: Request,
    caller: TenantAdmin,
    session: PortalSession,
    state: InProcess,
) -> MemberResource:
    """Block, unblock, or give another role; counts at the person's next request and ends their sessions.

    Whoever is blocked loses the leave that they gave us to read their files; their jobs stop before the next
    step, and go on when they are let in again. Somebody who was erased stays shut out until `state` is set to
    active here; then the person may come as somebody new, and this member stays erased.
    """
    before = await members.find(session, tenant_id=caller.tenant_id, member_id=member_id)
    _check_role(body.role, before)
    after = await members.change(
        session,
        tenant_id=caller.tenant_id,
        member_id=member_id,
        actor=actor(request, caller),
        role=body.role,
        state=body.state,
    )
    if after.state is MemberState.BLOCKED:
        await long_sessions.shut_out(
            session, tenant_id=caller.tenant_id, member_id=member_id, actor=actor(request, caller)
        )
    if after.state is MemberState.ERASED or (after.role, after.state) != (before.role, before.state):
        await state.sessions.end_member(caller.tenant_id, member_id)
        after_commit(session, state.forget_people)
    return (await _resources(session, caller.tenant_id, [after]))[0]


async def _tombstone(services: Services, tenant_id: UUID, search: str) -> UUID | None:
    """By what an erased person is found whose object id is searched for; asked before the transaction begins."""
    try:
        object_id = UUID(search)
    except ValueError:
        return None
    return tombstone(await services.keys.sealer(tenant_id), object_id)


def _check_role(wanted: Role | None, before: MemberFacts) -> None:
    """Operators are made and unmade by whoever runs the platform, not by a tenant's administrator."""
    if wanted is None or wanted is before.role:
        return
    if wanted not in _ASSIGNABLE or before.role not in _ASSIGNABLE:
        raise Unprocessable(
            "Give TenantAdmin, Auditor or Member; PlatformOperator is given and taken with"
            " `switchboard operator`.",
            details=[ErrorDetail("role_not_assignable", "not a role that a tenant gives", target="role")],
        )


async def _resources(
    session: AsyncSession, tenant_id: UUID, found: list[MemberFacts]
) -> list[MemberResource]:
    counts = await job_counts(session, tenant_id=tenant_id, member_ids=[one.id for one in found])
    return [
        MemberResource(
            id=one.id,
            entra_object_id=one.entra_object_id,
            display_name=one.display_name,
            role=one.role,
            state=one.state,
            is_guest=one.is_guest,
            department=one.department,
            groups=[UUID(group) for group in one.groups],
            groups_incomplete=one.groups_incomplete,
            jobs=counts[one.id],
            created_at=one.created_at,
            last_seen_at=one.last_seen_at,
        )
        for one in found
    ]
