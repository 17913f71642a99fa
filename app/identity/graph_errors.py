"""What can go wrong between us, Entra and Microsoft Graph, as the add-in is told.

Unauthenticated 401 ── ClaimsChallenge (errors.py) · InteractionRequired
Forbidden 403 ── ConsentRequired · NoPersonBehind
NotFound 404 ── DriveItemNotFound · GraphSessionNotFound
Conflict 409 ── DriveItemChanged · TooManyGraphSessions
Unprocessable 422 ── DriveItemNotAFile · GraphSessionTooShort          TooLarge 413 ── DriveItemTooLarge
Throttled 429 ── GraphThrottled          TemporarilyUnavailable 503 ── GraphUnavailable
"""

from uuid import UUID

from app.core.errors import (
    Conflict,
    ErrorDetail,
    Forbidden,
    NotFound,
    TemporarilyUnavailable,
    Throttled,
    TooLarge,
    Unauthenticated,
    Unprocessable,
)


class InteractionRequired(Unauthenticated):
    """Entra wants to see the person; a token that is newer is what helps."""

    code = "interaction_required"
    title = "Sign in again"

    def __init__(self) -> None:
        super().__init__(
            "Microsoft Entra wants you to sign in again before we may read your file; get a new token with a"
            " sign-in that shows a window, and send the request again."
        )


class ConsentRequired(Forbidden):
    """Nobody has agreed that we read this person's files."""

    code = "consent_required"
    title = "Consent is needed"

    def __init__(self, *, scope: str, admin_consent_url: str) -> None:
        super().__init__(
            "You or your administrator must first agree that Switchboard reads your files; `details` has the"
            " scope to ask consent for, and the address where an administrator can agree for everybody.",
            details=[
                ErrorDetail("consent_scope", scope),
                ErrorDetail("admin_consent_url", admin_consent_url),
            ],
        )
        self.scope = scope
        self.admin_consent_url = admin_consent_url


class NoPersonBehind(Forbidden):
    """A program that acts for itself has no files of its own."""

    code = "no_person_behind"
    title = "Only for people"

    def __init__(self) -> None:
        super().__init__(
            "Files in Microsoft 365 are read on behalf of a person; upload the content instead.",
            target="input.drive_items",
        )


class DriveItemNotFound(NotFound):
    """Graph shows this person no such file. `reason` is `missing` or `denied`, as Graph says."""

    code = "drive_item_not_found"
    title = "No such file"

    def __init__(self, reason: str) -> None:
        said = "does not let you read it" if reason == "denied" else "has no such file for you"
        super().__init__(
            f"Microsoft Graph {said}; check the drive and item, or ask its owner to share it.",
            target="item_id",
            inner_code=f"drive_item_{reason}",
        )


class DriveItemNotAFile(Unprocessable):
    """A folder, a notebook: nothing with content of its own."""

    code = "drive_item_not_a_file"
    title = "Not a file"

    def __init__(self) -> None:
        super().__init__("The item is a folder or has no content; name a file.", target="item_id")


class DriveItemChanged(Conflict):
    """The file is not the version that the caller has seen."""

    code = "drive_item_changed"
    title = "The file has changed"

    def __init__(self) -> None:
        super().__init__(
            "The file has changed since you saw it; save it, read its eTag again and send that, or leave the"
            " eTag out to take the file as it is.",
            target="etag",
        )


class DriveItemTooLarge(TooLarge):
    """More bytes than a document may have; none of them was fetched."""

    code = "file_too_large"
    title = "The file is too large"

    def __init__(self, most_bytes: int) -> None:
        super().__init__(
            f"The file has more than {most_bytes // 2**20} MB; split it or send the part you need.",
            target="item_id",
        )


class DriveFolderTooLarge(TooLarge):
    """More files, or folders in it, than are taken at once."""

    code = "drive_folder_too_large"
    title = "Too many files in the folder"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"The folder has more than {most} files, or too many folders in it; name a part of it.",
            target="input.folder",
        )


class GraphThrottled(Throttled):
    """Graph asks to come back later."""

    code = "graph_throttled"
    title = "Microsoft Graph is busy"

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(
            "Microsoft Graph has too many requests from your organisation; try again later.",
            retry_after_seconds=retry_after_seconds,
        )


class GraphUnavailable(TemporarilyUnavailable):
    """Graph or Entra gives no answer that helps. `reason` is a kind of error, for logs."""

    code = "graph_unavailable"
    title = "Microsoft 365 cannot be reached"

    def __init__(self, reason: str, *, retry_after_seconds: float = 5.0) -> None:
        super().__init__(
            "We cannot read your file from Microsoft 365 just now; try again shortly, or upload it.",
            retry_after_seconds=retry_after_seconds,
        )
        self.reason = reason


class GraphSessionNotFound(NotFound):
    """No such session for this caller: never there, revoked, or over."""

    code = "graph_session_not_found"
    title = "No such session"

    def __init__(self, session_id: UUID) -> None:
        super().__init__(
            f"There is no session {session_id} that you may use; it may be over or revoked. Start one with"
            " POST /addin/v1/graph-sessions.",
            target="graph_session",
        )


class GraphSessionTooShort(Unprocessable):
    """The session is over before the job may start."""

    code = "graph_session_too_short"
    title = "The session ends too early"

    def __init__(self) -> None:
        super().__init__(
            "The session ends before `start_at`; start a longer one with POST /addin/v1/graph-sessions.",
            target="start_at",
        )


class TooManyGraphSessions(Conflict):
    """A member has as many sessions as they may."""

    code = "too_many_graph_sessions"
    title = "Too many sessions"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} sessions, the most you may; revoke one first.")
