"""What can go wrong with a model call, one tree for every vendor.

ProviderError                     try_next  rest
├── RateLimited                   yes       30 s, or the vendor's Retry-After
├── Unavailable                   yes       15 s
├── TimedOut                      yes       15 s
├── BadCredential                 yes       300 s
├── ContextTooLong                yes       -
├── ContentFiltered               yes       -
├── BadRequest                    yes       -
├── Truncated                     yes       -
│   └── Interrupted               yes       -      (may be whole the next time)
└── InvalidOutput                 yes       -      (raised by checks, not by a vendor)

The call loop decides from `try_next` and `rest_seconds` only. What it raises itself is no ProviderError:
`AllResting` (come back later, nobody's fault) and `CallFailed` (every member that may was asked).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.llm.types import TokenUsage
from app.vocabulary import CallOutcome


class ProviderError(Exception):
    """A failed attempt. The message is safe to show: never prompt, document or key."""

    code: ClassVar[str] = "provider_error"
    try_next: ClassVar[bool] = True
    rest_seconds: ClassVar[float] = 0.0
    may_cost: bool = False
    """Whether a vendor may charge for it without telling us the tokens."""

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        status: int | None = None,
        usage: TokenUsage | None = None,
        may_cost: bool | None = None,
    ) -> None:
        super().__init__(message)
        if may_cost is not None:
            self.may_cost = may_cost
        self.message = message
        self.retry_after_seconds = retry_after_seconds
        self.status = status
        self.usage = usage

    @property
    def detail(self) -> str | None:
        """What exactly, where the code is broad."""
        return None


class RateLimited(ProviderError):
    """The vendor asked us to come back later."""

    code = "rate_limited"
    rest_seconds = 30.0


class Unavailable(ProviderError):
    """No answer, or a 5xx."""

    code = "unavailable"
    rest_seconds = 15.0


class TimedOut(ProviderError):
    """Too slow to connect, to begin or to end."""

    code = "timed_out"
    rest_seconds = 15.0
    may_cost = True


class BadCredential(ProviderError):
    """The vendor refused our key."""

    code = "bad_credential"
    rest_seconds = 300.0


class ContextTooLong(ProviderError):
    """The input does not fit the model."""

    code = "context_too_long"


class ContentFiltered(ProviderError):
    """The vendor refused the content."""

    code = "content_filtered"


class BadRequest(ProviderError):
    """The vendor did not accept the request's form."""

    code = "bad_request"


class Truncated(ProviderError):
    """The answer ended before it was finished."""

    code = "truncated"
    may_cost = True


class Interrupted(Truncated):
    """It ended where nobody meant it to: the next attempt may well be whole, which a length limit's is not."""

    @property
    def detail(self) -> str:
        """Tells it from an answer that was too long."""
        return "interrupted"


class InvalidOutput(ProviderError):
    """The answer did not pass the checks before delivery."""

    code = "invalid_output"

    @property
    def detail(self) -> str | None:
        """Which check it was: the code that its message begins with."""
        found = self.message.partition(":")[0]
        return found if found.isidentifier() else None

    @property
    def explained(self) -> str:
        """The check and what it found, as a sentence."""
        check, _, found = self.message.partition(": ")
        return f"The last one was refused because {found} ({check})."


@dataclass(frozen=True)
class Hop:
    """One attempt of a call, in the order they were made."""

    deployment: str
    outcome: CallOutcome
    error_code: str | None = None
    detail: str | None = None

    @property
    def check(self) -> str | None:
        """The check that refused the answer."""
        return self.detail if self.error_code == InvalidOutput.code else None

    def __str__(self) -> str:
        """Who failed, and of what."""
        return f"{self.deployment}: {self.error_code}{f', {self.check}' if self.check else ''}"


class AllResting(Exception):
    """Every member that may do this is at its limit or rests; come back after `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"all members are busy or resting for {retry_after_seconds:.1f} seconds")
        self.retry_after_seconds = retry_after_seconds


class CallFailed(Exception):
    """All that may be asked was asked. `code` is the last attempt's; `hops` tells of each."""

    def __init__(self, message: str, *, code: str, hops: Sequence[Hop]) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hops = tuple(hops)
