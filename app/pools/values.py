"""Frozen facts that the pools room hands to others. Tokens are counts, money is micros of a currency."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from app.vocabulary import Authentication, Lifecycle, MemberPurpose, ModelClass, ProviderKind, Strategy

_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """One price revision, in micros per million tokens."""

    id: UUID
    currency: str
    input_micros: int
    cached_input_micros: int
    output_micros: int
    reasoning_micros: int

    def cost_micros(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        cached_input_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> int:
        """What so many tokens cost, rounded up to a whole micro.

        Vendors count cached input within input, and reasoning within output: each token is paid once.
        """
        cached = min(cached_input_tokens, input_tokens)
        reasoning = min(reasoning_tokens, output_tokens)
        total = (
            (input_tokens - cached) * self.input_micros
            + cached * self.cached_input_micros
            + (output_tokens - reasoning) * self.output_micros
            + reasoning * self.reasoning_micros
        )
        return -(-total // _MILLION)


@dataclass(frozen=True)
class ProviderFacts:
    """A vendor account, where it runs and what its contract promises."""

    tenant_id: UUID
    id: UUID
    name: str
    kind: ProviderKind
    vendor: str
    base_url: str | None
    region: str
    processor: str
    no_training: bool
    zero_retention: bool
    contract_until: datetime | None
    authentication: Authentication = Authentication.KEY
    api_version: str | None = None
    credential_version: int = 0
    """Another number, another key."""


@dataclass(frozen=True)
class DeploymentFacts:
    """One place that can serve a model. `languages` None means any, a limit of None means none."""

    tenant_id: UUID
    id: UUID
    name: str
    provider: ProviderFacts
    model_name: str
    model_class: ModelClass
    capabilities: frozenset[str]
    languages: tuple[str, ...] | None
    context_window: int
    max_output_tokens: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrency: int | None
    lifecycle: Lifecycle
    retired_at: datetime | None
    price: Price | None
    supported_parameters: frozenset[str] | None = None
    """None where it is not known: then every parameter is sent."""
    successor_id: UUID | None = None
    deprecated_at: datetime | None = None
    archived: bool = False
    """Whether it or its provider was put away. Pools of other tenants may still name it."""

    @cached_property
    def breaker_key(self) -> str:
        """The breaker it shares with deployments of the same account, key, region and model.

        A new key begins with a closed one, in every process that knows of it.
        """
        provider = self.provider
        return f"breaker:{provider.id}:{provider.credential_version}:{provider.region}:{self.model_name}"

    @cached_property
    def limited(self) -> bool:
        """Whether anything about it must be counted."""
        limits = (self.requests_per_minute, self.tokens_per_minute, self.concurrency)
        return any(limit is not None for limit in limits)

    def estimate_micros(self, input_tokens: int, output_tokens: int) -> int:
        """The most that a call of this size costs; nothing where no price is known."""
        if self.price is None:
            return 0
        taken = max(self.price.input_micros, self.price.cached_input_micros)
        given = max(self.price.output_micros, self.price.reasoning_micros)
        return -(-(input_tokens * taken + output_tokens * given) // _MILLION)


_THOUGHT_TOKENS = {"none": 0, "minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384}
_MOST_THOUGHT_TOKENS = 16_384
"""For an effort that is not in the table."""


@dataclass(frozen=True)
class PoolMemberFacts:
    """A deployment with its prompt set and parameters. A lower tier is asked first."""

    id: UUID
    deployment: DeploymentFacts
    prompt_set_id: UUID
    prompts: Mapping[str, str]
    prompt_name: str
    prompt_revision: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tier: int = 0
    weight: int = 1
    purpose: MemberPurpose = MemberPurpose.SERVING

    @cached_property
    def thought_tokens(self) -> int:
        """Room for thoughts before an answer, in tokens: vendors count them within the output limit.

        A reasoning model thinks unless its `reasoning_effort` is `none`; another one only where it has an effort.
        """
        reasons = self.deployment.model_class is ModelClass.REASONING
        effort = self.parameters.get("reasoning_effort", "medium" if reasons else "none")
        return _THOUGHT_TOKENS.get(effort, _MOST_THOUGHT_TOKENS)

    def output_tokens(self, answer_tokens: int) -> int:
        """The output limit for such an answer: with room for thoughts, as far as the model's own limit goes."""
        if not self.thought_tokens:
            return answer_tokens
        return max(answer_tokens, min(answer_tokens + self.thought_tokens, self.deployment.max_output_tokens))


@dataclass(frozen=True)
class RevisionFacts:
    """An immutable version of a pool; what its deployments are is read live."""

    id: UUID
    tenant_id: UUID
    pool_id: UUID
    pool_name: str
    number: int
    task_type: str
    strategy: Strategy
    members: tuple[PoolMemberFacts, ...]

    @cached_property
    def lots(self) -> Mapping[UUID, bytes]:
        """What each member draws with, by its id: its deployment, and which of that deployment's members it is.

        Members have other ids in every revision. Their lots stay, so that a new revision moves no more documents
        to another model than it must.
        """
        found: dict[UUID, bytes] = {}
        numbers: Counter[UUID] = Counter()
        for member in sorted(self.members, key=lambda member: (member.tier, member.id)):
            deployment_id = member.deployment.id
            found[member.id] = deployment_id.bytes + numbers[deployment_id].to_bytes(4, "big")
            numbers[deployment_id] += 1
        return found


@dataclass(frozen=True)
class RouteFacts:
    """(tenant or platform, task type, conditions) to a pool."""

    id: UUID
    tenant_id: UUID
    name: str
    task_type: str
    conditions: Mapping[str, Any]
    pool_tenant_id: UUID
    pool_id: UUID
    pool_name: str
    published_revision_id: UUID | None
