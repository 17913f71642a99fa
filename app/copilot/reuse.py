"""Answers of earlier jobs that a step need not pay for again, so that an edit costs what it changed.

What is kept is the answer as the model wrote it, over ids that are local to its chunk. A later step that would ask
the same replays it through its own checks, which anchor it anew in the new document; what does not pass any more
is asked again. The key says what is asked (never the rendered prompt) and who would be asked, under the tenant's
own key: equal texts of two tenants never meet. Only members whom the policy allows now have a key to look for.

A member's own answers only, unless the tenant has opted in: whoever sends a text could else learn, by what it
costs, that a colleague has sent the same.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.copilot.chunking import CHUNKER_VERSION
from app.core.crypto import Sealer
from app.llm.accepted import Accepted
from app.llm.errors import InvalidOutput
from app.llm.loop import demand_of
from app.llm.scope import CallScope
from app.llm.types import ModelRequest, ModelResult, TokenUsage
from app.pools.selection import exclusion
from app.pools.values import PoolMemberFacts
from app.vocabulary import ProviderKind, StepKind

RENDERING_VERSION = 1
"""Raise it when the code that renders prompts shows a model something else for the same request."""
REUSABLE = frozenset({StepKind.MAP, StepKind.MERGE})
"""The last step always runs: whoever asks again wants to be answered."""


@dataclass(frozen=True)
class KeptAnswer:
    """An answer that passed its checks once, and the call that was paid for it."""

    text: str
    finish_reason: str
    response_model: str
    member: Mapping[str, Any]
    call_id: UUID
    tokens: int

    @classmethod
    def of(cls, accepted: Accepted) -> "KeptAnswer":
        """What is kept of an accepted answer."""
        result = accepted.result
        return cls(
            result.text,
            result.finish_reason,
            result.response_model,
            accepted.member,
            accepted.call_id,
            accepted.tokens,
        )

    @classmethod
    def load(cls, value: Mapping[str, Any], *, call_id: UUID, tokens: int) -> "KeptAnswer":
        """What `dump` wrote, with what its row says."""
        return cls(**value, call_id=call_id, tokens=tokens)

    def dump(self) -> dict[str, Any]:
        """The part that is sealed."""
        return {
            "text": self.text,
            "finish_reason": self.finish_reason,
            "response_model": self.response_model,
            "member": dict(self.member),
        }


def reuse_keys(
    request: ModelRequest, scope: CallScope, sealer: Sealer, now: datetime
) -> dict[bytes, PoolMemberFacts]:
    """Under which keys an answer to this may be kept, in the order in which members are asked.

    Extractive members have none: what they pick costs nothing, and must not outlive the failure of better ones.
    """
    if request.step_kind not in REUSABLE:
        return {}
    demand = demand_of(request, scope)
    asked = _canonical(request)
    members = sorted(scope.revision.members, key=lambda member: member.tier)
    return {
        reuse_key(sealer, asked, member): member
        for member in members
        if member.deployment.provider.kind is not ProviderKind.EXTRACTIVE
        and exclusion(member, scope.policy, demand, now=now) is None
    }


def reuse_key(sealer: Sealer, asked: bytes, member: PoolMemberFacts) -> bytes:
    """The key of what is asked of one member: its model, its prompts and its parameters."""
    who = {
        "deployment": str(member.deployment.id),
        "model": member.deployment.model_name,
        "prompts": dict(member.prompts),
        "parameters": dict(member.parameters),
    }
    return sealer.digest("reuse", b"%d|" % len(asked) + asked + _json(who))


def replay(
    kept: KeptAnswer, member: PoolMemberFacts, verify: Callable[[ModelResult], Any]
) -> Accepted | None:
    """The kept answer as if it had just come, checked anew and free; None if it does not pass any more."""
    result = ModelResult(kept.text, TokenUsage(), kept.finish_reason, kept.response_model)
    try:
        value = verify(result)
    except InvalidOutput:
        return None
    return Accepted(
        value=value,
        result=result,
        member=kept.member,
        pool_member_id=member.id,
        call_id=kept.call_id,
        tokens=kept.tokens,
        reused=True,
        hops=(),
        candidates=(),
        excluded=(),
        cost_micros=0,
        price_revision_id=None,
    )


def _canonical(request: ModelRequest) -> bytes:
    """Everything that the request shows a model, whoever it is, without its place in the document."""
    return _json(
        {
            "versions": [CHUNKER_VERSION, RENDERING_VERSION],
            "task_type": request.task_type,
            "step": request.step_kind,
            "blocks": [[block.id, block.kind, block.text, *block.heading_path] for block in request.blocks],
            "said": request.said,
            "parameters": request.parameters,
            "language": request.language,
            "schema": request.response_schema,
            "narrow": request.narrow_schema,
            "output_tokens": request.max_output_tokens,
        }
    )


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
