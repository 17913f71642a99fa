"""How a step that did not return ends: again later, again as another attempt, or never. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.core.errors import AppError, TemporarilyUnavailable, Throttled
from app.jobs.errors import Discard, NeedsUser, Postpone
from app.jobs.states import backoff_seconds
from app.jobs.waiting import BUDGET, NEEDS_USER
from app.llm.errors import AllResting, CallFailed, Hop
from app.usage.errors import MoneyRefused

_PASSING_CODES = frozenset({"rate_limited", "unavailable", "timed_out", "bad_credential"})
"""Failures of vendors that may be over at the next attempt; any other would only be repeated."""
_INTERRUPTED = "interrupted"
"""Detail of an answer that broke off (`llm.errors.Interrupted`); one that was too long would be so again."""

_TO_BE_RESUMED_SECONDS = 86_400.0
_TO_BE_MENDED_SECONDS = 3 * 86_400.0
"""A weekend, for an administrator to bring prices and budgets into one currency."""
_AWAY_SECONDS = 5.0
"""When to ask again for what is away and does not say itself."""


@dataclass(frozen=True)
class Again:
    """Back to the queue. `counted` is False for what was not the step's fault."""

    seconds: float
    counted: bool
    code: str


@dataclass(frozen=True)
class Waits:
    """The job waits; `waiting_for` says for what. `seconds` is how long at most, None for as long as usual.

    `limits` are the hard limits of the budgets it waits for, as they were when the money was refused.
    """

    waiting_for: Mapping[str, Any]
    reason: str = NEEDS_USER
    seconds: float | None = None
    limits: Mapping[UUID, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Never:
    """The step is dead; `error` is shown to the member."""

    error: Mapping[str, Any]
    is_bug: bool = False


def ending(error: Exception, *, attempt: int, max_attempts: int, jitter: float) -> Again | Waits | Never:
    """What follows from an exception; `attempt` counts from 1, `jitter` is in [0, 1)."""
    match error:
        case NeedsUser():
            return Waits({"code": error.code, "message": error.message, **error.action})
        case MoneyRefused():
            return _waits_for_money(error)
        case Postpone() | AllResting() | TemporarilyUnavailable() | Throttled():
            return _later(error)
        case Discard() | AppError():
            return Never(_shown(error))
    return _failed(error, attempt=attempt, max_attempts=max_attempts, jitter=jitter)


def _waits_for_money(error: MoneyRefused) -> Waits:
    """Until the next period begins, or somebody raises the budget; in another currency until somebody mends that."""
    waiting_for = {"code": error.code, "message": error.message}
    if error.resets_at is None:
        return Waits(waiting_for, BUDGET, _TO_BE_MENDED_SECONDS, error.limits)
    waiting_for["resets_at"] = error.resets_at.isoformat()
    seconds = (error.retry_after_seconds or 0.0) + _TO_BE_RESUMED_SECONDS
    return Waits(waiting_for, BUDGET, seconds, error.limits)


def _later(error: Postpone | AllResting | TemporarilyUnavailable | Throttled) -> Again:
    """Not the step's fault: no attempt is counted."""
    match error:
        case Postpone():
            return Again(error.seconds, counted=False, code="postponed")
        case AllResting():
            return Again(error.retry_after_seconds, counted=False, code="all_resting")
    return Again(error.retry_after_seconds or _AWAY_SECONDS, counted=False, code=error.code)


def may_pass(error: CallFailed) -> bool:
    """Whether another attempt may end otherwise."""
    return any(map(_may_pass, error.hops))


def _failed(error: Exception, *, attempt: int, max_attempts: int, jitter: float) -> Again | Never:
    passing = not isinstance(error, CallFailed) or may_pass(error)
    code = error.code if isinstance(error, CallFailed) else type(error).__name__
    if passing and attempt < max_attempts:
        return Again(backoff_seconds(attempt, jitter), counted=True, code=code)
    if isinstance(error, CallFailed):
        return Never(failure_of(error))
    message = "Something went wrong on our side; send the job again or ask your operator."
    return Never({"code": "internal_error", "message": message}, is_bug=True)


def failure_of(error: CallFailed) -> dict[str, Any]:
    """What a member is told; `details` name the checks that refused the answers, by a code without content."""
    shown: dict[str, Any] = {"code": error.code, "message": error.message}
    details = [{"code": hop.check, "message": str(hop)} for hop in error.hops if hop.check is not None]
    return {**shown, "details": details} if details else shown


def _may_pass(hop: Hop) -> bool:
    return hop.error_code in _PASSING_CODES or hop.detail == _INTERRUPTED


def _shown(error: Discard | AppError) -> dict[str, Any]:
    shown: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(error, AppError) and error.details:
        shown["details"] = [{"code": one.code, "message": one.message} for one in error.details]
    return shown
