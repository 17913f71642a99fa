"""The way in and out for browsers: to Entra, back with a code, and out again in one browser or in all."""

import re
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.core.errors import BadRequest
from app.http.browsers import FLOW_COOKIE, SESSION_COOKIE, address, clear_cookie, set_cookie
from app.http.contract import refused
from app.http.guards import InProcess, Visitor
from app.http.services import Services
from app.http.sign_in_limits import Door
from app.identity.admission import admit, record_sign_out
from app.identity.browser_secrets import BrowserSecret
from app.identity.errors import SignInRefused
from app.identity.portal_sign_in import FLOW_SECONDS
from app.identity.registrations import HOME_PATH
from app.identity.sessions import Session
from app.portal.schemas import SignedOut

entrance = APIRouter(prefix="/sign-in", tags=["sign-in"])
exits = APIRouter(tags=["sign-in"])
_PATH = re.compile(r"/portal/[A-Za-z0-9_\-./?=&%~]{0,500}")


@entrance.get("", status_code=302, response_class=RedirectResponse, responses=refused(400, 404, 429, 503))
async def begin_sign_in(
    request: Request,
    state: InProcess,
    return_to: Annotated[str, Query(description="A path under /portal/ to come back to.")] = HOME_PATH,
    tenant: Annotated[
        UUID | None, Query(description="The directory, for those who are guests in it.")
    ] = None,
    login_hint: Annotated[str | None, Query(max_length=320)] = None,
) -> RedirectResponse:
    """Send the browser to Microsoft Entra."""
    state.sign_in_limits.begin(address(request))
    # One secret for all tabs of a browser: two sign-ins at once do not take away each other's.
    secret = BrowserSecret.read(request.cookies.get(FLOW_COOKIE)) or BrowserSecret.new()
    place = await state.sign_in.begin(
        secret, return_to=_own_path(return_to), tenant=tenant, login_hint=login_hint
    )
    response = _redirect(place)
    set_cookie(response, FLOW_COOKIE, secret, seconds=FLOW_SECONDS)
    return response


@entrance.get(
    "/callback", status_code=302, response_class=RedirectResponse, responses=refused(400, 403, 429, 503)
)
async def finish_sign_in(request: Request, state: InProcess) -> RedirectResponse:
    """Take the answer of Microsoft Entra, begin a session, and go on to the page that was asked for."""
    browser = BrowserSecret.read(request.cookies.get(FLOW_COOKIE))
    state.sign_in_limits.check(Door.SIGN_IN, address(request), None)
    try:
        finished = await state.sign_in.finish(browser, request.query_params)
    except SignInRefused:
        state.sign_in_limits.refused(Door.SIGN_IN, address(request))
        raise
    session = await admit(
        finished.session,
        finished.claims,
        database=state.database,
        authenticator=state.authenticator,
        directory=state.directory,
        client_id=state.settings.portal_client_id,
        address=address(request),
        graph=state.files.graph,
        graph_token=finished.graph_token,
    )
    before = BrowserSecret.read(request.cookies.get(SESSION_COOKIE))
    if before is not None:
        await state.sessions.end(before)
    await state.sessions.begin(session)
    response = _redirect(finished.return_to)
    set_cookie(response, SESSION_COOKIE, session.secret)
    return response


@exits.post("/sign-out")
async def sign_out(request: Request, response: Response, visit: Visitor, state: InProcess) -> SignedOut:
    """End this browser's session."""
    await state.sessions.end(visit.secret)
    clear_cookie(response, SESSION_COOKIE)
    return await _signed_out(request, visit, state, everywhere=False)


@exits.post("/sign-out-everywhere")
async def sign_out_everywhere(
    request: Request, response: Response, visit: Visitor, state: InProcess
) -> SignedOut:
    """End the sessions of the caller in every browser."""
    await state.sessions.end(visit.secret)
    clear_cookie(response, SESSION_COOKIE)
    if visit.tenant_id is not None and visit.member_id is not None:
        await state.sessions.end_member(visit.tenant_id, visit.member_id)
    return await _signed_out(request, visit, state, everywhere=True)


async def _signed_out(request: Request, visit: Session, state: Services, *, everywhere: bool) -> SignedOut:
    if visit.tenant_id is not None and visit.member_id is not None:
        await record_sign_out(
            state.database,
            visit.tenant_id,
            visit.member_id,
            everywhere=everywhere,
            address=address(request),
        )
    query = urlencode({"post_logout_redirect_uri": f"{state.settings.portal_origin}{HOME_PATH}"})
    authority = state.settings.entra_authority.rstrip("/")
    place = f"{authority}/{visit.person.entra_tenant_id}/oauth2/v2.0/logout?{query}"
    return SignedOut(entra_sign_out_url=place)


def _own_path(path: str) -> str:
    """A path of our own pages; `//host`, a backslash or a scheme would lead elsewhere. Raises: `BadRequest`."""
    if not _PATH.fullmatch(path):
        raise BadRequest("Come back to a path under /portal/ only.", target="return_to")
    return path


def _redirect(place: str) -> RedirectResponse:
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(place, status_code=302, headers=headers)
