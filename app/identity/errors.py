"""Why a caller is not let in. Whatever is wrong with a token, the caller learns only that it is not valid."""

from app.core.errors import Forbidden, TemporarilyUnavailable, Unauthenticated


class InvalidToken(Unauthenticated):
    """Missing, malformed, expired, forged, or meant for someone else: one answer for all."""

    code = "invalid_token"
    title = "Sign in"

    def __init__(self, reason: str = "missing") -> None:
        super().__init__(
            "The access token is missing or not valid here; sign in again and send a new one"
            " as `Authorization: Bearer`."
        )
        self.reason = reason
        """For logs: a rule's name, never a part of the token."""


class TenantNotOnboarded(Forbidden):
    """A real token of a tenant that is not an active customer."""

    code = "tenant_not_onboarded"
    title = "Your organisation has not set this up"

    def __init__(self) -> None:
        super().__init__(
            "Your organisation does not use Switchboard, or its use is suspended; ask your administrator."
        )


class MemberBlocked(Forbidden):
    """The member's row says no."""

    code = "member_blocked"
    title = "You are blocked"

    def __init__(self) -> None:
        super().__init__("Your organisation has blocked your use of Switchboard; ask your administrator.")


class GuestRefused(Forbidden):
    """A guest of a tenant that lets none in."""

    code = "guest_refused"
    title = "Guests are not let in"

    def __init__(self) -> None:
        super().__init__("Your organisation does not let guests use Switchboard; ask its administrator.")


class ScopeMissing(Forbidden):
    """A valid token without the scope of this address."""

    code = "scope_missing"
    title = "The token does not allow this"

    def __init__(self, scope: str) -> None:
        super().__init__(f"The token lacks the scope {scope}; ask for it when you sign in.", target="scope")


class KeysUnavailable(TemporarilyUnavailable):
    """The issuer's keys cannot be fetched: we cannot say whether a token is good."""

    code = "identity_unavailable"
    title = "We cannot check who you are just now"

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(
            "We cannot reach Microsoft Entra to check your token; try again shortly.",
            retry_after_seconds=retry_after_seconds,
        )
