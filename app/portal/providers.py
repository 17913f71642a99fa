"""Vendor accounts: the organisation's own to keep, the platform's to look at. Keys go in and never come out."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import InProcess, actor
from app.http.routes import GuardedRoute
from app.pools import provider_keys, providers
from app.pools.providers import ProviderView
from app.portal.model_schemas import (
    ChangeProvider,
    CredentialResource,
    NewCredential,
    NewProvider,
    ProviderResource,
)
from app.portal.owners import ChangesConfiguration, ConfigurationSession, LooksAtConfiguration, Owner
from app.portal.paging import next_link
from app.portal.schemas import Page

router = APIRouter(prefix="/providers", tags=["models"], route_class=GuardedRoute)


@router.get("")
async def list_providers(
    desk: LooksAtConfiguration,
    session: ConfigurationSession,
    *,
    owner: Owner = Owner.TENANT,
    archived: Annotated[bool, Query(description="With those that were put away.")] = False,
    after: Annotated[UUID | None, Query(description="Id of the last provider of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[ProviderResource]:
    """The organisation's providers and the platform's, the oldest first."""
    found = await providers.page(
        session, tenant_id=desk.tenant_id, after=after, limit=limit + 1, archived=archived
    )
    shown = [ProviderResource.of(one) for one in found[:limit]]
    more = None
    if len(found) > limit:
        more = next_link("/providers", owner=owner, archived=archived, after=shown[-1].id, limit=limit)
    return Page(value=shown, next_link=more)


@router.post("", status_code=201, responses=refused(409))
async def create_provider(
    body: NewProvider,
    request: Request,
    response: Response,
    desk: ChangesConfiguration,
    session: ConfigurationSession,
) -> ProviderResource:
    """Set up a vendor account. A tenant's address is called over https and on the internet only."""
    made = await providers.create(
        session, tenant_id=desk.tenant_id, values=body.model_dump(), actor=actor(request, desk.caller)
    )
    return _shown(made, response)


@router.get("/{provider_id}")
async def get_provider(
    provider_id: UUID, response: Response, desk: LooksAtConfiguration, session: ConfigurationSession
) -> ProviderResource:
    """A provider, with its ETag."""
    found = await providers.find(session, tenant_id=desk.tenant_id, provider_id=provider_id)
    return _shown(found, response)


@router.patch("/{provider_id}", responses=refused(409, 412))
async def change_provider(
    provider_id: UUID,
    body: ChangeProvider,
    request: Request,
    response: Response,
    desk: ChangesConfiguration,
    session: ConfigurationSession,
    if_match: IfMatch = None,
) -> ProviderResource:
    """Change some of it; 412 if somebody else changed it since the ETag in `If-Match` was given."""
    changed = await providers.change(
        session,
        tenant_id=desk.tenant_id,
        provider_id=provider_id,
        version=expected_version(if_match, "provider"),
        values=body.model_dump(exclude_unset=True),
        actor=actor(request, desk.caller),
    )
    return _shown(changed, response)


@router.post("/{provider_id}/archive", responses=refused(400, 409, 412))
async def archive_provider(
    provider_id: UUID,
    request: Request,
    response: Response,
    desk: ChangesConfiguration,
    session: ConfigurationSession,
    if_match: IfMatch = None,
) -> ProviderResource:
    """Put it away and remove its key; what history refers to stays. 409 while it has deployments."""
    archived = await providers.archive(
        session,
        tenant_id=desk.tenant_id,
        provider_id=provider_id,
        version=expected_version(if_match, "provider"),
        actor=actor(request, desk.caller),
    )
    return _shown(archived, response)


@router.put("/{provider_id}/credential", responses=refused(409))
async def set_credential(
    provider_id: UUID,
    body: NewCredential,
    request: Request,
    desk: ChangesConfiguration,
    state: InProcess,
) -> CredentialResource:
    """Enter the key, in place of the one before: every process calls with it within a second."""
    tenant_id = desk.tenant_id
    async with state.database.tenant(tenant_id) as session:
        await provider_keys.check_takes_key(session, tenant_id=tenant_id, provider_id=provider_id)
    sealer = await state.keys.sealer(tenant_id)
    async with state.database.tenant(tenant_id) as session:
        key = await provider_keys.set_key(
            session,
            tenant_id=tenant_id,
            provider_id=provider_id,
            key=body.key.get_secret_value(),
            sealer=sealer,
            actor=actor(request, desk.caller),
        )
    return CredentialResource.of(key)


@router.delete("/{provider_id}/credential", status_code=204, responses=refused(409))
async def clear_credential(
    provider_id: UUID, request: Request, desk: ChangesConfiguration, session: ConfigurationSession
) -> None:
    """Remove the key: nothing is asked of this account until another one is entered."""
    await provider_keys.clear_key(
        session, tenant_id=desk.tenant_id, provider_id=provider_id, actor=actor(request, desk.caller)
    )


def _shown(view: ProviderView, response: Response) -> ProviderResource:
    show_version(response, view.version)
    return ProviderResource.of(view)
