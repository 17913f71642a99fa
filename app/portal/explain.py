"""Which member would serve, and why not the others: asked, not tried."""

from fastapi import APIRouter

from app.copilot.explaining import explain
from app.http.guards import AdminOrAuditor, InProcess, PortalSession, TenantSealer
from app.http.routes import GuardedRoute
from app.portal.explain_schemas import ExplainRequest, ExplanationResource

router = APIRouter(prefix="/explain", tags=["models"], route_class=GuardedRoute)


@router.post("")
async def explain_choice(
    body: ExplainRequest,
    caller: AdminOrAuditor,
    session: PortalSession,
    sealer: TenantSealer,
    state: InProcess,
) -> ExplanationResource:
    """Say which route and which members would serve such a job now, and what it costs at most. Calls no model."""
    found = await explain(
        session, sealer, state.configuration, state.redis, body.question(), tenant_id=caller.tenant_id
    )
    return ExplanationResource.of(found)
