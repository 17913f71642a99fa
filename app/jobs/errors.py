"""What can go wrong with jobs, and the exceptions by which a handler ends a step.

StepEnded
├── Discard     never again: the step is dead
├── Postpone    later, not counted as an attempt
└── NeedsUser   the job waits until its member has signed in or consented
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.core.errors import Conflict, NotFound, Throttled


class JobNotFound(NotFound):
    """No such job for this caller."""

    code = "job_not_found"
    title = "No such job"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"There is no job {job_id} that you may see; list yours with GET /addin/v1/jobs.")


class BatchNotFound(NotFound):
    """No such batch for this caller."""

    code = "batch_not_found"
    title = "No such batch"

    def __init__(self, batch_id: UUID) -> None:
        super().__init__(
            f"There is no batch {batch_id} that you may see; list yours with GET /addin/v1/batches."
        )


class TooManyBatches(Throttled):
    """A member has as many batches under way as they may."""

    code = "too_many_batches"
    title = "Too many batches"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"You have {most} batches under way, the most you may; wait until one has ended, or cancel one.",
            retry_after_seconds=60,
        )


class BatchScheduleNotFound(NotFound):
    """No such schedule for this caller."""

    code = "batch_schedule_not_found"
    title = "No such schedule"

    def __init__(self, schedule_id: UUID) -> None:
        super().__init__(
            f"There is no schedule {schedule_id} that you may see; list yours with GET /addin/v1/batch-schedules."
        )


class TooManyBatchSchedules(Conflict):
    """A member has as many schedules as they may."""

    code = "too_many_batch_schedules"
    title = "Too many schedules"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} schedules, the most you may; delete one first.")


class JobFileNotFound(NotFound):
    """The job has made no file."""

    code = "job_file_not_found"
    title = "No file"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(
            f"Job {job_id} has made no file; jobs do so that end well and were sent with `output: file`."
        )


class IdempotencyKeyReused(Conflict):
    """The same Idempotency-Key with another body."""

    code = "idempotency_key_reused"
    title = "Idempotency-Key already used"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for a different request; send a new key for new work.",
            target="Idempotency-Key",
        )


class TooManyJobs(Throttled):
    """The tenant's queue is full."""

    code = "too_many_jobs"
    title = "The queue is full"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Your organisation has {limit} jobs waiting, the most it may; try again when some have finished.",
            retry_after_seconds=15,
        )


class LeaseLost(Exception):
    """Another holder may have this step now: stop, and write nothing more to it."""


class StepEnded(Exception):
    """A handler's way to end a step other than by returning or failing."""


class Discard(StepEnded):
    """Retrying cannot help. `code` and `message` are shown to the user."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Postpone(StepEnded):
    """Not now; again after `seconds`, without counting an attempt."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason


class NeedsUser(StepEnded):
    """Only the member can help. `code` says how, `action` what a program needs for it; neither is secret."""

    def __init__(self, code: str, message: str, *, action: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.action = dict(action or {})


class JobNotWaiting(Conflict):
    """Nothing to resume."""

    code = "job_not_waiting"
    title = "The job does not wait"

    def __init__(self, state: str) -> None:
        super().__init__(f"The job is {state} and does not wait for you; look at it with GET.")


class JobNotFinished(Conflict):
    """What was asked is for jobs that have ended."""

    code = "job_not_finished"
    title = "The job has not ended"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(
            f"Job {job_id} has not ended; wait for it, or stop it with POST /addin/v1/jobs/{job_id}/cancel."
        )


class FeedbackNotFound(NotFound):
    """The caller has said nothing of this job."""

    code = "feedback_not_found"
    title = "No feedback"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"You have given no feedback on job {job_id}; give it with PUT at this address.")
