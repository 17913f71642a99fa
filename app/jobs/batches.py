"""Batches: one job over many documents, whose only step makes a job for each, a few at a time.

    batch   queued ──► running ──► succeeded | partial | failed | cancelled      (a job like any other, see states.py)
                         │  ▲
                         │  └── wakes when a job of its own has ended, and looks every few seconds
                         └───── lets at most `MOST_OPEN` jobs be open, makes the next when one has ended

What has been done is rows: a job is made and named by its document's row in one transaction, under the fencing
number of the batch's step. So a batch goes on where it was, whoever died, and does no document twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Place, Sealed
from app.jobs.complete import Progress, end_step, update_job
from app.jobs.errors import BatchNotFound
from app.jobs.leases import ClaimedStep
from app.jobs.states import FINAL_JOB_STATES, OPEN_JOB_STATES
from app.jobs.tables import BatchItem, Job
from app.vocabulary import BatchItemState, JobState, StepKind, StepState

MOST_OPEN = 16
"""So many jobs of a batch are open at once: enough that workers have some while the next are made, few beside what
others have queued."""
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class NewItem:
    """A document of a new batch; `job_id` is that of an earlier batch whose result still holds."""

    document_id: UUID | None = None
    sealed_source: Sealed | None = None
    source_digest: bytes | None = None
    job_id: UUID | None = None


@dataclass(frozen=True)
class UnmadeItem:
    """A document that has no job yet."""

    ordinal: int
    document_id: UUID | None
    sealed_source: Sealed | None


@dataclass(frozen=True)
class ItemView:
    """A document of a batch as its member sees it; name and result are still sealed."""

    ordinal: int
    state: BatchItemState
    document_id: UUID | None
    sealed_source: Sealed | None
    is_unchanged: bool
    job_id: UUID | None
    sealed_result: Sealed | None
    error: Mapping[str, Any] | None


@dataclass(frozen=True)
class BatchCounts:
    """How many documents of a batch are how far. `unmade` of the queued have no job yet."""

    states: Mapping[BatchItemState, int] = field(default_factory=dict)
    unmade: int = 0
    unchanged: int = 0
    reused_tokens: int = 0

    @property
    def total(self) -> int:
        """All documents."""
        return sum(self.states.values())

    @property
    def open(self) -> int:
        """Documents whose jobs have not ended."""
        return sum(self.of(BatchItemState(state)) for state in OPEN_JOB_STATES) - self.unmade

    @property
    def ended(self) -> int:
        """Documents that nothing more will happen to."""
        return self.total - self.open - self.unmade

    def of(self, state: BatchItemState) -> int:
        """Documents in a state."""
        return self.states.get(state, 0)


@dataclass(frozen=True)
class Held:
    """Why one of a batch's jobs waits, and for how long it still does."""

    job_id: UUID
    reason: str
    waiting_for: Mapping[str, Any]
    seconds: float


def source_place(batch_id: UUID, ordinal: int) -> Place:
    """Where a batch's document's place in Microsoft 365 is sealed."""
    return Place("batch_items", f"{batch_id}:{ordinal}", "sealed_source")


async def add_items(
    session: AsyncSession, items: Sequence[NewItem], *, tenant_id: UUID, batch_id: UUID
) -> None:
    """Write the documents of a batch that has none yet, in their order."""
    rows = [
        {
            "tenant_id": tenant_id,
            "batch_id": batch_id,
            "ordinal": ordinal,
            "document_id": item.document_id,
            "sealed_source": item.sealed_source,
            "source_digest": item.source_digest,
            "job_id": item.job_id,
            "is_unchanged": item.job_id is not None,
        }
        for ordinal, item in enumerate(items)
    ]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        await session.execute(insert(BatchItem), rows[start : start + _ROWS_AT_ONCE])


