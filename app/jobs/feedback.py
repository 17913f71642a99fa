"""What members say of results: a thumb, whether the text was inserted and the insertion undone, a short comment.

The comment is content: sealed, and shown to nobody but its member. Administrators get counts.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id
from app.core.crypto import Place, Sealed, Sealer
from app.jobs.errors import FeedbackNotFound, JobNotFinished, JobNotFound
from app.jobs.states import FINAL_JOB_STATES
from app.jobs.tables import Job, JobFeedback


class Thumb(StrEnum):
    """Whether it helped."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Feedback:
    """All that a member says of a job."""

    thumb: Thumb | None = None
    is_inserted: bool = False
    is_undone: bool = False
    comment: str | None = None


@dataclass(frozen=True)
class FeedbackCount:
    """Finished jobs of a task type in a range of days, and how many of them were said what of."""

    task_type: str
    jobs: int
    thumbs_up: int
    thumbs_down: int
    inserted: int
    undone: int
    comments: int


async def give(
    session: AsyncSession, sealer: Sealer, feedback: Feedback, *, member_id: UUID, job_id: UUID
) -> None:
    """Say it of an own job that has ended, in place of what the member said before.

    Raises: `JobNotFound`, `JobNotFinished`.
    """
    tenant_id = sealer.tenant_id
    state = await session.scalar(
        select(Job.state)
        .where(Job.tenant_id == tenant_id, Job.id == job_id, Job.member_id == member_id)
        # Nobody may delete the job in between; others may say something at the same time.
        .with_for_update(read=True, key_share=True)
    )
    if state is None:
        raise JobNotFound(job_id)
    if state not in FINAL_JOB_STATES:
        raise JobNotFinished(job_id)
    mine = {"tenant_id": tenant_id, "job_id": job_id, "member_id": member_id}
    # Its own id first: the comment is sealed for the row in which it will stand.
    written = await session.execute(
        insert(JobFeedback)
        .values(id=new_id(), is_inserted=False, is_undone=False, **mine)
        .on_conflict_do_update(index_elements=list(mine), set_={"updated_at": func.clock_timestamp()})
        .returning(JobFeedback.id)
    )
    row_id: UUID = written.scalar_one()
    row = await session.get_one(JobFeedback, (tenant_id, row_id), populate_existing=True)
    row.thumb = feedback.thumb
    row.is_inserted = feedback.is_inserted
    row.is_undone = feedback.is_undone
    row.sealed_comment = _seal(sealer, row_id, feedback.comment)
    await session.flush()


async def given(session: AsyncSession, sealer: Sealer, *, member_id: UUID, job_id: UUID) -> Feedback:
    """What the member has said of a job. Raises: `FeedbackNotFound`."""
    found = await session.scalar(
        select(JobFeedback).where(
            JobFeedback.tenant_id == sealer.tenant_id,
            JobFeedback.job_id == job_id,
            JobFeedback.member_id == member_id,
        )
    )
    if found is None:
        raise FeedbackNotFound(job_id)
    return opened(sealer, found)


async def withdraw(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, job_id: UUID) -> None:
    """Take back what the member has said of a job. Raises: `FeedbackNotFound`."""
    gone = await session.scalar(
        delete(JobFeedback)
        .where(
            JobFeedback.tenant_id == tenant_id,
            JobFeedback.job_id == job_id,
            JobFeedback.member_id == member_id,
        )
        .returning(JobFeedback.id)
    )
    if gone is None:
        raise FeedbackNotFound(job_id)


async def counts(session: AsyncSession, *, tenant_id: UUID, since: date, until: date) -> list[FeedbackCount]:
    """Counts by task type over jobs that ended from `since` to before `until` (days in UTC) and are still kept."""
    query = (
        select(
            Job.task_type,
            func.count(),
            func.count().filter(JobFeedback.thumb == Thumb.UP),
            func.count().filter(JobFeedback.thumb == Thumb.DOWN),
            func.count().filter(JobFeedback.is_inserted),
            func.count().filter(JobFeedback.is_undone),
            func.count(JobFeedback.sealed_comment),
        )
        .outerjoin(JobFeedback, (JobFeedback.tenant_id == Job.tenant_id) & (JobFeedback.job_id == Job.id))
        .where(
            Job.tenant_id == tenant_id,
            Job.finished_at >= datetime.combine(since, time(), UTC),
            Job.finished_at < datetime.combine(until, time(), UTC),
        )
        .group_by(Job.task_type)
        .order_by(Job.task_type)
    )
    return [FeedbackCount(*row) for row in await session.execute(query)]


def opened(sealer: Sealer, row: JobFeedback) -> Feedback:
    """A row with its comment."""
    comment = row.sealed_comment
    return Feedback(
        thumb=None if row.thumb is None else Thumb(row.thumb),
        is_inserted=row.is_inserted,
        is_undone=row.is_undone,
        comment=None if comment is None else sealer.open(_place(row.id), comment).decode(),
    )


def _place(row_id: UUID) -> Place:
    return Place("job_feedback", row_id, "sealed_comment")


def _seal(sealer: Sealer, row_id: UUID, comment: str | None) -> Sealed | None:
    return None if comment is None else sealer.seal(_place(row_id), comment.encode())
