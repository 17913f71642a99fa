"""A job that waits: no lease, no slot, no attempt counted, until it is resumed or too late.

    running ──NeedsUser────────► waiting ──resume──► running        (resume.py)
            ──MoneyRefused─────►    ├──expires_at──► failed          `needs_user_expired`, `budget_expired`
                                    └──cancel──────► cancelled

For its member it waits until they have done what it asks for, for money until the budget's next period.

The step is blocked without predecessors, and so is every queued step of its job; steps that run go on.
`waiting_for` is {"code", "message", ...action}: what the member has to do, never a token or content.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.complete import end_steps
from app.jobs.errors import LeaseLost
from app.jobs.leases import ClaimedStep
from app.jobs.tables import Job, JobStep
from app.vocabulary import JobState, StepState

NEEDS_USER = "needs_user"
BUDGET = "budget"
_TOO_LATE = {
    NEEDS_USER: {
        "code": "needs_user_expired",
        "message": "The job waited for you to sign in or consent, and nobody did in time; send it again.",
    },
    BUDGET: {
        "code": "budget_expired",
        "message": "The job waited for money and its time is over; send it again when the budget allows it.",
    },
}


@dataclass(frozen=True)
class Waiting:
    """What a job waits for, and until when."""

    reason: str
    expires_at: datetime
    waiting_for: Mapping[str, Any]

    def body(self) -> dict[str, Any]:
        """The `waiting` event."""
        return {"reason": self.reason, "expires_at": self.expires_at.isoformat(), **self.waiting_for}


async def wait(
    session: AsyncSession, step: ClaimedStep, *, reason: str, waiting_for: Mapping[str, Any], seconds: float
) -> Waiting:
    """Put the step aside and let its job wait at most `seconds`; of several steps that ask the first counts.

    A job that has looked whether money without a new period is mended, and has to wait on, waits until it was said to.
    Raises: `LeaseLost`.
    """
    job = (
        await session.execute(
            select(Job)
            .where(Job.tenant_id == step.tenant_id, Job.id == step.job_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).scalar_one()
    await _put_aside(session, step)
    now = func.clock_timestamp()
    until: Any = now + text(f"interval '{seconds:.3f} seconds'")
    if reason == BUDGET and "resets_at" not in waiting_for:
        # Null counts for nothing here.
        until = func.least(Job.expires_at, until)
    if job.state == JobState.WAITING:
        values: dict[str, Any] = {"waiting_for": Job.waiting_for}
    else:
        values = {
            "state": JobState.WAITING,
            "waiting_reason": reason,
            "waiting_for": dict(waiting_for),
            "waiting_at": now,
            "expires_at": until,
        }
    row = (
        await session.execute(
            update(Job)
            .where(Job.tenant_id == step.tenant_id, Job.id == step.job_id)
            .values(values)
            .returning(Job.waiting_reason, Job.expires_at, Job.waiting_for)
            .execution_options(synchronize_session=False)
        )
    ).one()
    return Waiting(row.waiting_reason, row.expires_at, row.waiting_for or {})


async def _put_aside(session: AsyncSession, step: ClaimedStep) -> None:
    """Block the step, if it is still ours, and what is queued beside it."""
    mine = and_(JobStep.id == step.id, JobStep.state == StepState.RUNNING, JobStep.fencing == step.fencing)
    given_up = await session.execute(
        update(JobStep)
        .where(JobStep.tenant_id == step.tenant_id, mine)
        .values(attempt=JobStep.attempt - 1)
        .returning(JobStep.id)
        .execution_options(synchronize_session=False)
    )
    if given_up.scalar_one_or_none() is None:
        raise LeaseLost(f"step {step.id} is no longer held with fencing number {step.fencing}")
    await session.execute(
        update(JobStep)
        .where(
            JobStep.tenant_id == step.tenant_id,
            JobStep.job_id == step.job_id,
            or_(mine, JobStep.state == StepState.QUEUED),
        )
        .values(
            state=StepState.BLOCKED,
            remaining=0,
            lease_owner=None,
            lease_expires_at=None,
            reservation=None,
            hinted_at=None,
            hint_count=0,
        )
        .execution_options(synchronize_session=False)
    )


async def expire_waiting(session: AsyncSession, *, limit: int = 200) -> list[UUID]:
    """Fail jobs that have waited too long. System role; gives their ids."""
    expired = await session.execute(
        select(Job.tenant_id, Job.id, Job.waiting_reason)
        .where(Job.state == JobState.WAITING, Job.expires_at < func.clock_timestamp())
        .order_by(Job.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    rows = expired.all()
    for row in rows:
        await end_steps(session, row.tenant_id, row.id)
        await session.execute(
            update(Job)
            .where(Job.tenant_id == row.tenant_id, Job.id == row.id)
            .values(
                state=JobState.FAILED, error=_TOO_LATE[row.waiting_reason], finished_at=func.clock_timestamp()
            )
            .execution_options(synchronize_session=False)
        )
    return [row.id for row in rows]
