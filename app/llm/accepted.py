"""What one call has tried so far, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.llm.errors import Hop, ProviderError
from app.llm.scope import CallScope
from app.llm.types import ModelRequest, ModelResult
from app.pools.limits import Grant
from app.pools.selection import Selection
from app.pools.values import PoolMemberFacts
from app.usage.budgets import allowance
from app.usage.errors import MoneyRefused
from app.usage.ledger import CallRecord

_NO_PLACE = "busy_or_resting"


@dataclass(frozen=True)
class Accepted:
    """An answer that passed its checks, who gave it, and how it came to be."""

    value: Any
    result: ModelResult
    member: Mapping[str, Any]
    pool_member_id: UUID
    hops: tuple[Hop, ...]
    candidates: tuple[str, ...]
    excluded: tuple[Mapping[str, str], ...]
    cost_micros: int
    price_revision_id: UUID | None
    call_id: UUID
    """Of the ledger."""
    tokens: int
    """Of that call, as the vendor counted."""
    reused: bool = False
    """Whether the call was made for an earlier step: then this one cost nothing."""
    frugal: bool = False
    """Whether a soft limit was passed, so that a cheaper tier was asked first."""


@dataclass
class Attempts:
    """What one call has tried so far."""

    request: ModelRequest
    scope: CallScope
    selection: Selection
    left: list[PoolMemberFacts]
    holder: str
    reserved: Grant | None = None
    hops: list[Hop] = field(default_factory=list)
    records: list[CallRecord] = field(default_factory=list)
    last_error: ProviderError | None = None
    too_dear: MoneyRefused | None = None


def _passed_over(attempts: Attempts, member: PoolMemberFacts) -> list[PoolMemberFacts]:
    """Those that come before the one that answered and were not asked: at their limit, or they rest.

    This process may know nothing of that: the place was reserved by another one, or found in Redis.
    """
    asked = {record.intent.pool_member_id for record in attempts.records}
    order = attempts.selection.order
    return [one for one in order[: order.index(member)] if one.id not in asked]


def accepted(attempts: Attempts, member: PoolMemberFacts, result: ModelResult, value: Any) -> Accepted:
    """What the last attempt brought, who gave it, and who was passed over."""
    deployment, won = member.deployment, attempts.records[-1]
    return Accepted(
        value=value,
        result=result,
        member={
            "deployment": deployment.name,
            "provider_name": deployment.provider.name,
            "vendor": deployment.provider.vendor,
            "request_model": deployment.model_name,
            "prompt_set": member.prompt_name,
            "prompt_revision": member.prompt_revision,
            "method": result.method,
        },
        pool_member_id=member.id,
        hops=tuple(attempts.hops),
        candidates=tuple(candidate.deployment.name for candidate in attempts.selection.order),
        excluded=tuple(
            {"deployment": excluded.deployment.name, "reason": reason.value}
            for excluded, reason in attempts.selection.excluded
        )
        + tuple(
            {"deployment": passed.deployment.name, "reason": _NO_PLACE}
            for passed in _passed_over(attempts, member)
        ),
        cost_micros=sum(record.cost_micros for record in attempts.records),
        price_revision_id=deployment.price.id if deployment.price is not None else None,
        call_id=won.intent.id,
        tokens=won.input_tokens + won.output_tokens,
        frugal=allowance(attempts.scope.standings).frugal,
    )
