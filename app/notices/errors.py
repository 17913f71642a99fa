"""What can go wrong with notices, in words."""

from uuid import UUID

from app.core.errors import NotFound


class NoticeNotFound(NotFound):
    """No such notice in this tenant."""

    code = "notice_not_found"
    title = "No such notice"

    def __init__(self, notice_id: UUID) -> None:
        super().__init__(f"There is no notice {notice_id}; list them with GET /portal/v1/notices.")
