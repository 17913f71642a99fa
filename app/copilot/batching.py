"""The step of a batch: it lists a folder's files once, then makes jobs, a few at a time, until all have ended.

Each round is one fenced transaction. A job that waits for its member or for money lets the batch wait with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.batch_requests import MOST_DOCUMENTS
from app.copilot.context import StepEvents
from app.copilot.fetching import needing_user
from app.copilot.runtime import Runtime
from app.copilot.sealed_json import open_json, seal_json
from app.copilot.submit import Submission, ToFetch, submit
from app.core.crypto import Sealer
from app.core.errors import AppError
from app.documents import service as documents
from app.documents.sniff import is_readable_name
from app.identity.graph import DriveEntry, DriveItemRef
from app.identity.graph_errors import GraphUnavailable
from app.jobs import batches
from app.jobs.accept import parameters_place
from app.jobs.batches import BatchCounts, NewItem, UnmadeItem
from app.jobs.complete import (
    Completion,
    Progress,
    bury,
    complete,
    input_place,
    lock_job,
    output_place,
    result_place,
)
from app.jobs.errors import TooManyJobs
from app.jobs.leases import ClaimedStep
from app.jobs.waiting import Waiting, wait
from app.usage.errors import MoneyRefused
from app.vocabulary import BatchItemState, Lane, OfficeHost, Role

_LOOK_SECONDS = 5.0
"""How often a batch looks by itself."""
_LOOK_AGAIN_SECONDS = 0.5
"""How soon it looks after a round in which something happened: what ends during a round cannot wake the batch."""
_MADE_AT_ONCE = 4
"""So many jobs are made in one round: they start while the next are made."""
_TRIED_AT_ONCE = 50
"""So many documents are tried in one round, most of which may be refused."""
_NOT_WELL = (BatchItemState.PARTIAL, BatchItemState.FAILED, BatchItemState.CANCELLED)
_NONE_DONE = {
    "code": "no_document_done",
    "message": "Not one of the documents could be done; each says why at the batch's documents.",
}


@dataclass(frozen=True)
class Making:
    """What came of a round's attempt to make jobs."""

    tried: int = 0
    stopped: AppError | None = None


async def run_batch(
    runtime: Runtime, step: ClaimedStep, sealer: Sealer, events: StepEvents
) -> Progress | Waiting:
    """One round; gives where the batch stands. Raises: `LeaseLost`, `NeedsUser`, `MoneyRefused`, errors of `graph_errors`."""
    asked = open_json(sealer, input_place(step.id), step.sealed_input)
    if asked["folder"] is not None and "left_out" not in asked:
        return await _list(runtime, step, sealer, events, asked)
    async with runtime.database.tenant(step.tenant_id) as session:
        await lock_job(session, step.tenant_id, step.job_id)
        batch = {"tenant_id": step.tenant_id, "batch_id": step.job_id}
        held = await batches.held(session, **batch)
        if held is not None:
            return await _wait_with(session, step, held)
        counts = await _count(session, step)
        making = Making()
        if counts.unmade and counts.open < batches.MOST_OPEN:
            room = min(_MADE_AT_ONCE, batches.MOST_OPEN - counts.open)
            making = await _make(runtime, session, sealer, step, asked, room=room)
            counts = await _count(session, step)
        if counts.unmade or counts.open:
            return await batches.rest(
                session,
                step,
                seconds=pause_seconds(counts, making, ended_before=step.steps_done),
                counts=counts,
            )
        return await _end(session, sealer, step, counts, left_out=asked.get("left_out", 0))


async def _list(
    runtime: Runtime, step: ClaimedStep, sealer: Sealer, events: StepEvents, asked: Mapping[str, Any]
) -> Progress:
    """Write down the folder's files, for good: what comes into it later is for another batch."""
    if runtime.files is None or step.graph_session_id is None:
        raise GraphUnavailable("not_configured")
    await events.emit(
        "progress", {"phase": step.kind, "done": 0, "total": 0, "message": "the folder is being listed"}
    )
    with needing_user(step):
        entries = await runtime.files.list_in_session(
            DriveItemRef(**asked["folder"]["ref"]),
            tenant_id=step.tenant_id,
            member_id=step.member_id,
            session_id=step.graph_session_id,
            include_subfolders=asked["folder"]["include_subfolders"],
            most=MOST_DOCUMENTS,
        )
    readable = [one for one in entries if is_readable_name(one.name)]
    digests = _digests(sealer, asked.get("same_work"), readable)
    listed = {**asked, "left_out": len(entries) - len(readable)}
    async with runtime.database.tenant(step.tenant_id) as session:
        await lock_job(session, step.tenant_id, step.job_id)
        known = await batches.done_before(
            session, [one for one in digests if one], tenant_id=step.tenant_id, member_id=step.member_id
        )
        items = [
            NewItem(
                sealed_source=seal_json(sealer, batches.source_place(step.job_id, ordinal), _source(entry)),
                source_digest=digest,
                job_id=None if digest is None else known.get(digest),
            )
            for ordinal, (entry, digest) in enumerate(zip(readable, digests, strict=True))
        ]
        await batches.add_items(session, items, tenant_id=step.tenant_id, batch_id=step.job_id)
        return await batches.rest(
            session,
            step,
            seconds=0.0,
            counts=await _count(session, step),
            sealed_input=seal_json(sealer, input_place(step.id), listed),
        )


