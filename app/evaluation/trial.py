"""One case on one member, through what a job goes through: handler, checks, call loop, limits, ledger.

What a job has besides is left out on purpose: there is no fallback, so that an answer is this member's, and no
second attempt at a step, so that a refused answer stays a fact about the member. Steps run one after another.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from app.copilot.datamark import mark_for, remove_from_answer
from app.copilot.findings import dead
from app.copilot.runtime import Runtime
from app.copilot.types import Answer, NewStep, Outcome, TaskType, Verify
from app.copilot.windows import context_tokens
from app.core.clock import new_id, now
from app.core.crypto import Sealer
from app.documents.inline import CellRange, read_cells
from app.documents.language import main_language
from app.documents.readers import markdown
from app.documents.segments import Segment
from app.documents.tokens import estimate_tokens
from app.evaluation.case_files import Case, check_fit
from app.jobs.errors import Discard
from app.llm.errors import AllResting, CallFailed, InvalidOutput
from app.llm.scope import CallScope
from app.llm.types import Block, ModelRequest, ModelResult
from app.pools.errors import NoEligibleMember
from app.pools.values import PoolMemberFacts, RevisionFacts
from app.usage import ledger
from app.usage.budgets import Payer, budgets_of, standings
from app.usage.errors import MoneyRefused
from app.vocabulary import CallOutcome, StepKind, Strategy

POOL_NAME = "evaluation"
"""Under which the ledger's reports show the calls of trials."""


class TrialOutcome(StrEnum):
    """How a trial ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Our checks did not let the answer pass."""
    FAILED = "failed"
    """No answer came, or none that could be read."""
    INELIGIBLE = "ineligible"
    """A hard limit keeps the member from such work: language, size, capability, policy."""


@dataclass(frozen=True)
class RawAnswer:
    """What the member said before any check, without marks that it copied, the blocks it was given, and the check
    that refused it.
    """

    kind: StepKind
    text: str
    blocks: tuple[Block, ...]
    refusal: str | None = None


@dataclass
class TrialResult:
    """What came of a trial. `seconds` is the time that its requests took, without waiting for a free place."""

    id: UUID
    outcome: TrialOutcome = TrialOutcome.FAILED
    reason: str | None = None
    result: Mapping[str, Any] | None = None
    answers: list[RawAnswer] = field(default_factory=list)
    segments: Sequence[Segment] = ()
    seconds: float = 0.0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    currency: str = "EUR"


@dataclass(frozen=True)
class Sponsor:
    """Who tries: the tenant that allows and pays, and its member that the ledger names."""

    tenant_id: UUID
    member_id: UUID
    sealer: Sealer


def read_documents(case: Case) -> list[Segment]:
    """The case's documents as a job's: one list of segments."""
    if case.cells:
        return list(read_cells(CellRange("Sheet1", "A1", case.cells)).segments)
    segments: list[Segment] = []
    for number, text in enumerate(case.documents):
        read = markdown.read(text.encode()).segments
        segments += [
            replace(segment, index=len(segments) + at, document=number) for at, segment in enumerate(read)
        ]
    return segments


async def try_case(
    runtime: Runtime,
    sponsor: Sponsor,
    task_type: TaskType,
    member: PoolMemberFacts,
    case: Case,
    *,
    seconds: float,
) -> TrialResult:
    """Run all steps of a case on a member, within so many seconds. Raises: `BadCase`, `MoneyRefused`."""
    segments = await asyncio.to_thread(read_documents, case)
    trial = TrialResult(id=new_id(), segments=segments)
    running = _Trial(
        runtime=runtime,
        sponsor=sponsor,
        task_type=task_type,
        revision=_revision(task_type, member),
        parameters=check_fit(case, task_type),
        segments=segments,
        language=main_language([segment.text for segment in segments]),
        trial=trial,
        deadline=asyncio.get_running_loop().time() + seconds,
    )
    try:
        outcome = await running.run()
    except MoneyRefused:
        raise
    except NoEligibleMember as nobody:
        trial.outcome, trial.reason = TrialOutcome.INELIGIBLE, ", ".join(d.code for d in nobody.details)
    except CallFailed as failed:
        refused = failed.code == InvalidOutput.code
        trial.outcome = TrialOutcome.REFUSED if refused else TrialOutcome.FAILED
        trial.reason = next((hop.detail for hop in failed.hops if hop.detail), failed.code)
    except Discard as discarded:
        trial.reason = discarded.code
    except AllResting:
        trial.reason = "no_place"
    else:
        trial.outcome, trial.result = TrialOutcome.ANSWERED, outcome.result
    return trial


def _revision(task_type: TaskType, member: PoolMemberFacts) -> RevisionFacts:
    """A pool of this member alone; it is nowhere but in this process."""
    return RevisionFacts(
        id=member.id,
        tenant_id=member.deployment.tenant_id,
        pool_id=member.id,
        pool_name=POOL_NAME,
        number=1,
        task_type=task_type.name,
        strategy=Strategy.WEIGHTED,
        members=(replace(member, tier=0),),
    )


