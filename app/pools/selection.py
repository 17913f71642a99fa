"""Which members of a pool may do a piece of work, and in which order they are asked. Pure functions.

Hard limits first, on every hop; then tiers; then the pool's strategy within a tier. The draw is sticky, so all
jobs of a person on a document prefer the same member, and go on doing so when the process or the revision is another.
"""

import hashlib
import math
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from types import MappingProxyType
from typing import Any
from uuid import UUID

from app.core.errors import ErrorDetail
from app.pools.balancing import Figures, balance
from app.pools.errors import NoEligibleMember
from app.pools.extractive_skills import unskilled
from app.pools.values import DeploymentFacts, PoolMemberFacts, RevisionFacts
from app.tenants.policy import Policy
from app.vocabulary import Lifecycle, MemberPurpose, ProviderKind, StepKind, Strategy


class Exclusion(StrEnum):
    """Why a member may not do this."""

    REGION = "region"
    PROCESSOR = "processor"
    VENDOR = "vendor"
    MODEL_CLASS = "model_class"
    DATA_TERMS = "data_terms"
    CAPABILITY = "capability"
    PARAMETER = "parameter"
    LANGUAGE = "language"
    CONTEXT = "context"
    ARCHIVED = "archived"
    RETIRED = "retired"
    CONTRACT = "contract"
    PURPOSE = "purpose"
    CREDENTIAL = "credential"
    BUDGET = "budget"
    CURRENCY = "currency"
    RESTING = "resting"


_UNKNOWN = "und"
"""A language that nobody could tell."""
_WORDS = {
    Exclusion.REGION: "runs in a region that the tenant does not allow",
    Exclusion.PROCESSOR: "is run by a company that the tenant does not allow",
    Exclusion.VENDOR: "is a vendor's that the tenant does not allow",
    Exclusion.MODEL_CLASS: "is of a model class that the tenant does not allow",
    Exclusion.DATA_TERMS: "does not promise what the tenant requires about training and retention",
    Exclusion.CAPABILITY: "lacks a capability that the task needs",
    Exclusion.PARAMETER: "does not support one of the parameters asked for or configured",
    Exclusion.LANGUAGE: "does not write the language asked for",
    Exclusion.CONTEXT: "takes less text at once than this",
    Exclusion.ARCHIVED: "was put away by whoever owns it",
    Exclusion.RETIRED: "is retired",
    Exclusion.CONTRACT: "has no contract any more",
    Exclusion.PURPOSE: "is only watched, it does not serve yet",
    Exclusion.CREDENTIAL: "has no usable key",
    Exclusion.BUDGET: "costs more than the budget leaves",
    Exclusion.CURRENCY: "is priced in another currency than the budget; bring both into one",
    Exclusion.RESTING: "rests after a failure",
}


@dataclass(frozen=True)
class Demand:
    """What a request needs of a member. `language` is the answer's, `document_language` the source's."""

    task_type: str
    step_kind: StepKind
    language: str
    input_tokens: int
    output_tokens: int
    needs: frozenset[str] = frozenset()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    document_language: str | None = None


@dataclass(frozen=True)
class Allowance:
    """What may still be spent, in micros of `currency`; None for no limit.

    `frugal` when a soft limit is passed: then a cheaper tier is asked first.
    """

    currency: str | None = None
    left_micros: int | None = None
    frugal: bool = False

    def exclusion(
        self, deployment: DeploymentFacts, input_tokens: int, output_tokens: int
    ) -> Exclusion | None:
        """Why the most that such a call can cost may not be spent. What has no price costs nothing."""
        if self.left_micros is None or deployment.price is None:
            return None
        micros = deployment.estimate_micros(input_tokens, output_tokens)
        if not micros:
            return None
        if deployment.price.currency != self.currency:
            return Exclusion.CURRENCY
        return Exclusion.BUDGET if micros > self.left_micros else None


UNLIMITED = Allowance()


@dataclass(frozen=True)
class Selection:
    """Members in the order to ask them, and those that may not be asked with the reason."""

    order: tuple[PoolMemberFacts, ...]
    excluded: tuple[tuple[PoolMemberFacts, Exclusion], ...]


def stickiness(pool_id: UUID, key: bytes) -> float:
    """The draw of a job with this sticky key in a pool, in [0, 1): the same in every process, after every restart.

    The pool is its salt: who is among the few of one pool's cohort is not so in every other pool.
    """
    return _unit(hashlib.blake2b(key, key=pool_id.bytes, digest_size=8).digest())


