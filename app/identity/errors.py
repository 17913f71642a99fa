"""Why a caller is not let in. Whatever is wrong with a token, the caller learns only that it is not valid."""

from app.core.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    TemporarilyUnavailable,
    Unauthenticated,
)


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

    def __init__(self, *, suspended: bool = False) -> None:
        super().__init__(
            "Your organisation's use of Switchboard is suspended; your administrator asks whoever operates it."
            if suspended
            else "Your organisation is not set up here: an administrator of your directory signs in at /portal/ of"
            " this service and brings it in."
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


class CredentialUnavailable(TemporarilyUnavailable):
    """We cannot prove to Entra who we are: a file or a service of our own is missing. The log says which."""

    code = "identity_unavailable"
    title = "We cannot reach Microsoft Entra just now"

    def __init__(self) -> None:
        super().__init__(
            "We cannot reach Microsoft Entra as ourselves just now; try again shortly.",
            retry_after_seconds=30,
        )


class EntraUnavailable(TemporarilyUnavailable):
    """Entra does not answer, or does not know us just now."""

    code = "identity_unavailable"
    title = "We cannot reach Microsoft Entra just now"

    def __init__(self) -> None:
        super().__init__(
            "We cannot reach Microsoft Entra just now; try again shortly.", retry_after_seconds=5
        )


class SessionRequired(Unauthenticated):
    """No session, or one that is over: idle, too old, signed out, ended by an administrator or by Entra."""

    code = "session_required"
    title = "Sign in"

    def __init__(self) -> None:
        super().__init__("You are not signed in at the portal, or no longer; open /portal/v1/sign-in.")


class CrossSite(Forbidden):
    """A change that another site may have asked the browser for."""

    code = "cross_site"
    title = "Not from the portal"

    def __init__(self) -> None:
        super().__init__(
            "Changes come from the portal's own pages only: send them from the same origin, with the header"
            " X-Switchboard-Portal: 1."
        )


class SignInRefused(BadRequest):
    """What came back from the sign-in page is not the answer we wait for. Says no more, on purpose."""

    code = "sign_in_refused"
    title = "Sign in again"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "This sign-in cannot be used: it was cancelled, used before, took too long, or began in another"
            " browser. Open /portal/v1/sign-in to begin anew."
        )
        self.reason = reason
        """For logs: a rule's name or Entra's code, never a part of the answer."""


class RoleMissing(Forbidden):
    """Somebody who may be here, but not do this."""

    code = "role_missing"
    title = "Another role is needed"

    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"This needs the role {wanted}, assigned in Microsoft Entra and given in the portal;"
            " ask an administrator of your organisation.",
            target="roles",
        )


class PortalNotConfigured(NotFound):
    """This service has no portal registration."""

    code = "portal_not_configured"
    title = "No portal here"

    def __init__(self) -> None:
        super().__init__(
            "The portal is not configured: its operator sets SWITCHBOARD_PORTAL_CLIENT_ID,"
            " SWITCHBOARD_PORTAL_URL and a credential."
        )


class PermissionMissing(Forbidden):
    """A believed token of a program without the application role of this address."""

    code = "permission_missing"
    title = "The program lacks a permission"

    def __init__(self, permission: str) -> None:
        super().__init__(
            f"The program's token lacks the application role {permission};"
            " ask an administrator to grant it and to consent.",
            target="roles",
        )


class ProgramNotRegistered(Forbidden):
    """A real token of a program that its tenant has not registered here, or has revoked."""

    code = "program_not_registered"
    title = "The program is not registered"

    def __init__(self) -> None:
        super().__init__(
            "Your organisation has not registered this program with Switchboard, or has revoked it;"
            " ask its administrator."
        )


class ClaimsChallenge(Unauthenticated):
    """Entra wants more of the person (sign in again, a second factor) before it gives a token.

    `claims` is what Entra asked for, as JSON or as the base64 of it; it goes back in `WWW-Authenticate`.
    """

    code = "insufficient_claims"
    title = "Sign in again"

    def __init__(self, claims: str) -> None:
        super().__init__(
            "Your organisation asks for a further step of signing in; ask for a new token with the claims"
            " in the WWW-Authenticate header and send the request again."
        )
        self.claims = claims


class NotAnAdministrator(Forbidden):
    """Somebody who may not consent for the whole directory."""

    code = "not_an_administrator"
    title = "An administrator is needed"

    def __init__(self) -> None:
        super().__init__(
            "Only an administrator who may consent for the whole directory can bring it in: a Global,"
            " Privileged Role, Application or Cloud Application Administrator. Sign in again as one."
        )


class NotInvited(Forbidden):
    """Strangers do not bring in their own directory here."""

    code = "not_invited"
    title = "Not invited"

    def __init__(self) -> None:
        super().__init__(
            "Your organisation is not invited yet; ask the operator of this service to invite your directory."
        )


class AlreadyOnboarded(Conflict):
    """The directory is an active customer; nothing is left to do."""

    code = "already_onboarded"
    title = "Already set up"

    def __init__(self) -> None:
        super().__init__("Your organisation uses Switchboard already; sign in, or ask its TenantAdmin.")


class OnboardingRefused(BadRequest):
    """An answer from the consent page that is not the one we wait for. Says no more, on purpose."""

    code = "onboarding_refused"
    title = "Start again"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "This consent cannot be used: it was declined, used before, or began somewhere else."
            " Sign in and start again with POST /portal/v1/onboarding."
        )
        self.reason = reason
        """For logs: a rule's name, never a part of the request."""


class ConsentNotProven(Conflict):
    """Entra gives no token that only the consent of the whole directory makes possible."""

    code = "consent_not_proven"
    title = "Consent is not there yet"

    def __init__(self) -> None:
        super().__init__(
            "Microsoft Entra does not show the consent of your whole directory, which can take a minute to"
            " spread; start again with POST /portal/v1/onboarding and consent for your organisation.",
            retry_after_seconds=60,
        )
