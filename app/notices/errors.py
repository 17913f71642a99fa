"""What can go wrong with notices, in words."""

from datetime import datetime
from uuid import UUID

from app.core.errors import Conflict, ErrorDetail, NotFound


class NoticeNotFound(NotFound):
    """No such notice in this tenant."""

    code = "notice_not_found"
    title = "No such notice"

    def __init__(self, notice_id: UUID) -> None:
        super().__init__(f"There is no notice {notice_id}; list them with GET /portal/v1/notices.")


class WebhookNotFound(NotFound):
    """No such webhook in this tenant."""

    code = "webhook_not_found"
    title = "No such webhook"

    def __init__(self, webhook_id: UUID) -> None:
        super().__init__(f"There is no webhook {webhook_id}; list them with GET /portal/v1/webhooks.")


class TooManyWebhooks(Conflict):
    """The tenant has as many webhooks as one may have."""

    code = "too_many_webhooks"
    title = "Too many webhooks"

    def __init__(self, most: int) -> None:
        super().__init__(f"A tenant has at most {most} webhooks; delete one that is not needed any more.")


class SecretStillRotating(Conflict):
    """The secret before still signs: a third one would cut off receivers that have not changed over."""

    code = "secret_still_rotating"
    title = "The last change of secrets is not over"

    def __init__(self, expires_at: datetime) -> None:
        super().__init__(
            f"The secret before signs until {expires_at:%Y-%m-%d %H:%M} UTC, and at most two sign at once. Wait until"
            " then, or end both now with `keep_previous_seconds` 0.",
            target="keep_previous_seconds",
            details=[ErrorDetail("previous_secret_expires_at", expires_at.isoformat())],
        )