@dataclass
class _Trial:
    """The steps of one case."""

    runtime: Runtime
    sponsor: Sponsor
    task_type: TaskType
    revision: RevisionFacts
    parameters: BaseModel
    segments: Sequence[Segment]
    language: str
    trial: TrialResult
    deadline: float
    worked_out: dict[str, Any] = field(default_factory=dict)

    async def run(self) -> Outcome:
        """The outcome of the last step."""
        tokens = sum(estimate_tokens(segment.text) for segment in self.segments)
        first = self.task_type.first_step(tokens, context_tokens(self.revision))
        outcome = await self._step(first, {}, ())
        steps = outcome.new_steps
        outputs: dict[int, Mapping[str, Any]] = {}
        for position, step in enumerate(steps):
            before = [outputs[at] for at in range(position) if steps[at].successor == position]
            outcome = await self._planned(step, before)
            outputs[position] = outcome.output
        return outcome

    async def _planned(self, step: NewStep, before: Sequence[Mapping[str, Any]]) -> Outcome:
        """One step of a plan; where a job would go on without it, so does this."""
        try:
            return await self._step(step.kind, step.input, before)
        except (CallFailed, Discard) as error:
            if step.kind is StepKind.FINAL or self.task_type.on_dead != "partial":
                raise
            return Outcome(output=dead(step.input, {"code": error.code, "message": error.message}))

    async def _step(
        self, kind: StepKind, step_input: Mapping[str, Any], before: Sequence[Mapping[str, Any]]
    ) -> Outcome:
        scope = await self._scope()
        try:
            return await self.task_type.run(
                _Step(self, scope, kind, step_input, before, self.parameters, self.segments, self.worked_out)
            )
        finally:
            await asyncio.shield(self._settle(scope))

    async def _scope(self) -> CallScope:
        runtime, sponsor = self.runtime, self.sponsor
        payer = Payer(sponsor.tenant_id, sponsor.member_id, self.task_type.name)
        async with runtime.database.tenant(sponsor.tenant_id) as session:
            budgets = await budgets_of(session, runtime.configuration, payer)
            stand = await standings(session, sponsor.tenant_id, budgets, now())
        return CallScope(
            tenant_id=sponsor.tenant_id,
            member_id=sponsor.member_id,
            job_id=self.trial.id,
            step_id=new_id(),
            fencing=1,
            revision=self.revision,
            policy=await runtime.configuration.policy(sponsor.tenant_id),
            language=self.language,
            reservation=None,
            deadline=self.deadline,
            sticky_key=self.trial.id.bytes,
            sealer=sponsor.sealer,
            records=[],
            budgets=budgets,
            standings=stand,
        )

    async def _settle(self, scope: CallScope) -> None:
        async with self.runtime.database.tenant(self.sponsor.tenant_id) as session:
            await ledger.settle(session, scope.records)
        for record in scope.records:
            if record.outcome is CallOutcome.UNSENT:
                continue
            self.trial.calls += 1
            self.trial.input_tokens += record.input_tokens
            self.trial.output_tokens += record.output_tokens
            self.trial.cost_micros += record.cost_micros
            self.trial.currency = record.intent.currency


@dataclass
class _Step:
    """The `StepContext` of one step (see copilot/types.py). Nobody watches: what it would show is not kept."""

    of: _Trial
    scope: CallScope
    kind: StepKind
    input: Mapping[str, Any]
    predecessors: Sequence[Mapping[str, Any]]
    parameters: BaseModel
    segments: Sequence[Segment]
    worked_out: dict[str, Any]

    @property
    def language(self) -> str:
        """The documents' language, found as at the door."""
        return self.of.language

    @property
    def context_tokens(self) -> int:
        """The member's window."""
        return context_tokens(self.of.revision)

    @property
    def mark_key(self) -> bytes:
        """The tenant's key for marking document text."""
        return self.of.sponsor.sealer.digest("datamark", b"")

    async def call(self, request: ModelRequest, verify: Verify) -> Answer:
        """Ask the member; a place that is taken is waited for. Raises: as `ModelCaller.call`."""
        loop = asyncio.get_running_loop()
        while True:
            began = time.monotonic()
            try:
                accepted = await self.of.runtime.caller.call(
                    request, scope=self.scope, verify=self._keeping(request, verify)
                )
            except AllResting as resting:
                if loop.time() + resting.retry_after_seconds > self.of.deadline:
                    raise
                await asyncio.sleep(resting.retry_after_seconds)
                continue
            except CallFailed:
                self.of.trial.seconds += time.monotonic() - began
                raise
            self.of.trial.seconds += time.monotonic() - began
            return Answer(value=accepted.value, result=accepted.result, member=accepted.member)

    def _keeping(self, request: ModelRequest, verify: Verify) -> Verify:
        """The checks, beside a note of what they were given and what they said."""
        answers = self.of.trial.answers

        def verify_and_keep(result: ModelResult) -> Any:
            mark = mark_for(self.mark_key, "\n".join(block.text for block in request.blocks))
            answers.append(RawAnswer(self.kind, remove_from_answer(result.text, mark), request.blocks))
            try:
                return verify(result)
            except InvalidOutput as refused:
                answers[-1] = replace(answers[-1], refusal=refused.detail or refused.code)
                raise

        return verify_and_keep

    async def progress(self, phase: str, done: int, total: int, message: str) -> None:
        """Nobody watches."""

    async def show(self, sentences: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> None:
        """Nobody watches."""
