"""The root of every expected error. Rooms derive theirs in their own errors.py; doors render them.

AppError
├── BadRequest 400 ── Unprocessable 422 ── TooLarge 413
├── Unauthenticated 401 · Forbidden 403 · NotFound 404 · Conflict 409 · ChangedMeanwhile 412
└── Throttled 429 · TemporarilyUnavailable 503   (carry Retry-After)
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ErrorDetail:
    """One of several things that are wrong with a request."""

    code: str
    message: str
    target: str | None = None


class AppError(Exception):
    """An error we expected. `message` says what is wrong and what to do about it."""

    status = 500
    code = "internal_error"
    title = "Something went wrong"

    def __init__(
        self,
        message: str,
        *,
        target: str | None = None,
        details: Sequence[ErrorDetail] = (),
        inner_code: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.target = target
        self.details = tuple(details)
        self.inner_code = inner_code
        self.retry_after_seconds = retry_after_seconds


class BadRequest(AppError):
    """The request cannot be understood."""

    status = 400
    code = "bad_request"
    title = "Bad request"


class Unprocessable(AppError):
    """The request is understood and something in it is wrong."""

    status = 422
    code = "unprocessable"
    title = "The request holds something wrong"


class TooLarge(AppError):
    """More bytes than we take."""

    status = 413
    code = "too_large"
    title = "Too large"


class Unauthenticated(AppError):
    """The caller has not proven who it is."""

    status = 401
    code = "unauthenticated"
    title = "Sign in"


class Forbidden(AppError):
    """The caller is known and may not do this."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class NotFound(AppError):
    """No such thing, or another tenant's or member's."""

    status = 404
    code = "not_found"
    title = "Not found"


class Conflict(AppError):
    """The thing is not in a state that allows this."""

    status = 409
    code = "conflict"
    title = "Conflict"


class ChangedMeanwhile(AppError):
    """Somebody changed the thing since the version that the request names."""

    status = 412
    code = "changed_meanwhile"
    title = "Changed meanwhile"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"Somebody has changed the {what} since you looked; look again and repeat your change with the new ETag"
            " as `If-Match`.",
            target="If-Match",
        )


class Throttled(AppError):
    """Too much at once; `retry_after_seconds` says when to come back."""

    status = 429
    code = "throttled"
    title = "Too many requests"


class TemporarilyUnavailable(AppError):
    """Something we depend on is away; `retry_after_seconds` says when to come back."""

    status = 503
    code = "temporarily_unavailable"
    title = "Temporarily unavailable"


class SeedError(Exception):
    """The configuration file is wrong; the message names the file, the place in it and the way out."""