async def done_before(
    session: AsyncSession, digests: Sequence[bytes], *, tenant_id: UUID, member_id: UUID
) -> dict[bytes, UUID]:
    """The newest job of the member that ended well for each of these versions of files."""
    found: dict[bytes, UUID] = {}
    for start in range(0, len(digests), _ROWS_AT_ONCE):
        rows = await session.execute(
            select(BatchItem.source_digest, Job.id)
            .join(Job, and_(Job.tenant_id == BatchItem.tenant_id, Job.id == BatchItem.job_id))
            .where(
                BatchItem.tenant_id == tenant_id,
                BatchItem.source_digest.in_(digests[start : start + _ROWS_AT_ONCE]),
                Job.member_id == member_id,
                Job.state == JobState.SUCCEEDED,
            )
            .order_by(Job.id)
        )
        found.update({row.source_digest: row.id for row in rows if row.source_digest is not None})
    return found


async def count(
    session: AsyncSession, *, tenant_id: UUID, batch_ids: Sequence[UUID]
) -> dict[UUID, BatchCounts]:
    """How far each of these batches is."""
    unmade = and_(BatchItem.job_id.is_(None), BatchItem.error.is_(None))
    state = _state().label("state")
    rows = await session.execute(
        _joined(
            BatchItem.batch_id,
            state,
            func.count().label("items"),
            func.count().filter(unmade).label("unmade"),
            func.count().filter(BatchItem.is_unchanged).label("unchanged"),
            func.coalesce(func.sum(Job.reused_tokens).filter(~BatchItem.is_unchanged), 0).label("reused"),
        )
        .where(BatchItem.tenant_id == tenant_id, BatchItem.batch_id.in_(batch_ids))
        .group_by(BatchItem.batch_id, state)
    )
    found: dict[UUID, BatchCounts] = {batch_id: BatchCounts() for batch_id in batch_ids}
    for row in rows:
        known = found[row.batch_id]
        found[row.batch_id] = BatchCounts(
            {**known.states, BatchItemState(row.state): row.items},
            known.unmade + row.unmade,
            known.unchanged + row.unchanged,
            known.reused_tokens + int(row.reused),
        )
    return found


async def unmade(
    session: AsyncSession, *, tenant_id: UUID, batch_id: UUID, limit: int
) -> Sequence[UnmadeItem]:
    """The next documents without a job, in order."""
    rows = await session.execute(
        select(BatchItem.ordinal, BatchItem.document_id, BatchItem.sealed_source)
        .where(
            BatchItem.tenant_id == tenant_id,
            BatchItem.batch_id == batch_id,
            BatchItem.job_id.is_(None),
            BatchItem.error.is_(None),
        )
        .order_by(BatchItem.ordinal)
        .limit(limit)
    )
    return [UnmadeItem(row.ordinal, row.document_id, row.sealed_source) for row in rows]


async def write_item(
    session: AsyncSession, *, tenant_id: UUID, batch_id: UUID, ordinal: int, **values: Any
) -> None:
    """Name the job that was made for a document (`job_id`), or why none could be (`error`)."""
    await session.execute(
        update(BatchItem)
        .where(BatchItem.tenant_id == tenant_id, BatchItem.batch_id == batch_id, BatchItem.ordinal == ordinal)
        .values(values)
        .execution_options(synchronize_session=False)
    )


