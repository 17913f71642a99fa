"""Tables of the notices room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.crypto import Sealed
from app.core.database import Base, TenantOwned
from app.vocabulary import DeliveryState, WebhookState


class Notice(TenantOwned, Base):
    """A warning that something of the tenant's, or of the platform's that it uses, ends or costs too much; written once.

    The subject is named, not referred to: the notice stays when the subject goes.
    """

    __tablename__ = "notices"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        UniqueConstraint("tenant_id", "kind", "subject_id", "ends_at", "threshold_days"),
    )

    kind: Mapped[str]
    subject_id: Mapped[UUID]
    subject_name: Mapped[str]
    owner: Mapped[str]
    """Whose the subject is: `platform` or `tenant`."""
    threshold_days: Mapped[int]
    """At most so many days were left when it was written; 0: the end had come, or it is about money."""
    ends_at: Mapped[datetime]
    """Of money: the end of the day, or of the budget's period."""
    pools: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """Those that it serves in, as they were then: `AffectedPool.as_json()`."""
    money: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """How many calls cost more than was reserved, the limit that was passed, what was spent; see overspending.py."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]


class Webhook(TenantOwned, Base):
    """Where a tenant's notices are sent."""

    __tablename__ = "webhooks"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint(
            "(sealed_previous_secret IS NULL) = (previous_secret_expires_at IS NULL)", name="previous_expires"
        ),
    )

    url: Mapped[str]
    events: Mapped[list[str]]
    """Kinds of notices."""
    state: Mapped[str] = mapped_column(default=WebhookState.ACTIVE)
    sealed_secret: Mapped[Sealed]
    sealed_previous_secret: Mapped[Sealed | None]
    """Signs too until it expires, so that receivers can change over without losing a message."""
    previous_secret_expires_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    def previous_signs(self, at: datetime) -> bool:
        """Whether the secret before the last change signs beside the newest one."""
        return self.previous_secret_expires_at is not None and self.previous_secret_expires_at > at


class Delivery(TenantOwned, Base):
    """A message to a webhook, and how far it is. Its id is the `webhook-id`. See outbox.py."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "webhook_id"], ["webhooks.tenant_id", "webhooks.id"], ondelete="CASCADE"
        ),
        Index(None, "tenant_id", "webhook_id"),
        Index("ix_webhook_deliveries_due", "next_attempt_at", postgresql_where="state = 'pending'"),
    )

    webhook_id: Mapped[UUID]
    event_type: Mapped[str]
    notice_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default=DeliveryState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
