"""Waking a batch when one of its jobs has ended. Missing it costs seconds: the batch looks by itself, too."""

from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.tables import JobStep
from app.vocabulary import StepKind, StepState

_GATHER_SECONDS = 0.05
"""Ends that come within so short a time are looked at together."""


async def wake_batch(session: AsyncSession, tenant_id: UUID, batch_id: UUID | None) -> None:
    """Let a batch look soon at what has ended; nothing for a job of no batch, or while the batch is being worked on.

    A row that somebody holds is passed over: whoever ends a job must not wait for a batch that waits for the job.
    """
    if batch_id is None:
        return
    resting = (
        select(JobStep.id)
        .where(
            JobStep.tenant_id == tenant_id,
            JobStep.job_id == batch_id,
            JobStep.kind == StepKind.BATCH,
            JobStep.state == StepState.QUEUED,
        )
        .with_for_update(skip_locked=True, key_share=True)
    )
    soon = func.clock_timestamp() + text(f"interval '{_GATHER_SECONDS} seconds'")
    await session.execute(
        update(JobStep)
        .where(JobStep.tenant_id == tenant_id, JobStep.id.in_(resting))
        .values(run_after=func.least(JobStep.run_after, soon))
        .execution_options(synchronize_session=False)
    )