def select(
    revision: RevisionFacts,
    policy: Policy,
    demand: Demand,
    *,
    resting: Mapping[UUID, float],
    now: datetime,
    draw: float,
    without_credential: Collection[UUID] = (),
    allowance: Allowance = UNLIMITED,
    figures: Mapping[UUID, Figures] = MappingProxyType({}),
) -> Selection:
    """Filter by the hard limits and order what is left.

    `resting` gives, by deployment id, the epoch second until which a breaker is open; `draw` is in
    [0, 1); `without_credential` are providers whose key cannot be had; `figures` by deployment id are for
    strategies that follow what goes on now.

    Raises: `NoEligibleMember` with the reason for each member.
    """
    eligible: list[PoolMemberFacts] = []
    excluded: list[tuple[PoolMemberFacts, Exclusion]] = []
    for member in revision.members:
        reason = exclusion(member, policy, demand, now=now)
        if reason is None and member.deployment.provider.id in without_credential:
            reason = Exclusion.CREDENTIAL
        if reason is None:
            reason = allowance.exclusion(
                member.deployment, demand.input_tokens, member.output_tokens(demand.output_tokens)
            )
        if reason is None and resting.get(member.deployment.id, 0.0) > now.timestamp():
            reason = Exclusion.RESTING
        if reason is None:
            eligible.append(member)
        else:
            excluded.append((member, reason))
    if not eligible:
        raise _nobody(revision, excluded, resting, now)
    eligible = _ordered(eligible, revision, demand, draw, figures)
    if allowance.frugal:
        eligible = _cheaper_first(eligible, demand)
    return Selection(tuple(eligible), tuple(excluded))


def exclusion(member: PoolMemberFacts, policy: Policy, demand: Demand, *, now: datetime) -> Exclusion | None:
    """The first hard limit that keeps a member from this; None when it may."""
    return standing_exclusion(member, policy, now=now) or _ability_exclusion(member, demand)


def standing_exclusion(member: PoolMemberFacts, policy: Policy, *, now: datetime) -> Exclusion | None:
    """What keeps a member from everything, whatever is asked; None when nothing does."""
    return _policy_exclusion(member.deployment, policy) or _lifecycle_exclusion(member, now)


def in_words(reason: Exclusion) -> str:
    """The reason as the rest of a sentence that begins with the member's name."""
    return _WORDS[reason]


def _policy_exclusion(deployment: DeploymentFacts, policy: Policy) -> Exclusion | None:
    provider = deployment.provider
    allowed: tuple[tuple[Collection[str] | None, str, Exclusion], ...] = (
        (policy.allowed_regions, provider.region, Exclusion.REGION),
        (policy.allowed_processors, provider.processor, Exclusion.PROCESSOR),
        (policy.allowed_vendors, provider.vendor, Exclusion.VENDOR),
        (policy.allowed_model_classes, deployment.model_class, Exclusion.MODEL_CLASS),
    )
    for list_, value, reason in allowed:
        if list_ is not None and value not in list_:
            return reason
    if policy.require_no_training and not provider.no_training:
        return Exclusion.DATA_TERMS
    if policy.require_zero_retention and not provider.zero_retention:
        return Exclusion.DATA_TERMS
    return None


def _lifecycle_exclusion(member: PoolMemberFacts, now: datetime) -> Exclusion | None:
    deployment = member.deployment
    retired_at, contract_until = deployment.retired_at, deployment.provider.contract_until
    if deployment.archived:
        return Exclusion.ARCHIVED
    if deployment.lifecycle is Lifecycle.RETIRED or (retired_at is not None and retired_at <= now):
        return Exclusion.RETIRED
    if contract_until is not None and contract_until <= now:
        return Exclusion.CONTRACT
    if member.purpose is not MemberPurpose.SERVING:
        return Exclusion.PURPOSE
    return None


def _ability_exclusion(member: PoolMemberFacts, demand: Demand) -> Exclusion | None:
    deployment = member.deployment
    if not demand.needs <= deployment.capabilities:
        return Exclusion.CAPABILITY
    known = deployment.supported_parameters
    if known is not None and not member.parameters.keys() <= known:
        return Exclusion.PARAMETER
    if deployment.provider.kind is ProviderKind.EXTRACTIVE:
        reason = _extractive_exclusion(demand)
        if reason is not None:
            return reason
    # A few words, labels or figures tell no language: a list of languages keeps nobody from those.
    if deployment.languages is not None and demand.language not in {_UNKNOWN, *deployment.languages}:
        return Exclusion.LANGUAGE
    # The output bound may be lowered to what the member writes: an answer that needed more ends as
    # `Truncated`, a failed attempt, and is never delivered.
    output = min(member.output_tokens(demand.output_tokens), deployment.max_output_tokens)
    if demand.input_tokens + output > deployment.context_window:
        return Exclusion.CONTEXT
    return None