def _digests(sealer: Sealer, same_work: str | None, entries: Sequence[DriveEntry]) -> list[bytes | None]:
    """By these the next run of the same schedule knows what has not changed; none for a batch of no schedule."""
    if same_work is None:
        return [None] * len(entries)
    return [
        sealer.digest(
            "batch_item",
            "|".join((same_work, one.ref.drive_id, one.ref.item_id, one.ref.etag or "")).encode(),
        )
        for one in entries
    ]


def _source(entry: DriveEntry) -> dict[str, Any]:
    """No version: a file is taken as it is when its turn comes."""
    return {"drive_id": entry.ref.drive_id, "item_id": entry.ref.item_id, "name": entry.name}


async def _count(session: AsyncSession, step: ClaimedStep) -> BatchCounts:
    found = await batches.count(session, tenant_id=step.tenant_id, batch_ids=[step.job_id])
    return found[step.job_id]


async def _wait_with(session: AsyncSession, step: ClaimedStep, held: batches.Held) -> Waiting:
    """The batch waits for what its job does; whoever resumes one resumes both."""
    told = {**held.waiting_for}
    if isinstance(told.get("message"), str):
        told["message"] = told["message"].replace(str(held.job_id), str(step.job_id))
    return await wait(session, step, reason=held.reason, waiting_for=told, seconds=held.seconds)


async def _make(
    runtime: Runtime,
    session: AsyncSession,
    sealer: Sealer,
    step: ClaimedStep,
    asked: Mapping[str, Any],
    *,
    room: int,
) -> Making:
    """Make at most so many jobs. A document that cannot be one says why, and the next has its turn.

    Raises: `MoneyRefused` if there is no money for the first.
    """
    parameters = open_json(sealer, parameters_place(step.job_id), step.sealed_parameters)
    tried = made = 0
    batch = {"tenant_id": step.tenant_id, "batch_id": step.job_id}
    for item in await batches.unmade(session, **batch, limit=_TRIED_AT_ONCE):
        if made == room:
            break
        values: dict[str, Any]
        try:
            async with session.begin_nested():
                values = {"job_id": await _submit(runtime, session, sealer, step, asked, parameters, item)}
                made += 1
        except (MoneyRefused, TooManyJobs) as error:
            if isinstance(error, MoneyRefused) and not tried:
                raise
            return Making(tried, error)
        except AppError as error:
            values = {"error": {"code": error.code, "message": error.message}}
        tried += 1
        await batches.write_item(session, **batch, ordinal=item.ordinal, **values)
    return Making(tried)


async def _submit(
    runtime: Runtime,
    session: AsyncSession,
    sealer: Sealer,
    step: ClaimedStep,
    asked: Mapping[str, Any],
    parameters: Mapping[str, Any],
    item: UnmadeItem,
) -> UUID:
    found: Sequence[documents.DocumentView] = ()
    to_fetch: ToFetch | None = None
    if item.document_id is not None:
        found = await documents.describe(
            session,
            sealer,
            tenant_id=step.tenant_id,
            member_id=step.member_id,
            document_ids=[item.document_id],
        )
    else:
        source = dict(open_json(sealer, batches.source_place(step.job_id, item.ordinal), item.sealed_source))
        source.pop("name", None)
        if step.graph_session_id is None:
            raise GraphUnavailable("not_configured")
        to_fetch = ToFetch([DriveItemRef(**source)], step.graph_session_id)
    submission = Submission(
        task_type=step.task_type,
        parameters=parameters,
        host=OfficeHost(step.host),
        lane=Lane.BACKGROUND,
        documents=found,
        to_fetch=to_fetch,
        batch_id=step.job_id,
    )
    return await submit(
        session,
        sealer,
        runtime.configuration,
        submission,
        tenant_id=step.tenant_id,
        member_id=step.member_id,
        deadline_seconds=runtime.job_deadline_seconds,
        roles=frozenset(map(Role, asked["roles"])),
    )


def pause_seconds(counts: BatchCounts, making: Making, *, ended_before: int) -> float:
    """Until the next round: at once while there is room and something to try, else until something ends."""
    if making.stopped is not None:
        return _LOOK_SECONDS
    if making.tried and counts.unmade and counts.open < batches.MOST_OPEN:
        return 0.0
    return _LOOK_AGAIN_SECONDS if making.tried or counts.ended != ended_before else _LOOK_SECONDS


async def _end(
    session: AsyncSession, sealer: Sealer, step: ClaimedStep, counts: BatchCounts, *, left_out: int
) -> Progress:
    """All documents have ended: with them the batch does, well if every one did."""
    failed = counts.of(BatchItemState.FAILED)
    if counts.total and failed == counts.total:
        return await bury(session, step, error=_NONE_DONE, on_dead="fail", decision=None)
    result: dict[str, Any] = {
        "documents": counts.total,
        **{str(state): counts.of(state) for state in (BatchItemState.SUCCEEDED, *_NOT_WELL)},
        "unchanged": counts.unchanged,
        "left_out": left_out,
    }
    return await complete(
        session,
        step,
        Completion(
            sealed_output=seal_json(sealer, output_place(step.id), {}),
            sealed_result=seal_json(sealer, result_place(step.job_id), result),
            partial=any(counts.of(state) for state in _NOT_WELL),
            phase=step.kind,
        ),
    )
