"""Who processes this organisation's text: for its people, its administrators and its auditors."""

from fastapi import APIRouter

from app.http.guards import InProcess, PortalMember, PortalSession
from app.http.routes import GuardedRoute
from app.pools import sub_processors
from app.portal.deployment_schemas import SubProcessorResource
from app.portal.schemas import Page

router = APIRouter(prefix="/sub-processors", tags=["models"], route_class=GuardedRoute)


@router.get("")
async def list_sub_processors(
    caller: PortalMember, session: PortalSession, state: InProcess
) -> Page[SubProcessorResource]:
    """Every account that a route of this organisation may lead to now, as far as its policy allows."""
    found = await sub_processors.in_use(session, state.configuration, tenant_id=caller.tenant_id)
    return Page(value=[SubProcessorResource.of(one) for one in found])
