"""What can go wrong in choosing a model and in configuring which there are, in words."""

from collections.abc import Sequence

from app.core.errors import (
    Conflict,
    ErrorDetail,
    Forbidden,
    NotFound,
    TemporarilyUnavailable,
    Unprocessable,
)


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


class ProviderNotFound(NotFound):
    """No such provider, or another tenant's."""

    code = "provider_not_found"

    def __init__(self) -> None:
        super().__init__("There is no provider with this id.")


class DeploymentNotFound(NotFound):
    """No such deployment, or another tenant's."""

    code = "deployment_not_found"

    def __init__(self) -> None:
        super().__init__("There is no deployment with this id.")


class PromptSetNotFound(NotFound):
    """No such prompt set, or another tenant's."""

    code = "prompt_set_not_found"

    def __init__(self) -> None:
        super().__init__("There is no prompt set with this id.")


class CredentialNotFound(NotFound):
    """The provider has no key."""

    code = "credential_not_found"

    def __init__(self) -> None:
        super().__init__("The provider has no credential.")


class PlatformOwned(Forbidden):
    """A tenant wanted to change what the platform offers to everybody."""

    code = "platform_owned"

    def __init__(self, what: str) -> None:
        super().__init__(f"This {what} is the platform's: use it as it is, or make one of your own.")


class NameTaken(Conflict):
    """Two rows of one kind would have the same name."""

    code = "name_taken"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"There is another {what} with this name; choose another one. What is archived keeps its name.",
            target="name",
        )


class Archived(Conflict):
    """What is archived is kept for history and no longer changed."""

    code = "archived"

    def __init__(self, what: str) -> None:
        super().__init__(f"This {what} is archived and changes no more; make a new one.")


class StillInUse(Conflict):
    """What others refer to is not archived."""

    code = "still_in_use"


class WrongConfiguration(Unprocessable):
    """What was asked to be configured cannot work; `details` says why."""

    code = "wrong_configuration"
    title = "This cannot be configured"

    def __init__(self, *details: ErrorDetail) -> None:
        super().__init__(
            " ".join(detail.message for detail in details), target=details[0].target, details=details
        )