def _extractive_exclusion(demand: Demand) -> Exclusion | None:
    """It picks sentences, in the document's own words, for nobody in particular."""
    lacking = unskilled(demand.task_type, demand.parameters)
    if lacking is not None:
        return Exclusion.CAPABILITY if lacking == demand.task_type else Exclusion.PARAMETER
    asked = demand.parameters.get("language")
    own = demand.document_language or demand.language
    if (asked and asked != own) or demand.language != own:
        return Exclusion.LANGUAGE
    return None


def _ordered(
    members: list[PoolMemberFacts],
    revision: RevisionFacts,
    demand: Demand,
    draw: float,
    figures: Mapping[UUID, Figures],
) -> list[PoolMemberFacts]:
    """By tier, then by the strategy, and where it has no preference by the draw."""
    lots = revision.lots
    drawn = sorted(
        members, key=lambda member: (member.tier, _weighted(member, lots[member.id], draw), member.id)
    )
    match revision.strategy:
        case Strategy.WEIGHTED:
            return drawn
        case Strategy.LEAST_COST:
            return sorted(drawn, key=lambda member: (member.tier, _cost(member, demand)))
        case Strategy.LEAST_LATENCY | Strategy.LEAST_BUSY:
            tiers = groupby(drawn, key=lambda member: member.tier)
            return [one for _, tier in tiers for one in balance(revision.strategy, list(tier), figures)]


def _cheaper_first(order: list[PoolMemberFacts], demand: Demand) -> list[PoolMemberFacts]:
    """Begin with the first tier that is cheaper than the one whose turn it is; what was skipped comes last.

    Picking sentences is no cheaper way of writing: extractive members keep their place.
    """
    tiers: dict[int, float] = {}
    for member in order:
        if member.deployment.provider.kind is not ProviderKind.EXTRACTIVE:
            tiers[member.tier] = min(tiers.get(member.tier, math.inf), _cost(member, demand))
    usual = next(iter(tiers.values()), math.inf)
    cheaper = next((tier for tier, cost in tiers.items() if cost < usual), None)
    if cheaper is None:
        return order
    return sorted(order, key=lambda member: member.tier < cheaper)


def _weighted(member: PoolMemberFacts, lot: bytes, draw: float) -> float:
    """Weighted rendezvous: the smallest -ln(u)/weight wins in proportion to the weights, and a member that comes,
    goes or changes its weight moves only the share that it gains or loses (Schindelhauer, Schomaker, 2005).
    """
    if member.weight <= 0:
        return math.inf
    digest = hashlib.blake2b(struct.pack("<d", draw), key=lot, digest_size=8).digest()
    return -math.log(1.0 - _unit(digest)) / member.weight


def _cost(member: PoolMemberFacts, demand: Demand) -> float:
    """Estimated micros; a member without a known price comes last."""
    if member.deployment.price is None:
        return math.inf
    return member.deployment.estimate_micros(demand.input_tokens, member.output_tokens(demand.output_tokens))


def _unit(digest: bytes) -> float:
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def _nobody(
    revision: RevisionFacts,
    excluded: list[tuple[PoolMemberFacts, Exclusion]],
    resting: Mapping[UUID, float],
    now: datetime,
) -> NoEligibleMember:
    waits = [
        resting[member.deployment.id] - now.timestamp()
        for member, reason in excluded
        if reason is Exclusion.RESTING
    ]
    reasons = "; ".join(f"{member.deployment.name} {_WORDS[reason]}" for member, reason in excluded)
    return NoEligibleMember(
        f"No member of the pool {revision.pool_name} may do this: {reasons or 'it has no members'}."
        " Change the request, or ask your administrator to change the pool or the policy.",
        details=[
            ErrorDetail(reason, f"{member.deployment.name} {_WORDS[reason]}", member.deployment.name)
            for member, reason in excluded
        ],
        retry_after_seconds=min(waits, default=None),
    )


def may_process(member: PoolMemberFacts, policy: Policy, *, now: datetime) -> bool:
    """Whether a tenant's text may reach a member at all, be it to serve or to be watched."""
    serving = replace(member, purpose=MemberPurpose.SERVING)
    return _policy_exclusion(member.deployment, policy) is None and _lifecycle_exclusion(serving, now) is None
