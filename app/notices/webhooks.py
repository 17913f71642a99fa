"""Webhooks of a tenant: where its notices are sent, what is sent, and the secret that signs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import new_id, now
from app.core.crypto import Place, Sealer
from app.core.endpoints import tenant_endpoint
from app.core.errors import ChangedMeanwhile
from app.notices.errors import SecretStillRotating, TooManyWebhooks, WebhookNotFound
from app.notices.signing import new_secret
from app.notices.tables import Webhook
from app.vocabulary import NoticeKind, WebhookState

MOST = 10
"""Webhooks of one tenant."""


@dataclass(frozen=True)
class WebhookView:
    """A webhook as administrators and auditors see it: without its secret."""

    id: UUID
    url: str
    events: tuple[NoticeKind, ...]
    state: WebhookState
    version: int
    created_at: datetime
    previous_secret_expires_at: datetime | None
    """Until then the secret before the last change signs too; None where only one signs."""


async def create(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    url: str,
    events: Collection[NoticeKind],
    sealer: Sealer,
    actor: Actor,
) -> tuple[WebhookView, str]:
    """Make a webhook; gives it with its secret, which nobody sees again.

    Raises: `AddressNotAllowed`, `TooManyWebhooks`.
    """
    tenant_endpoint(url)
    # Two administrators at once would both find room for one more.
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('webhooks:' || :tenant, 0))"),
        {"tenant": str(tenant_id)},
    )
    own = select(func.count()).select_from(Webhook).where(Webhook.tenant_id == tenant_id)
    if (await session.scalar(own) or 0) >= MOST:
        raise TooManyWebhooks(MOST)
    webhook_id, secret = new_id(), new_secret()
    row = Webhook(
        tenant_id=tenant_id,
        id=webhook_id,
        url=url,
        events=sorted(events),
        sealed_secret=sealer.seal(secret_place(webhook_id), secret.encode()),
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    await _record(session, row, actor, AuditAction.WEBHOOK_CREATE)
    return _view(row), secret


async def change(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    webhook_id: UUID,
    version: int,
    actor: Actor,
    url: str | None = None,
    events: Collection[NoticeKind] | None = None,
    state: WebhookState | None = None,
) -> WebhookView:
    """Change what is given. Raises: `AddressNotAllowed`, `WebhookNotFound`, `ChangedMeanwhile`."""
    row = await _row(session, tenant_id, webhook_id)
    if row.version != version:
        raise ChangedMeanwhile("webhook")
    if url is not None:
        tenant_endpoint(url)
        row.url = url
    if events is not None:
        row.events = sorted(events)
    if state is not None:
        row.state = state
    row.version += 1
    await session.flush()
    await _record(session, row, actor, AuditAction.WEBHOOK_CHANGE)
    return _view(row)


async def rotate(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    webhook_id: UUID,
    keep_previous_seconds: int,
    sealer: Sealer,
    actor: Actor,
) -> tuple[WebhookView, str]:
    """Give it a fresh secret; the one until now signs too for so many seconds. Gives the webhook with its secret.

    Without such seconds nothing that was known before signs any more, whoever knew it. Raises: `WebhookNotFound`,
    `SecretStillRotating`.
    """
    row, at = await _row(session, tenant_id, webhook_id), now()
    if keep_previous_seconds and row.previous_secret_expires_at and row.previous_signs(at):
        raise SecretStillRotating(row.previous_secret_expires_at)
    secret = new_secret()
    row.sealed_previous_secret = row.previous_secret_expires_at = None
    if keep_previous_seconds:
        # Else it is not opened: one whose seal is broken can be changed, too.
        before = sealer.open(secret_place(webhook_id), row.sealed_secret)
        row.sealed_previous_secret = sealer.seal(previous_secret_place(webhook_id), before)
        row.previous_secret_expires_at = at + timedelta(seconds=keep_previous_seconds)
    row.sealed_secret = sealer.seal(secret_place(webhook_id), secret.encode())
    row.version += 1
    await session.flush()
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.WEBHOOK_ROTATE,
        target_type="webhook",
        target_id=str(row.id),
        detail={"keep_previous_seconds": keep_previous_seconds},
    )
    return _view(row), secret


async def forget_previous_secrets(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> None:
    """Remove secrets that have expired; they have not signed since."""
    await session.execute(
        update(Webhook)
        .where(Webhook.tenant_id == tenant_id, Webhook.previous_secret_expires_at <= now)
        .values(sealed_previous_secret=None, previous_secret_expires_at=None)
    )


async def delete(session: AsyncSession, *, tenant_id: UUID, webhook_id: UUID, actor: Actor) -> None:
    """Delete a webhook with its deliveries. Raises: `WebhookNotFound`."""
    row = await _row(session, tenant_id, webhook_id)
    await session.delete(row)
    await session.flush()
    await _record(session, row, actor, AuditAction.WEBHOOK_DELETE)


async def find(session: AsyncSession, *, tenant_id: UUID, webhook_id: UUID) -> WebhookView:
    """One webhook. Raises: `WebhookNotFound`."""
    found = await session.get(Webhook, (tenant_id, webhook_id))
    if found is None:
        raise WebhookNotFound(webhook_id)
    return _view(found)


async def list_webhooks(session: AsyncSession, *, tenant_id: UUID) -> Sequence[WebhookView]:
    """All of the tenant's, oldest first."""
    rows = await session.scalars(select(Webhook).where(Webhook.tenant_id == tenant_id).order_by(Webhook.id))
    return [_view(row) for row in rows]


def secret_place(webhook_id: UUID) -> Place:
    """Where a webhook's sealed secret lives."""
    return Place("webhooks", webhook_id, "sealed_secret")


def previous_secret_place(webhook_id: UUID) -> Place:
    """Where the one before it lives."""
    return Place("webhooks", webhook_id, "sealed_previous_secret")


async def _row(session: AsyncSession, tenant_id: UUID, webhook_id: UUID) -> Webhook:
    """Locked, so that of two changes with the same version one is refused."""
    found = await session.get(Webhook, (tenant_id, webhook_id), with_for_update=True)
    if found is None:
        raise WebhookNotFound(webhook_id)
    return found


async def _record(session: AsyncSession, row: Webhook, actor: Actor, action: AuditAction) -> None:
    await record(
        session,
        tenant_id=row.tenant_id,
        actor=actor,
        action=action,
        target_type="webhook",
        target_id=str(row.id),
    )


def _view(row: Webhook) -> WebhookView:
    return WebhookView(
        id=row.id,
        url=row.url,
        events=tuple(map(NoticeKind, row.events)),
        state=WebhookState(row.state),
        version=row.version,
        created_at=row.created_at,
        previous_secret_expires_at=row.previous_secret_expires_at if row.previous_signs(now()) else None,
    )
