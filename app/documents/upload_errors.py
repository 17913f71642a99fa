"""What can go wrong with an upload session.

DocumentError
├── UploadSessionNotFound      404
├── InvalidRange               416   names the range that is expected next
├── ChecksumMismatch           422
└── TooManyUploadSessions      429
"""

from typing import Any
from uuid import UUID

from app.core.errors import AppError, ErrorDetail, NotFound, Throttled, Unprocessable
from app.documents.errors import READING_ERRORS, DocumentError


class UploadSessionNotFound(NotFound, DocumentError):
    """No such session for this caller, or it has expired."""

    code = "upload_session_not_found"
    title = "No such upload session"

    def __init__(self, session_id: UUID) -> None:
        super().__init__(
            f"There is no upload session {session_id} that you may use, or it has expired;"
            " create one with POST to upload_sessions.",
            target="session_id",
        )


class InvalidRange(DocumentError):
    """A part that does not follow what has arrived. `expected` is the range to send, "" if there is none."""

    status = 416
    code = "invalid_range"
    title = "Not the part that is expected"

    def __init__(self, message: str, *, expected: str) -> None:
        then = f"send the bytes {expected} next" if expected else "every byte has arrived"
        super().__init__(
            f"{message}; {then}.",
            target="Content-Range",
            details=[ErrorDetail("next_expected_range", expected, "Content-Range")] if expected else (),
        )


class ChecksumMismatch(Unprocessable, DocumentError):
    """What arrived is not what the client said it would send."""

    code = "checksum_mismatch"
    title = "The file did not arrive as it was sent"

    def __init__(
        self,
        message: str = "What arrived has another SHA-256 than was declared; create a session and send it again.",
    ) -> None:
        super().__init__(message, target="sha256")


class TooManyUploadSessions(Throttled, DocumentError):
    """The member has as many sessions open as it may."""

    code = "too_many_upload_sessions"
    title = "Too many upload sessions"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"You have {most} upload sessions open, the most there may be; finish or delete one.",
            retry_after_seconds=60,
        )


REFUSALS: dict[str, Any] = {**READING_ERRORS, ChecksumMismatch.code: ChecksumMismatch}
"""Errors that end a session for good, by code: how they are said again to whoever asks again."""


def refusal(code: str, message: str) -> AppError:
    """The error with which a session ended."""
    error: AppError = REFUSALS[code](message)
    return error
