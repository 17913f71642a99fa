"""What a handler of one step sees: its input, the documents, the pool, and the people who watch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from app.copilot.earlier_answers import EarlierAnswers
from app.copilot.types import Answer, Verify
from app.copilot.windows import context_tokens
from app.core.crypto import Sealer
from app.documents.segments import Segment
from app.jobs.events import EventWriter
from app.jobs.leases import ClaimedStep
from app.llm.accepted import Accepted
from app.llm.loop import ModelCaller
from app.llm.scope import CallScope
from app.llm.types import ModelRequest
from app.vocabulary import JobState, Lane, StepKind


@dataclass(frozen=True)
class StepEvents:
    """The events of one holder of a step; losing one is no failure."""

    writer: EventWriter
    sealer: Sealer
    step: ClaimedStep

    async def begin(self) -> None:
        """From now on the stream refuses the events of earlier holders; the first step says that the job runs."""
        step = self.step
        await self.writer.take_over(step.tenant_id, step.job_id, step.id, step.fencing)
        if step.starts_job:
            await self.emit("state", {"state": JobState.RUNNING})

    async def emit(self, event_type: str, body: Mapping[str, Any]) -> None:
        """Append an event to the job's stream."""
        await self.writer.emit(
            self.sealer,
            job_id=self.step.job_id,
            step_id=self.step.id,
            fencing=self.step.fencing,
            event_type=event_type,
            body=body,
        )


@dataclass
class RunningStep:
    """The `StepContext` of a claimed step (see types.py), and what the runner keeps for its end."""

    step: ClaimedStep
    events: StepEvents
    caller: ModelCaller
    scope: CallScope
    parameters: BaseModel
    input: Mapping[str, Any]
    segments: Sequence[Segment]
    worked_out: dict[str, Any]
    predecessors: Sequence[Mapping[str, Any]]
    earlier: EarlierAnswers
    accepted: list[Accepted] = field(default_factory=list)

    @property
    def kind(self) -> StepKind:
        """What the step does."""
        return self.step.kind

    @property
    def language(self) -> str:
        """The documents' language, as found when the job was accepted."""
        return self.step.language

    @property
    def context_tokens(self) -> int:
        """See `context_tokens`."""
        return context_tokens(self.scope.revision)

    @property
    def mark_key(self) -> bytes:
        """The tenant's key for marking document text."""
        return self.events.sealer.digest("datamark", b"")

    async def call(self, request: ModelRequest, verify: Verify) -> Answer:
        """Take the answer of an earlier step, or ask the pool. Raises: `llm.errors.CallFailed`, `llm.errors.AllResting`, `NoEligibleMember`."""
        # Whoever waits for the last step waits the less, the sooner a vendor that has fallen silent is left.
        watched = self.step.lane == Lane.INTERACTIVE and self.kind is StepKind.FINAL
        keys = self.earlier.keys(request)
        accepted = await self.earlier.find(keys, verify) if keys else None
        if accepted is None:
            accepted = await self.caller.call(
                replace(request, user_watches=watched), scope=self.scope, verify=verify
            )
        self.earlier.keep(keys, accepted)
        self.accepted.append(accepted)
        return Answer(value=accepted.value, result=accepted.result, member=accepted.member)

    async def progress(self, phase: str, done: int, total: int, message: str) -> None:
        """Tell whoever watches."""
        await self.events.emit("progress", {"phase": phase, "done": done, "total": total, "message": message})

    async def show(self, sentences: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> None:
        """Emit checked sentences, one after another; an earlier attempt's text is withdrawn first."""
        if self.step.fencing > 1:
            await self.events.emit("restarted", {"from": 0})
        for sentence, citations in sentences:
            await self.events.emit("text", {"sentence": sentence, "citations": list(citations)})
