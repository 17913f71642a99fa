"""Runs one claimed step: loads what its handler needs, runs it, and writes its end.

No transaction is open while a model is thinking: one loads, one completes.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot import fetching, produced_files
from app.copilot.batching import run_batch
from app.copilot.catalog import task_types
from app.copilot.context import RunningStep, StepEvents
from app.copilot.decisions import Reused, decision_record
from app.copilot.document_findings import with_readings
from app.copilot.earlier_answers import EarlierAnswers
from app.copilot.endings import Again, Never, Waits, ending
from app.copilot.findings import dead
from app.copilot.funding import looked_again
from app.copilot.runtime import Runtime
from app.copilot.sealed_json import open_json, seal_json
from app.copilot.types import NewStep, Outcome
from app.core.clock import new_id, now
from app.core.crypto import Sealed, Sealer
from app.core.logging import get_logger
from app.documents import service as documents
from app.documents.service import DocumentReading
from app.jobs import service as jobs
from app.jobs.accept import parameters_place
from app.jobs.complete import (
    Completion,
    PlannedStep,
    Progress,
    bury,
    complete,
    input_place,
    output_place,
    result_place,
    retry,
)
from app.jobs.errors import LeaseLost
from app.jobs.files import keep_file
from app.jobs.leases import ClaimedStep
from app.jobs.service import Predecessor
from app.jobs.states import FINAL_JOB_STATES
from app.jobs.waiting import Waiting, wait
from app.llm.accepted import Accepted
from app.llm.scope import CallScope, prepay
from app.usage import ledger
from app.usage.budgets import Payer, budgets_of, soft_warnings, standings
from app.vocabulary import StepKind, StepState

_log = get_logger(__name__)
_DATABASE_AWAY = (OperationalError, InterfaceError, PoolExhausted, OSError)


async def run_step(runtime: Runtime, step: ClaimedStep) -> None:
    """Run a claimed step to its end, whatever that is. Raises: only what cancels the coroutine."""
    try:
        sealer = await runtime.keys.sealer(step.tenant_id)
    except Exception as error:  # noqa: BLE001 - whatever it is, the step must not stay with us
        await _end_badly(runtime, step, None, None, error)
        return
    events = StepEvents(runtime.events, sealer, step)
    await events.begin()
    scope: CallScope | None = None
    try:
        if step.kind is StepKind.BATCH:
            await _tell_of_batch(events, await run_batch(runtime, step, sealer, events))
            return
        if step.kind is StepKind.FETCH:
            await _fetch(runtime, step, sealer, events)
            return
        scope = await _scope(runtime, step, sealer)
        running = await _load(runtime, step, events, scope)
        await _warn(running)
        outcome = await task_types()[step.task_type].run(running)
        outcome, file = await produced_files.make_file(runtime, step, sealer, outcome)
        progress = await _surely(scope.deadline, partial(_complete, runtime, running, outcome, file), step)
        _forget_ended(runtime, step, progress)
        await asyncio.shield(_announce(events, progress))
    except LeaseLost:
        _log.info("lease lost", job_id=str(step.job_id), step_id=str(step.id), fencing=step.fencing)
    except Exception as error:  # noqa: BLE001 - one step's bug must not take the others along
        await _end_badly(runtime, step, events, scope, error)
    finally:
        if scope is not None:
            await asyncio.shield(runtime.caller.let_go(scope))
        # Calls that no checkpoint settled (a lost lease, a cancelled step) are paid for all the same.
        if scope is not None and scope.records:
            await asyncio.shield(_settle(runtime, scope))


async def _fetch(runtime: Runtime, step: ClaimedStep, sealer: Sealer, events: StepEvents) -> None:
    deadline = asyncio.get_running_loop().time() + step.seconds_left
    fetched = await fetching.fetch(runtime, step, sealer, events)
    progress = await _surely(deadline, partial(fetching.keep, runtime, step, sealer, fetched), step)
    await asyncio.shield(_announce(events, progress))


async def _tell_of_batch(events: StepEvents, after: Progress | Waiting) -> None:
    """Tell whoever watches what a round has changed."""
    if isinstance(after, Waiting):
        await events.emit("waiting", after.body())
    elif after.state in FINAL_JOB_STATES:
        await _announce(events, after)
    elif (after.done, after.total) != (events.step.steps_done, events.step.steps_total):
        # The batch's own step is no document.
        total = after.total - 1
        message = f"{after.done} of {total} documents done"
        await events.emit(
            "progress", {"phase": StepKind.BATCH, "done": after.done, "total": total, "message": message}
        )


async def _scope(runtime: Runtime, step: ClaimedStep, sealer: Sealer) -> CallScope:
    return CallScope(
        tenant_id=step.tenant_id,
        member_id=step.member_id,
        job_id=step.job_id,
        step_id=step.id,
        fencing=step.fencing,
        revision=await runtime.configuration.revision(step.tenant_id, step.pool_revision_id),
        policy=await runtime.configuration.policy(step.tenant_id),
        language=step.language,
        reservation=step.reservation,
        deadline=asyncio.get_running_loop().time() + step.seconds_left,
        sticky_key=step.sticky_key,
        sealer=sealer,
        records=[],
    )


async def _load(runtime: Runtime, step: ClaimedStep, events: StepEvents, scope: CallScope) -> RunningStep:
    """Read everything the handler needs, then let go of the database."""
    sealer = scope.sealer
    parameters = open_json(sealer, parameters_place(step.job_id), step.sealed_parameters)
    text = runtime.segments.get(step.tenant_id, step.job_id)
    if text is None and produced_files.wants_file(parameters):
        found = await produced_files.writable_segments(runtime, step, sealer)
        text = runtime.segments.put(step.tenant_id, step.job_id, found)
    sealed: Sequence[documents.SealedDocument] = ()
    async with runtime.database.tenant(step.tenant_id) as session:
        ids = {"tenant_id": step.tenant_id, "job_id": step.job_id}
        before = await jobs.predecessors(session, step_id=step.id, **ids)
        await _pay(runtime, session, step, scope)
        if text is None:
            document_ids = await jobs.inputs(session, **ids)
            sealed = await documents.read_sealed(session, tenant_id=step.tenant_id, document_ids=document_ids)
    if text is None:
        # Not within the transaction: it would be idle for long, and what was prepaid locks its budgets.
        text = runtime.segments.put(step.tenant_id, step.job_id, await documents.open_all(sealer, sealed))
    return RunningStep(
        step=step,
        events=events,
        caller=runtime.caller,
        scope=scope,
        parameters=task_types()[step.task_type].parameters.model_validate(parameters),
        input=open_json(sealer, input_place(step.id), step.sealed_input),
        segments=text.segments,
        worked_out=text.worked_out,
        earlier=EarlierAnswers(runtime.database, step, scope),
        predecessors=[_predecessor(sealer, one) for one in before],
    )


async def _pay(runtime: Runtime, session: AsyncSession, step: ClaimedStep, scope: CallScope) -> None:
    payer = Payer(step.tenant_id, step.member_id, step.task_type)
    scope.budgets = await budgets_of(session, runtime.configuration, payer)
    scope.standings = await standings(session, step.tenant_id, scope.budgets, now())
    if step.kind.calls_models:
        tokens = step.estimated_tokens
        planned = runtime.caller.planned(scope, step_kind=step.kind, task_type=step.task_type, tokens=tokens)
        await prepay(session, scope, planned, task_type=step.task_type, estimated_tokens=tokens)


async def _warn(running: RunningStep) -> None:
    """Tell whoever watches, once a job, that a budget runs low."""
    if running.kind is StepKind.PLAN or (running.kind is StepKind.FINAL and not running.predecessors):
        for warning in soft_warnings(running.scope.standings):
            await running.events.emit("warning", warning)


def _predecessor(sealer: Sealer, before: Predecessor) -> Mapping[str, Any]:
    if before.state is StepState.DONE:
        return open_json(sealer, output_place(before.id), before.sealed_output)
    return dead(open_json(sealer, input_place(before.id), before.sealed_input), before.error)


async def _surely(deadline: float, write: Callable[[], Awaitable[Progress]], step: ClaimedStep) -> Progress:
    """Write the end, again and again while the database is away: what it tells has been paid for.

    Whoever keeps our leases cancels this when the lease is lost.
    """
    clock, seconds = asyncio.get_running_loop().time, 0.1
    while True:
        try:
            return await write()
        except _DATABASE_AWAY as error:
            if clock() + seconds > deadline:
                raise
            _log.info("end not written yet", step_id=str(step.id), reason=type(error).__name__)
        await asyncio.sleep(seconds)
        seconds = min(2 * seconds, 2.0)


async def _complete(
    runtime: Runtime, running: RunningStep, outcome: Outcome, file: Sequence[Sealed]
) -> Progress:
    step, sealer, scope = running.step, running.scope.sealer, running.scope
    accepted = running.accepted[-1] if running.accepted else None
    scope.let_go()
    sealed_result = decision = None
    async with runtime.database.tenant(step.tenant_id) as session:
        await ledger.settle(session, scope.records)
        if outcome.result is not None:
            told = await _told(session, step)
            result = with_readings(outcome.result, told, running.segments)
            sealed_result = seal_json(sealer, result_place(step.job_id), result)
            decision = await _decision(session, step, scope, accepted, told)
        progress = await complete(
            session,
            step,
            Completion(
                sealed_output=seal_json(sealer, output_place(step.id), outcome.output),
                answered_by=accepted.pool_member_id if accepted is not None else None,
                answer=running.earlier.answered(),
                new_steps=_plan(sealer, outcome.new_steps),
                sealed_result=sealed_result,
                partial=outcome.partial,
                decision=decision,
                phase=step.kind,
            ),
        )
        await keep_file(session, file, tenant_id=step.tenant_id, job_id=step.job_id)
    scope.records.clear()
    return progress


def _plan(sealer: Sealer, new: Sequence[NewStep]) -> list[PlannedStep]:
    ids = [new_id() for _ in new]
    return [
        PlannedStep(
            id=ids[position],
            kind=step.kind,
            ordinal=step.ordinal,
            sealed_input=seal_json(sealer, input_place(ids[position]), step.input),
            estimated_tokens=step.estimated_tokens,
            successor_step_id=None if step.successor is None else ids[step.successor],
            remaining=sum(other.successor == position for other in new),
        )
        for position, step in enumerate(new)
    ]


async def _announce(events: StepEvents, progress: Progress) -> None:
    if progress.state not in FINAL_JOB_STATES:
        body = {"phase": events.step.kind, "done": progress.done, "total": progress.total}
        await events.emit("progress", {**body, "message": f"{progress.done} of {progress.total} steps done"})
        return
    await events.emit("state", {"state": progress.state})
    if progress.error is not None:
        await events.emit("error", {"error": dict(progress.error)})
    else:
        await events.emit("result", {"link": f"/addin/v1/jobs/{events.step.job_id}"})


async def _end_badly(
    runtime: Runtime, step: ClaimedStep, events: StepEvents | None, scope: CallScope | None, error: Exception
) -> None:
    """Postpone, retry, wait or bury, by what went wrong."""
    end = ending(
        error,
        attempt=step.attempt,
        max_attempts=runtime.max_attempts,
        jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
    )
    known = {"job_id": str(step.job_id), "step_id": str(step.id), "attempt": step.attempt}
    if scope is not None:
        scope.let_go()
    records = scope.records if scope is not None else []
    after: Progress | Waiting | None = None
    try:
        async with runtime.database.tenant(step.tenant_id) as session:
            end = await looked_again(session, step.tenant_id, end)
            await ledger.settle(session, records)
            match end:
                case Again():
                    _log.info(
                        "step goes back to the queue", **known, code=end.code, seconds=round(end.seconds, 2)
                    )
                    await retry(session, step, seconds=end.seconds, counted=end.counted, error=end.code)
                case Waits():
                    _log.info("job waits", **known, reason=end.reason, code=end.waiting_for["code"])
                    after = await wait(
                        session,
                        step,
                        reason=end.reason,
                        waiting_for=end.waiting_for,
                        seconds=end.seconds or runtime.needs_user_seconds,
                    )
                case Never():
                    log = _log.error if end.is_bug else _log.info
                    log(
                        "step is dead",
                        **known,
                        code=end.error["code"],
                        exc_info=error if end.is_bug else None,
                    )
                    after = await _bury(session, step, scope, end)
    except LeaseLost:
        return
    records.clear()
    _forget_ended(runtime, step, after)
    if events is None:
        return
    if isinstance(after, Waiting):
        await events.emit("waiting", after.body())
    elif after is not None:
        await _announce(events, after)


def _forget_ended(runtime: Runtime, step: ClaimedStep, after: Progress | Waiting | None) -> None:
    """Keep no text of a job that has ended."""
    if isinstance(after, Progress) and after.state in FINAL_JOB_STATES:
        runtime.segments.forget(step.tenant_id, step.job_id)


async def _bury(session: AsyncSession, step: ClaimedStep, scope: CallScope | None, end: Never) -> Progress:
    task_type = task_types().get(step.task_type)
    decision = None
    if scope is not None:
        decision = await _decision(session, step, scope, None, await _told(session, step))
    return await bury(
        session,
        step,
        error=end.error,
        on_dead=task_type.on_dead if task_type is not None else "fail",
        decision=decision,
    )


async def _told(session: AsyncSession, step: ClaimedStep) -> Sequence[DocumentReading]:
    document_ids = await jobs.inputs(session, tenant_id=step.tenant_id, job_id=step.job_id)
    return await documents.told(session, tenant_id=step.tenant_id, document_ids=document_ids)


async def _decision(
    session: AsyncSession,
    step: ClaimedStep,
    scope: CallScope,
    accepted: Accepted | None,
    told: Sequence[DocumentReading],
) -> dict[str, Any]:
    found = [one.findings for one in told]
    calls = await ledger.job_calls(session, step.tenant_id, step.job_id)
    earlier = await jobs.reused_calls(session, tenant_id=step.tenant_id, job_id=step.job_id)
    reused = Reused(earlier, await ledger.deployments_of(session, step.tenant_id, earlier))
    return decision_record(scope.revision, step.route_reason, accepted, calls, found, reused)


async def _settle(runtime: Runtime, scope: CallScope) -> None:
    scope.let_go()
    async with runtime.database.tenant(scope.tenant_id) as session:
        await ledger.settle(session, scope.records)
    scope.records.clear()
