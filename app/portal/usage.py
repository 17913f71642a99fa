"""What the tenant used and what it cost, for its administrators; as JSON, or as CSV for a spreadsheet."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.http.guards import AdminOrAuditor, PortalSession
from app.http.routes import GuardedRoute
from app.http.usage import Asked, CsvResponse, Skip, UsagePage, usage_page, wants_csv
from app.usage import reports

router = APIRouter(prefix="/usage", tags=["money"], route_class=GuardedRoute)


@router.get(
    "",
    response_model=UsagePage,
    responses={200: {"content": {"text/csv": {}}, "description": "Rows; all of them where CSV is accepted."}},
)
async def get_usage(
    request: Request,
    caller: AdminOrAuditor,
    session: PortalSession,
    asked: Asked,
    skip: Skip = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> UsagePage | Response:
    """Calls, tokens and money of the tenant in a range of days; `Accept: text/csv` gives all rows as a file."""
    if wants_csv(request):
        rows = await reports.everything(session, tenant_id=caller.tenant_id, wanted=asked)
        name = f"usage-{asked.since}-{asked.until}.csv"
        return CsvResponse(
            reports.as_csv(rows, asked.by), headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )
    rows = await reports.usage(session, tenant_id=caller.tenant_id, wanted=asked, skip=skip, limit=limit + 1)
    return usage_page(request, asked, rows, skip=skip, limit=limit)
