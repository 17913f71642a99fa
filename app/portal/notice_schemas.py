"""Notices and webhooks in JSON."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.portal.schemas import Closed
from app.vocabulary import DeliveryState, NoticeKind, WebhookState


class AffectedPoolResource(BaseModel):
    """A pool in which something that ends serves, as it was when the notice was written."""

    name: str
    task_type: str
    becomes_empty: bool
    """From the end on nobody may serve any more (in one of the languages that are served now)."""
    members_left: int


class OverspentResource(BaseModel):
    """Money past its limit, as it was when the notice was written; in micros of the currency."""

    calls: int
    """So many calls cost more than was reserved for them."""
    limit_micros: int
    """What was reserved for them; of a budget its hard limit."""
    cost_micros: int
    """What they cost; of a budget what it has spent in the period."""
    currency: str


class NoticeResource(BaseModel):
    """An end that is announced or has come, or money that went past its limit."""

    id: UUID
    kind: NoticeKind
    subject_id: UUID
    """The deployment; of a contract the provider, of `budget.exceeded` the budget."""
    subject_name: str
    owner: Literal["platform", "tenant"]
    threshold_days: int
    """At most so many days were left when it was written: 90, 30, 7; 0 when the end had come, and of money."""
    ends_at: datetime
    """Of money the end of the day in UTC, or of the budget's period."""
    pools: list[AffectedPoolResource]
    money: OverspentResource | None
    created_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None


Url = Annotated[
    str,
    Field(
        max_length=2048,
        description="https, on the public internet. It is shown to administrators and auditors: put no secret in it.",
    ),
]
Events = Annotated[list[NoticeKind], Field(min_length=1, max_length=20)]


class NewWebhook(Closed):
    """Where to send which notices."""

    url: Url
    events: Events


class ChangeWebhook(Closed):
    """What shall be different; what is left out stays."""

    url: Url | None = None
    events: Events | None = None
    state: WebhookState | None = None


class RotateSecret(Closed):
    """How receivers change over to a fresh secret."""

    keep_previous_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=7 * 86_400,
            description="So long messages are signed with both secrets. 0 ends the old one at once: do so when somebody else knows it.",
        ),
    ] = 86_400


class WebhookResource(BaseModel):
    """Where notices are sent; the ETag of the answer goes into `If-Match` of a change."""

    id: UUID
    url: str
    events: list[NoticeKind]
    state: WebhookState
    created_at: datetime
    previous_secret_expires_at: datetime | None
    """Until then messages are signed with the secret before the last change too; null where only one signs."""


class WebhookWithSecret(WebhookResource):
    """A webhook that was just made, or just given another secret."""

    secret: str
    """Signs what is sent, as Standard Webhooks says; shown this once."""


class DeliveryResource(BaseModel):
    """A message to a webhook; its id is the `webhook-id` that the receiver sees."""

    id: UUID
    webhook_id: UUID
    event_type: str
    notice_id: UUID | None
    state: DeliveryState
    attempts: int
    last_status: int | None
    """The receiver's; null where it gave none."""
    last_error: str | None
    next_attempt_at: datetime
    created_at: datetime
    finished_at: datetime | None
