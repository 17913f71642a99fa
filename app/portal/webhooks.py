"""Webhooks: where a tenant's notices are sent, and what became of each message."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.audit.actions import AuditAction
from app.audit.record import record
from app.core.clock import now
from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import AdminOrAuditor, InProcess, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.notices import outbox, webhooks
from app.notices.outbox import DeliveryView
from app.notices.webhooks import WebhookView
from app.portal.notice_schemas import (
    ChangeWebhook,
    DeliveryResource,
    NewWebhook,
    RotateSecret,
    WebhookResource,
    WebhookWithSecret,
)
from app.portal.schemas import Page

router = APIRouter(prefix="/webhooks", tags=["configuration"], route_class=GuardedRoute)
_PATH = "/portal/v1/webhooks"


@router.get("")
async def list_webhooks(caller: AdminOrAuditor, session: PortalSession) -> Page[WebhookResource]:
    """The tenant's webhooks; there are ten at most."""
    found = await webhooks.list_webhooks(session, tenant_id=caller.tenant_id)
    return Page(value=[_resource(one) for one in found])


@router.post("", status_code=201, responses=refused(409))
async def create_webhook(
    body: NewWebhook,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    state: InProcess,
) -> WebhookWithSecret:
    """Send notices somewhere. The answer holds the secret that signs them; nothing shows it again."""
    made, secret = await webhooks.create(
        session,
        tenant_id=caller.tenant_id,
        url=body.url,
        events=body.events,
        sealer=await state.keys.sealer(caller.tenant_id),
        actor=actor(request, caller),
    )
    response.headers["Location"] = f"{_PATH}/{made.id}"
    show_version(response, made.version)
    return WebhookWithSecret(**_resource(made).model_dump(), secret=secret)


@router.get("/{webhook_id}")
async def get_webhook(
    webhook_id: UUID, response: Response, caller: AdminOrAuditor, session: PortalSession
) -> WebhookResource:
    """A webhook, with its ETag."""
    return _shown(await webhooks.find(session, tenant_id=caller.tenant_id, webhook_id=webhook_id), response)


@router.patch("/{webhook_id}", responses=refused(412))
async def change_webhook(
    webhook_id: UUID,
    body: ChangeWebhook,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    if_match: IfMatch = None,
) -> WebhookResource:
    """Send elsewhere, choose other events, pause or go on; a paused one gets no notices, also not later."""
    changed = await webhooks.change(
        session,
        tenant_id=caller.tenant_id,
        webhook_id=webhook_id,
        version=expected_version(if_match, "webhook"),
        actor=actor(request, caller),
        **body.model_dump(exclude_none=True),
    )
    return _shown(changed, response)


@router.post("/{webhook_id}/secret/rotate", responses=refused(409))
async def rotate_secret(
    webhook_id: UUID,
    body: RotateSecret,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    state: InProcess,
) -> WebhookWithSecret:
    """Sign with a fresh secret, shown this once, and for a while with the one until now as well."""
    changed, secret = await webhooks.rotate(
        session,
        tenant_id=caller.tenant_id,
        webhook_id=webhook_id,
        keep_previous_seconds=body.keep_previous_seconds,
        sealer=await state.keys.sealer(caller.tenant_id),
        actor=actor(request, caller),
    )
    return WebhookWithSecret(**_shown(changed, response).model_dump(), secret=secret)


@router.delete("/{webhook_id}", status_code=204)
async def delete_webhook(
    webhook_id: UUID, request: Request, caller: TenantAdmin, session: PortalSession
) -> None:
    """Send nothing there any more, and forget what was sent."""
    await webhooks.delete(
        session, tenant_id=caller.tenant_id, webhook_id=webhook_id, actor=actor(request, caller)
    )


@router.post("/{webhook_id}/test", status_code=202)
async def test_webhook(
    webhook_id: UUID, request: Request, response: Response, caller: TenantAdmin, session: PortalSession
) -> DeliveryResource:
    """Send a message of type `webhook.test`, also to a paused one; its deliveries tell what became of it."""
    await webhooks.find(session, tenant_id=caller.tenant_id, webhook_id=webhook_id)
    posted = await outbox.post_test(
        session, tenant_id=caller.tenant_id, webhook_id=webhook_id, created_at=now()
    )
    await record(
        session,
        tenant_id=caller.tenant_id,
        actor=actor(request, caller),
        action=AuditAction.WEBHOOK_TEST,
        target_type="webhook",
        target_id=str(webhook_id),
    )
    response.headers["Location"] = f"{_PATH}/{webhook_id}/deliveries"
    return _delivery(posted)


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: UUID,
    caller: AdminOrAuditor,
    session: PortalSession,
    before: Annotated[UUID | None, Query(description="Id of the last delivery of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[DeliveryResource]:
    """What was and is to be sent there, newest first; what ended is kept for 30 days."""
    await webhooks.find(session, tenant_id=caller.tenant_id, webhook_id=webhook_id)
    found = await outbox.page(
        session, tenant_id=caller.tenant_id, webhook_id=webhook_id, before=before, limit=limit + 1
    )
    more = None
    if len(found) > limit:
        more = f"{_PATH}/{webhook_id}/deliveries?before={found[limit - 1].id}&limit={limit}"
    return Page(value=[_delivery(one) for one in found[:limit]], next_link=more)


def _shown(one: WebhookView, response: Response) -> WebhookResource:
    show_version(response, one.version)
    return _resource(one)


def _resource(one: WebhookView) -> WebhookResource:
    return WebhookResource.model_validate(asdict(one))


def _delivery(one: DeliveryView) -> DeliveryResource:
    return DeliveryResource.model_validate(asdict(one))
