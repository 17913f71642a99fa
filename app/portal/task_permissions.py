"""Who in the tenant may use which task type."""

from fastapi import APIRouter, Request, Response

from app.copilot.catalog import task_types
from app.core.errors import NotFound
from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.portal.policy_schemas import PermissionBody, PermissionResource
from app.portal.schemas import Page
from app.tenants import task_permissions
from app.tenants.task_permissions import Permission

router = APIRouter(prefix="/task-permissions", tags=["models"], route_class=GuardedRoute)


@router.get("")
async def list_task_permissions(caller: AdminOrAuditor, session: PortalSession) -> Page[PermissionResource]:
    """Every task type, and who may use it."""
    said = await task_permissions.load_task_permissions(session, caller.tenant_id)
    return Page(
        value=[PermissionResource.of(said.get(name, Permission(name))) for name in sorted(task_types())]
    )


@router.get("/{task_type}")
async def get_task_permission(
    task_type: str, response: Response, caller: AdminOrAuditor, session: PortalSession
) -> PermissionResource:
    """Who may use a task type, with the ETag that a change must name."""
    found = await task_permissions.task_permission(
        session, tenant_id=caller.tenant_id, task_type=_known(task_type)
    )
    show_version(response, found.version)
    return PermissionResource.of(found)


@router.put("/{task_type}", responses=refused(412))
async def put_task_permission(
    task_type: str,
    body: PermissionBody,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    if_match: IfMatch = None,
) -> PermissionResource:
    """Say who may use a task type; it counts for jobs accepted from now on."""
    after = await task_permissions.change_task_permission(
        session,
        tenant_id=caller.tenant_id,
        wanted=Permission(
            task_type=_known(task_type),
            groups=None if body.groups is None else tuple(sorted({str(one) for one in body.groups})),
            departments=None if body.departments is None else tuple(dict.fromkeys(body.departments)),
            roles=None if body.roles is None else tuple(dict.fromkeys(body.roles)),
            programs=body.programs,
            version=expected_version(if_match, "permission"),
        ),
        actor=actor(request, caller),
    )
    show_version(response, after.version)
    return PermissionResource.of(after)


def _known(task_type: str) -> str:
    if task_type not in task_types():
        raise NotFound(
            f"There is no such task type; there is {', '.join(sorted(task_types()))}.", target="task_type"
        )
    return task_type
