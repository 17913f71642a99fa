"""What is to be sent to webhooks: written with the notice, in one transaction; sent and settled afterwards.

    pending ──2xx──► delivered
       │ anything else: again after 10 s, 30 s, 90 s ... 6 h at most
       └── a day after it was written, 410 Gone, or its webhook is paused ──► failed

At least once: a receiver may get a message twice and knows it by `webhook-id`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id
from app.core.crypto import Sealed
from app.notices.tables import Delivery, Webhook
from app.vocabulary import DeliveryState, WebhookState

TEST_EVENT = "webhook.test"
LEASE_SECONDS = 120.0
"""So long nobody else sends what somebody has taken; longer than an attempt can last."""
_FIRST_SECONDS, _FACTOR, _LONGEST_SECONDS = 10.0, 3, 6 * 3600.0
_GIVE_UP = timedelta(days=1)
_KEPT_DAYS = 30
_GONE = 410


@dataclass(frozen=True)
class DeliveryView:
    """A message to a webhook, and how far it is."""

    id: UUID
    webhook_id: UUID
    event_type: str
    notice_id: UUID | None
    state: DeliveryState
    attempts: int
    last_status: int | None
    last_error: str | None
    next_attempt_at: datetime
    created_at: datetime
    finished_at: datetime | None


_VIEW = tuple(DeliveryView.__dataclass_fields__)


@dataclass(frozen=True)
class Message:
    """What an attempt needs; `url` of None: its webhook is paused."""

    id: UUID
    webhook_id: UUID
    url: str | None
    payload: Mapping[str, Any]
    sealed_secret: Sealed
    sealed_previous_secret: Sealed | None
    """The one before, until it expires."""
    created_at: datetime
    attempts: int


def retry_seconds(attempts: int) -> float:
    """How long to wait after so many attempts."""
    return float(min(_FIRST_SECONDS * _FACTOR ** (attempts - 1), _LONGEST_SECONDS))


async def post(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    event_type: str,
    data: Mapping[str, Any],
    created_at: datetime,
    notice_id: UUID | None = None,
) -> None:
    """Write a message for each active webhook of the tenant that wants events of this type."""
    wanting = select(Webhook).where(Webhook.tenant_id == tenant_id, Webhook.state == WebhookState.ACTIVE)
    for webhook in await session.scalars(wanting):
        if event_type in webhook.events:
            session.add(_delivery(webhook.tenant_id, webhook.id, event_type, data, created_at, notice_id))
    await session.flush()


async def post_test(
    session: AsyncSession, *, tenant_id: UUID, webhook_id: UUID, created_at: datetime
) -> DeliveryView:
    """Write a message that says nothing, for one webhook."""
    row = _delivery(tenant_id, webhook_id, TEST_EVENT, {"webhook_id": str(webhook_id)}, created_at, None)
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return _view(row)


def _delivery(
    tenant_id: UUID,
    webhook_id: UUID,
    event_type: str,
    data: Mapping[str, Any],
    created_at: datetime,
    notice_id: UUID | None,
) -> Delivery:
    payload = {"type": event_type, "timestamp": created_at.isoformat(), "data": dict(data)}
    return Delivery(
        tenant_id=tenant_id,
        id=new_id(),
        webhook_id=webhook_id,
        event_type=event_type,
        notice_id=notice_id,
        payload=payload,
    )


async def claim(session: AsyncSession, *, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Take what is due; gives tenants and ids. System role, across tenants."""
    due = (
        select(Delivery.tenant_id, Delivery.id)
        .where(Delivery.state == DeliveryState.PENDING, Delivery.next_attempt_at <= func.now())
        .order_by(Delivery.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    # Read first: as a subquery it might be planned again for each row, past its limit.
    keys = [tuple(row) for row in await session.execute(due)]
    if keys:
        await session.execute(
            update(Delivery)
            .where(tuple_(Delivery.tenant_id, Delivery.id).in_(keys))
            .values(
                attempts=Delivery.attempts + 1,
                next_attempt_at=func.now() + timedelta(seconds=LEASE_SECONDS),
            )
            .execution_options(synchronize_session=False)
        )
    return [(tenant_id, delivery_id) for tenant_id, delivery_id in keys]


async def message(
    session: AsyncSession, *, tenant_id: UUID, delivery_id: UUID, now: datetime
) -> Message | None:
    """What was taken; None if it has gone since."""
    found = (
        await session.execute(
            select(Delivery, Webhook)
            .join(Webhook, (Webhook.tenant_id == Delivery.tenant_id) & (Webhook.id == Delivery.webhook_id))
            .where(
                Delivery.tenant_id == tenant_id,
                Delivery.id == delivery_id,
                Delivery.state == DeliveryState.PENDING,
            )
        )
    ).one_or_none()
    if found is None:
        return None
    row, webhook = found
    # A paused webhook can be tried: that is how one sees whether it may go on.
    is_open = webhook.state == WebhookState.ACTIVE or row.event_type == TEST_EVENT
    return Message(
        row.id,
        webhook.id,
        webhook.url if is_open else None,
        row.payload,
        webhook.sealed_secret,
        webhook.sealed_previous_secret if webhook.previous_signs(now) else None,
        row.created_at,
        row.attempts,
    )


async def settle(
    session: AsyncSession,
    sent: Message,
    *,
    tenant_id: UUID,
    now: datetime,
    status: int | None,
    error: str | None,
) -> DeliveryState:
    """Write down how an attempt ended: `status` is the receiver's, `error` a word of ours if it gave none."""
    again_at = now + timedelta(seconds=retry_seconds(sent.attempts))
    if status is not None and 200 <= status < 300:
        state = DeliveryState.DELIVERED
    elif sent.url is None or status == _GONE or again_at > sent.created_at + _GIVE_UP:
        state = DeliveryState.FAILED
    else:
        state = DeliveryState.PENDING
    await session.execute(
        update(Delivery)
        .where(
            Delivery.tenant_id == tenant_id, Delivery.id == sent.id, Delivery.state == DeliveryState.PENDING
        )
        .values(
            state=state,
            last_status=status,
            last_error=error,
            next_attempt_at=again_at if state is DeliveryState.PENDING else Delivery.next_attempt_at,
            finished_at=None if state is DeliveryState.PENDING else now,
        )
    )
    if status == _GONE:
        # The receiver says that it is not there any more (Standard Webhooks, "HTTP status codes").
        await session.execute(
            update(Webhook)
            .where(Webhook.tenant_id == tenant_id, Webhook.id == sent.webhook_id)
            .values(state=WebhookState.PAUSED, version=Webhook.version + 1)
        )
    return state


async def page(
    session: AsyncSession, *, tenant_id: UUID, webhook_id: UUID, before: UUID | None, limit: int
) -> list[DeliveryView]:
    """A webhook's messages, newest first; finished ones of the last 30 days."""
    query = (
        select(Delivery)
        .where(Delivery.tenant_id == tenant_id, Delivery.webhook_id == webhook_id)
        .order_by(Delivery.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Delivery.id < before)
    return [_view(row) for row in await session.scalars(query)]


async def remove_old(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> None:
    """Forget messages that ended more than 30 days ago."""
    await session.execute(
        delete(Delivery).where(
            Delivery.tenant_id == tenant_id, Delivery.finished_at < now - timedelta(days=_KEPT_DAYS)
        )
    )


def _view(row: Delivery) -> DeliveryView:
    return DeliveryView(**{name: getattr(row, name) for name in _VIEW} | {"state": DeliveryState(row.state)})