async def held(session: AsyncSession, *, tenant_id: UUID, batch_id: UUID) -> Held | None:
    """One of the batch's jobs that waits, if any does. It goes on waiting until this transaction ends."""
    row = (
        await session.execute(
            select(
                Job.id,
                Job.waiting_reason,
                Job.waiting_for,
                func.extract("epoch", Job.expires_at - func.clock_timestamp()).label("seconds"),
            )
            .where(
                Job.tenant_id == tenant_id,
                Job.batch_id == batch_id,
                Job.id != batch_id,
                Job.state == JobState.WAITING,
            )
            .order_by(Job.id)
            .limit(1)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if row is None:
        return None
    return Held(row.id, row.waiting_reason, row.waiting_for or {}, max(1.0, float(row.seconds)))


async def rest(
    session: AsyncSession,
    step: ClaimedStep,
    *,
    seconds: float,
    counts: BatchCounts,
    sealed_input: Sealed | None = None,
) -> Progress:
    """Put a batch's step back for at most so long: it has done what there was to do. Raises: `LeaseLost`.

    No attempt has failed, so those before count no more.
    """
    changed = {} if sealed_input is None else {"sealed_input": sealed_input}
    await end_step(
        session,
        step,
        state=StepState.QUEUED,
        attempt=0,
        run_after=func.clock_timestamp() + text(f"interval '{seconds:.3f} seconds'"),
        hinted_at=None,
        hint_count=0,
        **changed,
    )
    values = {"steps_done": counts.ended, "steps_total": counts.total + 1, "phase": StepKind.BATCH}
    return await update_job(session, step.tenant_id, step.job_id, values)


async def open_batches(session: AsyncSession, *, tenant_id: UUID, member_id: UUID) -> int:
    """How many of a member's batches have not ended."""
    query = (
        select(func.count())
        .select_from(Job)
        .where(
            Job.tenant_id == tenant_id,
            Job.member_id == member_id,
            Job.batch_id == Job.id,
            Job.state.in_(OPEN_JOB_STATES),
        )
    )
    return await session.scalar(query) or 0


async def find_batch(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, batch_id: UUID) -> JobState:
    """The state of a member's own batch. Raises: `BatchNotFound`."""
    state = await session.scalar(
        select(Job.state).where(
            Job.tenant_id == tenant_id,
            Job.id == batch_id,
            Job.member_id == member_id,
            Job.batch_id == batch_id,
        )
    )
    if state is None:
        raise BatchNotFound(batch_id)
    return JobState(state)


def jobs_of(tenant_id: UUID, batch_id: UUID) -> Select[UUID]:
    """The jobs of a batch, itself included."""
    return select(Job.id).where(Job.tenant_id == tenant_id, Job.batch_id == batch_id)


async def page(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    batch_id: UUID,
    after: int | None,
    limit: int,
    states: Sequence[BatchItemState] = (),
) -> list[ItemView]:
    """Documents of a batch in their order, after the one with that number. Whose batch it is is the caller's to check."""
    state = _state()
    query = (
        _joined(
            BatchItem.ordinal,
            state.label("state"),
            BatchItem.document_id,
            BatchItem.sealed_source,
            BatchItem.is_unchanged,
            BatchItem.job_id,
            Job.sealed_result,
            func.coalesce(BatchItem.error, Job.error).label("error"),
        )
        .where(BatchItem.tenant_id == tenant_id, BatchItem.batch_id == batch_id)
        .order_by(BatchItem.ordinal)
        .limit(limit)
    )
    if after is not None:
        query = query.where(BatchItem.ordinal > after)
    if states:
        query = query.where(state.in_(states))
    rows = await session.execute(query)
    return [ItemView(**{**row._asdict(), "state": BatchItemState(row.state)}) for row in rows]


def _joined(*columns: Any) -> Select[Any]:
    """Documents beside their jobs and their batch, where these are there."""
    return (
        select(*columns)
        .select_from(BatchItem)
        .join(_BATCH, and_(_BATCH.c.tenant_id == BatchItem.tenant_id, _BATCH.c.id == BatchItem.batch_id))
        .outerjoin(Job, and_(Job.tenant_id == BatchItem.tenant_id, Job.id == BatchItem.job_id))
    )


def _state() -> ColumnElement[str]:
    """A document's state, from what is there: nothing of it is written twice."""
    return case(
        (BatchItem.error.is_not(None), BatchItemState.FAILED.value),
        (Job.state.is_not(None), Job.state),
        (BatchItem.job_id.is_not(None), BatchItemState.REMOVED.value),
        # A batch that has ended makes no more jobs.
        (_BATCH.c.state.in_(FINAL_JOB_STATES), BatchItemState.CANCELLED.value),
        else_=BatchItemState.QUEUED.value,
    )


_BATCH = Job.__table__.alias("batch")
