"""Bringing a directory in: to Entra's consent page, and back. For whoever has signed in, customer or not."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from app.http.browsers import address
from app.http.contract import refused
from app.http.guards import InProcess, Visitor
from app.http.routes import GuardedRoute
from app.identity.onboarding import Applicant, ConsentAnswer
from app.identity.registrations import CONSENT_PATH, HOME_PATH
from app.identity.sessions import Session
from app.portal.schemas import ConsentPage, StartOnboarding, TenantResource

router = APIRouter(prefix="/onboarding", tags=["onboarding"], route_class=GuardedRoute)
Hint = Annotated[str | None, Query(max_length=2000)]


@router.post("", responses=refused(409))
async def start_onboarding(
    body: StartOnboarding, request: Request, visit: Visitor, services: InProcess
) -> ConsentPage:
    """Where an administrator of a directory consents for everybody in it."""
    # Nobody's quota counts whoever is no customer yet, and each state is kept for ten minutes.
    services.sign_in_limits.begin(address(request))
    place = await services.onboarding.start(
        _applicant(visit, request),
        redirect_uri=f"{services.settings.portal_origin}{CONSENT_PATH}",
        name=body.name or "",
    )
    return ConsentPage(consent_url=place)


@router.get(
    "/consent",
    response_model=TenantResource,
    responses={303: {"description": "A browser goes on to the portal's page."}, **refused(400, 409)},
)
async def finish_onboarding(
    request: Request,
    visit: Visitor,
    services: InProcess,
    state: Hint = None,
    tenant: Hint = None,
    admin_consent: Hint = None,
    error: Hint = None,
) -> TenantResource | RedirectResponse:
    """Take Entra's answer, prove the consent, and make the directory of this session a customer.

    A GET, because a browser comes from Entra with one; the state, good once and for this session, is what
    keeps others from sending it.
    """
    made = await services.onboarding.finish(
        _applicant(visit, request),
        ConsentAnswer(state=state, tenant=tenant, admin_consent=admin_consent, error=error),
    )
    services.directory.forget(made.entra_tenant_id)
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(HOME_PATH, status_code=303)
    return TenantResource.model_validate(asdict(made))


def _applicant(visit: Session, request: Request) -> Applicant:
    person = visit.person
    return Applicant(
        session=visit.name,
        entra_tenant_id=person.entra_tenant_id,
        entra_object_id=person.entra_object_id,
        display_name=person.display_name,
        wids=person.wids,
        is_guest=person.is_guest,
        address=address(request),
    )
