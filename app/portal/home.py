"""The one page: who is signed in and what there is for them. A browser comes here from Entra.

No part of the contract, so nobody may build on it. Whatever stands on it is escaped; its style and script are files
of ours, and nothing else may run or load.
"""

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Cookie, Request, Response

from app.core.errors import AppError
from app.http.browsers import SESSION_COOKIE
from app.http.guards import InProcess, member, visitor
from app.http.services import Services
from app.identity.errors import SessionRequired, TenantNotOnboarded
from app.identity.sessions import Session
from app.tenants import service
from app.vocabulary import Role

router = APIRouter(prefix="/portal", include_in_schema=False)
_PAGE = Path(__file__).with_name("page")
_STYLE, _SCRIPT = (_PAGE / "portal.css").read_text(), (_PAGE / "portal.js").read_text()
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_API = "/portal/v1"
_FOR_EVERYBODY = {f"{_API}/me": "who you are here", "/openapi.json": "the contract of this service"}
_FOR_ADMINISTRATORS = {
    f"{_API}/members": "members",
    f"{_API}/settings": "settings",
    f"{_API}/erasures": "erasures and their proofs",
    f"{_API}/holds": "legal holds",
    f"{_API}/jobs": "jobs, without what they say",
    f"{_API}/notices": "what ends soon",
}
_FOR_OPERATORS = {f"{_API}/tenants": "customers"}
_ONBOARD = (
    '<p><label>Its name here <input id="name" maxlength="200"></label></p>'
    f'<p><button type="button" data-post="{_API}/onboarding">Bring your organisation in</button></p>'
)


@router.get("/")
async def home(
    request: Request,
    services: InProcess,
    cookie: Annotated[str | None, Cookie(alias=SESSION_COOKIE)] = None,
) -> Response:
    """The page for whoever asks: signed in or not, of a customer or not."""
    if cookie is None:
        return _not_signed_in()
    try:
        visit = await visitor(request, services, cookie)
    except SessionRequired:
        return _not_signed_in()
    except AppError as error:
        return _page(error.title, f"<p>{escape(error.message)}</p>", status=error.status)
    try:
        return await _of_member(request, services, visit)
    except AppError as error:
        who = _facts({"Signed in as": visit.person.display_name})
        onboard = _ONBOARD if isinstance(error, TenantNotOnboarded) else ""
        said = f"<p>{escape(error.message)}</p>"
        return _page(error.title, f"{who}{said}{onboard}{_sign_out()}", status=error.status)


@router.get("/portal.css")
async def style() -> Response:
    """The page's style."""
    return Response(_STYLE, media_type="text/css")


@router.get("/portal.js")
async def script() -> Response:
    """What the page's buttons do."""
    return Response(_SCRIPT, media_type="text/javascript")


async def _of_member(request: Request, services: Services, visit: Session) -> Response:
    caller = await member(request, services, visit)
    async with services.database.tenant(caller.tenant_id) as session:
        tenant = await service.facts(session, tenant_id=caller.tenant_id)
    facts = {
        "Signed in as": visit.person.display_name,
        "Organisation": tenant.name,
        "Roles that count": ", ".join(sorted(caller.roles)),
    }
    places = dict(_FOR_EVERYBODY)
    if not caller.roles.isdisjoint({Role.TENANT_ADMIN, Role.AUDITOR}):
        places |= _FOR_ADMINISTRATORS
    if Role.PLATFORM_OPERATOR in caller.roles:
        places |= _FOR_OPERATORS
    links = "".join(f'<li><a href="{place}">{place}</a>: {what}</li>' for place, what in places.items())
    said = "<p>What this service answers is JSON for programs; these addresses can be looked at here.</p>"
    return _page("Switchboard", f"{_facts(facts)}{said}<ul>{links}</ul>{_sign_out()}")


def _not_signed_in() -> Response:
    return _page("Switchboard", f'<p>You are not signed in.</p><p><a href="{_API}/sign-in">Sign in</a></p>')


def _sign_out() -> str:
    everywhere = _button(f"{_API}/sign-out-everywhere", "Sign out everywhere")
    return f"<p>{_button(f'{_API}/sign-out', 'Sign out')}{everywhere}</p>"


def _button(place: str, label: str) -> str:
    return f'<button type="button" data-post="{place}">{label}</button>'


def _facts(facts: dict[str, str]) -> str:
    return f"<dl>{''.join(_pairs(facts.items()))}</dl>"


def _pairs(facts: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)


def _page(title: str, body: str, *, status: int = 200) -> Response:
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<link rel="stylesheet" href="/portal/portal.css"><script src="/portal/portal.js" defer></script>'
        f'<h1>{escape(title)}</h1>{body}<p id="told" role="status"></p></html>'
    )
    return Response(
        text, status, media_type="text/html", headers={"Content-Security-Policy": _POLICY, "Vary": "Cookie"}
    )
