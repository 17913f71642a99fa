"""Models at vendor accounts, their prices, and a real call to see whether one answers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import InProcess, actor
from app.http.routes import GuardedRoute
from app.llm.probing import probe
from app.pools import deployments, prices
from app.pools.deployments import DeploymentView
from app.pools.errors import Archived
from app.pools.filling import UNSAID
from app.pools.prices import Prices
from app.portal.deployment_schemas import (
    ChangeDeployment,
    CreatedDeployment,
    DeploymentResource,
    NewDeployment,
    PriceFields,
    PriceResource,
    ProbeResource,
)
from app.portal.owners import ChangesConfiguration, ConfigurationSession, LooksAtConfiguration, Owner
from app.portal.paging import next_link
from app.portal.schemas import Page

router = APIRouter(prefix="/deployments", tags=["models"], route_class=GuardedRoute)


@router.get("")
async def list_deployments(
    desk: LooksAtConfiguration,
    session: ConfigurationSession,
    *,
    owner: Owner = Owner.TENANT,
    provider_id: Annotated[UUID | None, Query(description="Of this provider only.")] = None,
    archived: Annotated[bool, Query(description="With those that were put away.")] = False,
    after: Annotated[UUID | None, Query(description="Id of the last deployment of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[DeploymentResource]:
    """The organisation's deployments and the platform's, the oldest first."""
    found = await deployments.page(
        session,
        tenant_id=desk.tenant_id,
        after=after,
        limit=limit + 1,
        archived=archived,
        provider_id=provider_id,
    )
    shown = [DeploymentResource.of(one) for one in found[:limit]]
    more = None
    if len(found) > limit:
        given = {"provider_id": provider_id, "archived": archived, "after": shown[-1].id, "limit": limit}
        more = next_link("/deployments", owner=owner, **given)
    return Page(value=shown, next_link=more)


@router.post("", status_code=201, responses=refused(404, 409))
async def create_deployment(
    body: NewDeployment,
    request: Request,
    response: Response,
    desk: ChangesConfiguration,
    session: ConfigurationSession,
) -> CreatedDeployment:
    """Set up a model at a provider of one's own. What is left out is filled with what is known of the model."""
    said = body.model_dump(exclude_unset=True, exclude={"provider_id"})
    made, from_facts = await deployments.create(
        session,
        tenant_id=desk.tenant_id,
        provider_id=body.provider_id,
        price=said.pop("price", UNSAID),
        values=said,
        actor=actor(request, desk.caller),
    )
    return CreatedDeployment(**_shown(made, response).model_dump(), from_facts=list(from_facts))


@router.get("/{deployment_id}")
async def get_deployment(
    deployment_id: UUID, response: Response, desk: LooksAtConfiguration, session: ConfigurationSession
) -> DeploymentResource:
    """A deployment, with its ETag."""
    found = await deployments.find(session, tenant_id=desk.tenant_id, deployment_id=deployment_id)
    return _shown(found, response)


@router.patch("/{deployment_id}", responses=refused(409, 412))
async def change_deployment(
    deployment_id: UUID,
    body: ChangeDeployment,
    request: Request,
    response: Response,
    desk: ChangesConfiguration,
    session: ConfigurationSession,
    if_match: IfMatch = None,
) -> DeploymentResource:
    """Change some of it; counts within a second, for jobs that run, too. 412 if the ETag is past."""
    changed = await deployments.change(
        session,
        tenant_id=desk.tenant_id,
        deployment_id=deployment_id,
        version=expected_version(if_match, "deployment"),
        values=body.model_dump(exclude_unset=True),
        actor=actor(request, desk.caller),
    )
    return _shown(changed, response)


@router.post("/{deployment_id}/archive", responses=refused(400, 409, 412))
async def archive_deployment(
    deployment_id: UUID,
    request: Request,
    response: Response,
    desk: ChangesConfiguration,
    session: ConfigurationSession,
    if_match: IfMatch = None,
) -> DeploymentResource:
    """Put it away; what history refers to stays. 409 while a published pool of its owner uses it."""
    archived = await deployments.archive(
        session,
        tenant_id=desk.tenant_id,
        deployment_id=deployment_id,
        version=expected_version(if_match, "deployment"),
        actor=actor(request, desk.caller),
    )
    return _shown(archived, response)


@router.get("/{deployment_id}/prices")
async def list_prices(
    deployment_id: UUID, response: Response, desk: LooksAtConfiguration, session: ConfigurationSession
) -> Page[PriceResource]:
    """Price revisions, the newest first, two hundred at most. The ETag is what a withdrawal names."""
    found = await prices.look(session, tenant_id=desk.tenant_id, deployment_id=deployment_id)
    return _prices(found, response)


@router.post("/{deployment_id}/prices", status_code=201, responses=refused(409))
async def add_price(
    deployment_id: UUID,
    body: PriceFields,
    request: Request,
    desk: ChangesConfiguration,
    session: ConfigurationSession,
) -> PriceResource:
    """Let a price count from now on: also the organisation's own for a deployment of the platform's."""
    added = await prices.add(
        session,
        tenant_id=desk.tenant_id,
        deployment_id=deployment_id,
        values=body.model_dump(),
        actor=actor(request, desk.caller),
    )
    return PriceResource.of(added)


@router.post("/{deployment_id}/prices/withdraw", responses=refused(400, 412))
async def withdraw_prices(
    deployment_id: UUID,
    request: Request,
    response: Response,
    desk: ChangesConfiguration,
    session: ConfigurationSession,
    if_match: IfMatch = None,
) -> Page[PriceResource]:
    """Let none of the organisation's own prices count any more: then the platform's does, or none and calls are free."""
    found = await prices.withdraw(
        session,
        tenant_id=desk.tenant_id,
        deployment_id=deployment_id,
        version=expected_version(if_match, "prices"),
        actor=actor(request, desk.caller),
    )
    return _prices(found, response)


@router.post("/{deployment_id}/probe", responses=refused(409))
async def probe_deployment(
    deployment_id: UUID, request: Request, desk: ChangesConfiguration, state: InProcess
) -> ProbeResource:
    """Really call it, once and briefly, outside of every pool. It costs what such a call costs.

    What goes wrong at the vendor is in `error` of the answer. Ten a minute for the whole organisation.
    """
    async with state.database.tenant(desk.tenant_id) as session:
        found = await deployments.find(session, tenant_id=desk.tenant_id, deployment_id=deployment_id)
    if found.archived_at is not None:
        raise Archived("deployment")
    await state.rate_limits.admit_probe(desk.tenant_id)
    clients = await state.model_clients()
    try:
        report = await probe(
            state.database,
            state.configuration,
            clients,
            tenant_id=desk.tenant_id,
            member_id=desk.caller.member_id,
            deployment=found.facts,
            actor=actor(request, desk.caller),
        )
    finally:
        await clients.close()
    return ProbeResource.of(report)


def _shown(view: DeploymentView, response: Response) -> DeploymentResource:
    show_version(response, view.version)
    return DeploymentResource.of(view)


def _prices(found: Prices, response: Response) -> Page[PriceResource]:
    show_version(response, found.version)
    return Page(value=[PriceResource.of(one) for one in found.revisions])
