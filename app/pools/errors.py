"""What can go wrong in choosing a model, in words."""

from collections.abc import Sequence

from app.core.errors import ErrorDetail, TemporarilyUnavailable, Unprocessable


class NoRoute(Unprocessable):
    """No pool serves this kind of work for this tenant."""

    code = "no_route"
    title = "No model is set up for this"


class NoEligibleMember(Unprocessable):
    """Every member of the pool is excluded; `details` names each with its reason.

    `retry_after_seconds` is set when some are only resting, so that waiting helps.
    """

    code = "no_eligible_member"
    title = "No model may do this"

    def __init__(
        self, message: str, *, details: Sequence[ErrorDetail], retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, details=details, retry_after_seconds=retry_after_seconds)


class UnknownRevision(Unprocessable):
    """The pinned revision of a pool is gone."""

    code = "unknown_pool_revision"
    title = "The chosen models are gone"


class CredentialUnavailable(TemporarilyUnavailable):
    """A provider's key cannot be had: the variable is not set, or the sealed key does not open."""

    code = "credential_unavailable"
    title = "A provider's key is not usable"
