"""Jobs in memory that keep their answers, a model that counts its tokens, and a report of three hundred pages."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from app.copilot.reuse import KeptAnswer, replay, reuse_keys
from app.copilot.types import Answer, Verify
from app.core.clock import new_id, now
from app.core.crypto import Sealer
from app.documents.segments import Segment
from app.documents.tokens import estimate_tokens
from app.llm.accepted import Accepted
from app.llm.errors import InvalidOutput
from app.llm.scope import CallScope
from app.llm.types import Message, ModelRequest, ModelResult, TokenUsage
from app.pools.values import PoolMemberFacts
from app.tenants.policy import Policy
from app.vocabulary import SegmentKind, StepKind
from tests.copilot.conftest import MemoryJob, NobodyAnswered, document
from tests.pools.builders import revision

Script = Callable[[ModelRequest], str]
TENANT = Sealer(UUID(int=1), {1: b"1" * 32})


@dataclass
class Keeping:
    """What steps of one member have kept, as the table of steps does."""

    answers: dict[bytes, KeptAnswer] = field(default_factory=dict)


class CountingModel:
    """Answers by a function of the request, and counts what a vendor would."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.tokens = 0
        self.asked: list[ModelRequest] = []

    @property
    def calls(self) -> list[StepKind]:
        """The kind of step of each call."""
        return [request.step_kind for request in self.asked]

    async def complete(
        self, request: ModelRequest, messages: Sequence[Message], *, timeout_seconds: float
    ) -> ModelResult:
        answer = self.script(request)
        read = sum(estimate_tokens(message.content) for message in messages)
        usage = TokenUsage(read, estimate_tokens(answer))
        self.tokens += usage.input_tokens + usage.output_tokens
        self.asked.append(request)
        return ModelResult(answer, usage, "stop", "counting")


@dataclass
class ReusingJob(MemoryJob):
    """A job whose steps look for kept answers first, by the product's own keys and replays."""

    keeping: Keeping = field(default_factory=Keeping)
    members: Sequence[PoolMemberFacts] = ()
    policy: Policy = field(default_factory=Policy)
    sealer: Sealer = TENANT
    model: CountingModel = field(default_factory=lambda: CountingModel(lambda _request: ""))
    reused_tokens: int = 0

    async def call(self, request: ModelRequest, verify: Verify) -> Answer:
        self.requests.append(request)
        keys = reuse_keys(request, self._scope(), self.sealer, now())
        for key, member in keys.items():
            kept = self.keeping.answers.get(key)
            accepted = replay(kept, member, verify) if kept is not None else None
            if accepted is not None:
                self.reused_tokens += accepted.tokens
                return Answer(accepted.value, accepted.result, accepted.member)
        member = self.members[0]
        result = await self.model.complete(request, request.render(member.prompts), timeout_seconds=60)
        try:
            value = verify(result)
        except InvalidOutput as error:
            raise NobodyAnswered([error.message]) from error
        for key, one in keys.items():
            if one.id == member.id:
                self.keeping.answers[key] = KeptAnswer.of(_accepted(value, result, member))
        return Answer(value, result, {"method": "generative"})

    def _scope(self) -> CallScope:
        return CallScope(
            tenant_id=self.sealer.tenant_id,
            member_id=new_id(),
            job_id=new_id(),
            step_id=new_id(),
            fencing=1,
            revision=revision(*self.members),
            policy=self.policy,
            language=self.language,
            reservation=None,
            deadline=0.0,
            sticky_key=b"somebody's text",
            sealer=self.sealer,
            records=[],
        )


def _accepted(value: object, result: ModelResult, member: PoolMemberFacts) -> Accepted:
    usage = result.usage
    return Accepted(
        value=value,
        result=result,
        member={"deployment": member.deployment.name},
        pool_member_id=member.id,
        call_id=new_id(),
        tokens=usage.input_tokens + usage.output_tokens,
        hops=(),
        candidates=(),
        excluded=(),
        cost_micros=0,
        price_revision_id=None,
    )


def report(pages: int, *, seed: int = 7, chapters: bool = True) -> list[str | tuple[SegmentKind, str]]:
    """Paragraphs of five sentences, five a page, under headings; each page has its own words."""
    draw = random.Random(seed)
    words = [
        "".join(draw.choice("bdfgklmnprst") + draw.choice("aeiou") for _ in range(draw.randint(2, 4)))
        for _ in range(3000)
    ]
    parts: list[str | tuple[SegmentKind, str]] = []
    for page in range(pages):
        if chapters and page % 10 == 0:
            parts.append(f"# Part {page // 10 + 1}")
        parts.extend(" ".join(_sentence(draw, words) for _ in range(5)) for _ in range(5))
    return parts


def _sentence(draw: random.Random, words: Sequence[str]) -> str:
    said = [draw.choice(words) for _ in range(12)]
    return f"The {said[0]} of the {said[1]} was {' '.join(said[2:7])} and the {' '.join(said[7:])} stayed."


def edited(segments: Sequence[Segment], at: int, *texts: str, removed: int = 1) -> list[Segment]:
    """The document with other paragraphs in one place, numbered anew."""
    parts: list[str | tuple[SegmentKind, str]] = [
        f"# {one.text}" if one.kind is SegmentKind.HEADING else one.text for one in segments
    ]
    return document(*parts[:at], *texts, *parts[at + removed :])
