"""Glossaries, the style guide and templates of the tenant: PUT without If-Match makes one, with it changes one."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealer
from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, TenantSealer, actor
from app.http.routes import GuardedRoute
from app.http.wording import (
    GlossaryBody,
    GlossaryResource,
    Name,
    StyleGuideBody,
    TemplateBody,
    TemplateResource,
)
from app.identity.principal import Principal
from app.portal.schemas import Page
from app.wording import service
from app.wording.service import WordingKind, WordingView

router = APIRouter(tags=["wording"], route_class=GuardedRoute)
_GLOSSARY, _GUIDE, _TEMPLATE = WordingKind.GLOSSARY, WordingKind.STYLE_GUIDE, WordingKind.TEMPLATE


@router.get("/glossaries")
async def list_glossaries(
    _: AdminOrAuditor, session: PortalSession, sealer: TenantSealer
) -> Page[GlossaryResource]:
    """All glossaries, by name."""
    found = await service.listed(session, sealer, _GLOSSARY)
    return Page(value=[GlossaryResource.model_validate({"name": one.name, **one.body}) for one in found])


@router.get("/templates")
async def list_templates(
    _: AdminOrAuditor, session: PortalSession, sealer: TenantSealer
) -> Page[TemplateResource]:
    """All templates, by name."""
    found = await service.listed(session, sealer, _TEMPLATE)
    return Page(value=[TemplateResource.model_validate({"name": one.name, **one.body}) for one in found])


@router.get("/glossaries/{name}")
async def get_glossary(
    name: Name, response: Response, _: AdminOrAuditor, session: PortalSession, sealer: TenantSealer
) -> GlossaryBody:
    """A glossary with its ETag."""
    return GlossaryBody.model_validate(await _shown(response, session, sealer, _GLOSSARY, name))


@router.get("/templates/{name}")
async def get_template(
    name: Name, response: Response, _: AdminOrAuditor, session: PortalSession, sealer: TenantSealer
) -> TemplateBody:
    """A template with its ETag."""
    return TemplateBody.model_validate(await _shown(response, session, sealer, _TEMPLATE, name))


@router.get("/style-guide", responses=refused(404))
async def get_style_guide(
    response: Response, _: AdminOrAuditor, session: PortalSession, sealer: TenantSealer
) -> StyleGuideBody:
    """The style guide with its ETag."""
    return StyleGuideBody.model_validate(await _shown(response, session, sealer, _GUIDE, ""))


@router.put("/glossaries/{name}", responses=refused(409, 412))
async def put_glossary(
    name: Name,
    body: GlossaryBody,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    sealer: TenantSealer,
    if_match: IfMatch = None,
) -> GlossaryBody:
    """Make a glossary, or write it anew; jobs that were accepted before keep the old terms."""
    wanted = WordingView(_GLOSSARY, name, body.model_dump(), _version(if_match, "glossary"))
    made = await service.put(session, sealer, wanted, actor=actor(request, caller))
    show_version(response, made.version)
    return body


@router.put("/templates/{name}", responses=refused(409, 412))
async def put_template(
    name: Name,
    body: TemplateBody,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    sealer: TenantSealer,
    if_match: IfMatch = None,
) -> TemplateBody:
    """Make a template, or write it anew."""
    wanted = WordingView(_TEMPLATE, name, body.model_dump(), _version(if_match, "template"))
    made = await service.put(session, sealer, wanted, actor=actor(request, caller))
    show_version(response, made.version)
    return body


@router.put("/style-guide", responses=refused(412))
async def put_style_guide(
    body: StyleGuideBody,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    sealer: TenantSealer,
    if_match: IfMatch = None,
) -> StyleGuideBody:
    """Write the style guide; jobs that were accepted before keep the old one."""
    wanted = WordingView(_GUIDE, "", body.model_dump(), _version(if_match, "style guide"))
    made = await service.put(session, sealer, wanted, actor=actor(request, caller))
    show_version(response, made.version)
    return body


@router.delete("/glossaries/{name}", status_code=204, responses=refused(412))
async def delete_glossary(
    name: Name, request: Request, caller: TenantAdmin, session: PortalSession, if_match: IfMatch = None
) -> None:
    """Delete a glossary."""
    await _remove(request, caller, session, _GLOSSARY, name, if_match)


@router.delete("/templates/{name}", status_code=204, responses=refused(412))
async def delete_template(
    name: Name, request: Request, caller: TenantAdmin, session: PortalSession, if_match: IfMatch = None
) -> None:
    """Delete a template."""
    await _remove(request, caller, session, _TEMPLATE, name, if_match)


@router.delete("/style-guide", status_code=204, responses=refused(404, 412))
async def delete_style_guide(
    request: Request, caller: TenantAdmin, session: PortalSession, if_match: IfMatch = None
) -> None:
    """Delete the style guide."""
    await _remove(request, caller, session, _GUIDE, "", if_match)


async def _shown(
    response: Response, session: AsyncSession, sealer: Sealer, kind: WordingKind, name: str
) -> Mapping[str, Any]:
    found = await service.find(session, sealer, kind, name)
    show_version(response, found.version)
    return found.body


async def _remove(
    request: Request,
    caller: Principal,
    session: AsyncSession,
    kind: WordingKind,
    name: str,
    if_match: str | None,
) -> None:
    await service.remove(
        session,
        tenant_id=caller.tenant_id,
        kind=kind,
        name=name,
        version=expected_version(if_match, kind.replace("_", " ")),
        actor=actor(request, caller),
    )


def _version(if_match: str | None, what: str) -> int:
    """That of the text to change; 0 makes a new one, and never writes over another."""
    return 0 if if_match is None else expected_version(if_match, what)
