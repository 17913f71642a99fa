"""What the portal takes and gives of models, their prices, prompts, probes and sub-processors, in JSON."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints
from pydantic import BaseModel as Shown

from app.llm.probing import Report
from app.pools.deployments import DeploymentView
from app.pools.prices import PriceView
from app.pools.prompt_sets import MOST_CHARACTERS, PromptSetView
from app.pools.sub_processors import SubProcessor
from app.portal.model_schemas import STAYS, Slug, Words
from app.portal.owners import Owner, owner_of
from app.portal.schemas import Closed
from app.vocabulary import Capability, Lifecycle, ModelClass

Micros = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""What a column of a price holds: two thousand units of the currency per million tokens."""
Tokens = Annotated[int, Field(gt=0, le=100_000_000)]
Limit = Annotated[int, Field(gt=0, le=2_000_000_000)]
Capabilities = Annotated[list[Capability], Field(max_length=10)]
Languages = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]], Field(min_length=1, max_length=200)
]
Parameters = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]], Field(max_length=50)
]


class PriceFields(Closed):
    """Micros, millionths of the currency unit, per million tokens."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    input_micros: Micros
    cached_input_micros: Micros
    output_micros: Micros
    reasoning_micros: Micros


class PriceResource(Shown):
    """A price revision; the newest of the organisation's own that is not withdrawn counts, else the platform's."""

    id: UUID
    owner: Owner
    currency: str
    input_micros: int
    cached_input_micros: int
    output_micros: int
    reasoning_micros: int
    created_at: datetime
    withdrawn_at: datetime | None
    """From then on it counts no more; calls made at it keep it."""

    @classmethod
    def of(cls, view: PriceView) -> Self:
        """As it is shown."""
        values = {
            field.name: getattr(view, field.name) for field in fields(view) if field.name != "tenant_id"
        }
        return cls(owner=owner_of(view.tenant_id), **values)


class DeploymentResource(Shown):
    """A model at a vendor account: what it can, how much at once, how long it will be there, what it costs."""

    id: UUID
    owner: Owner
    name: str
    provider_id: UUID
    model_name: str
    model_class: ModelClass
    capabilities: list[Capability]
    languages: list[str] | None
    context_window: int
    max_output_tokens: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrency: int | None
    lifecycle: Lifecycle
    deprecated_at: datetime | None
    retired_at: datetime | None
    successor_id: UUID | None
    supported_parameters: list[str] | None
    price: PriceFields | None
    """The one that counts now; null where none is known, and calls are then counted as free."""
    archived_at: datetime | None

    @classmethod
    def of(cls, view: DeploymentView) -> Self:
        """As it is shown."""
        facts, price = view.facts, view.facts.price
        supported = facts.supported_parameters
        return cls(
            id=facts.id,
            owner=owner_of(facts.tenant_id),
            name=facts.name,
            provider_id=facts.provider.id,
            model_name=facts.model_name,
            model_class=facts.model_class,
            capabilities=[one for one in Capability if one in facts.capabilities],
            languages=None if facts.languages is None else list(facts.languages),
            context_window=facts.context_window,
            max_output_tokens=facts.max_output_tokens,
            requests_per_minute=facts.requests_per_minute,
            tokens_per_minute=facts.tokens_per_minute,
            concurrency=facts.concurrency,
            lifecycle=facts.lifecycle,
            deprecated_at=view.deprecated_at,
            retired_at=facts.retired_at,
            successor_id=facts.successor_id,
            supported_parameters=None if supported is None else sorted(supported),
            price=None
            if price is None
            else PriceFields(
                currency=price.currency,
                input_micros=price.input_micros,
                cached_input_micros=price.cached_input_micros,
                output_micros=price.output_micros,
                reasoning_micros=price.reasoning_micros,
            ),
            archived_at=view.archived_at,
        )


class CreatedDeployment(DeploymentResource):
    """A new deployment, and which of its values nobody said."""

    from_facts: list[str]
    """Fields that were left out and filled with what is known of the model."""


class NewDeployment(Closed):
    """A model at a provider of one's own. What is left out is filled with what is known of the model."""

    model_config = ConfigDict(protected_namespaces=())

    name: Slug
    provider_id: UUID
    model_name: Words
    """As the vendor calls it, or the deployment at Azure."""
    model_class: ModelClass = STAYS
    """`general` where it is left out and not known."""
    capabilities: Capabilities = STAYS
    """None where they are left out and not known."""
    languages: Languages | None = None
    """ISO 639-1 codes that it writes; null for any."""
    context_window: Tokens = STAYS
    """Must be said where nothing is known of the model; so must `max_output_tokens`."""
    max_output_tokens: Tokens = STAYS
    requests_per_minute: Limit | None = None
    tokens_per_minute: Limit | None = None
    concurrency: Limit | None = None
    lifecycle: Lifecycle = STAYS
    """`active` where it is left out and not known."""
    deprecated_at: AwareDatetime | None = None
    retired_at: AwareDatetime | None = None
    """From then on it serves nothing."""
    successor_id: UUID | None = None
    supported_parameters: Parameters | None = None
    """Null: not known, so every parameter is sent; else a pool's member with another one is not asked."""
    price: PriceFields | None = None
    """Counts at once. Left out: the vendor's list price, where it is known; null: none, calls are counted as free."""


class ChangeDeployment(Closed):
    """What shall be different; what is left out stays. The provider is not changed: make another deployment."""

    model_config = ConfigDict(protected_namespaces=())

    name: Slug = STAYS
    model_name: Words = STAYS
    model_class: ModelClass = STAYS
    capabilities: Capabilities = STAYS
    languages: Languages | None = None
    context_window: Tokens = STAYS
    max_output_tokens: Tokens = STAYS
    requests_per_minute: Limit | None = None
    tokens_per_minute: Limit | None = None
    concurrency: Limit | None = None
    lifecycle: Lifecycle = STAYS
    deprecated_at: AwareDatetime | None = None
    retired_at: AwareDatetime | None = None
    successor_id: UUID | None = None
    supported_parameters: Parameters | None = None


class PromptSetSummary(Shown):
    """A revision of all prompts of a task type, without its text."""

    id: UUID
    owner: Owner
    task_type: str
    name: str
    revision: int
    sha256: str
    created_at: datetime
    archived_at: datetime | None
    """Not offered any more: an imported configuration does not name it; revisions that hold it go on with it."""

    @classmethod
    def of(cls, view: PromptSetView) -> Self:
        """As it is listed."""
        return cls(
            id=view.id,
            owner=owner_of(view.tenant_id),
            task_type=view.task_type,
            name=view.name,
            revision=view.revision,
            sha256=view.sha256,
            created_at=view.created_at,
            archived_at=view.archived_at,
        )


class PromptSetResource(PromptSetSummary):
    """A revision of all prompts of a task type; it never changes."""

    prompts: dict[str, str]

    @classmethod
    def of(cls, view: PromptSetView) -> Self:
        """As it is shown."""
        summary = PromptSetSummary.of(view)
        return cls(**summary.model_dump(), prompts=dict(view.prompts))


class NewPromptSet(Closed):
    """All prompts of a task type under a name: its next revision."""

    task_type: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    name: Slug
    prompts: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")],
            Annotated[
                str, StringConstraints(min_length=1, max_length=MOST_CHARACTERS, pattern=r"^[^\x00]*$")
            ],
        ],
        Field(max_length=50),
    ]
    """By name: those that all the platform's sets of the task type have, and none that no set has."""


class SubProcessorResource(Shown):
    """A company that processes text for this organisation, where, under which terms and since when."""

    processor: str
    vendor: str
    region: str
    provider: str
    owner: Owner
    no_training: bool
    zero_retention: bool
    contract_until: datetime | None
    task_types: list[str]
    since: datetime | None
    """When a revision with it was first published."""

    @classmethod
    def of(cls, one: SubProcessor) -> Self:
        """As it is shown."""
        provider = one.provider
        return cls(
            processor=provider.processor,
            vendor=provider.vendor,
            region=provider.region,
            provider=provider.name,
            owner=owner_of(provider.tenant_id),
            no_training=provider.no_training,
            zero_retention=provider.zero_retention,
            contract_until=provider.contract_until,
            task_types=list(one.task_types),
            since=one.since,
        )


class ProbeUsage(Shown):
    """Tokens as the vendor counted them."""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int


class ProbeFailure(Shown):
    """Why there was no answer that may be used."""

    code: str
    """`unavailable`, `timed_out`, `rate_limited`, `bad_credential`, `bad_request`, `truncated`, ..."""
    message: str
    status: int | None
    """The vendor's HTTP status, where it answered with one."""
    retry_after_seconds: float | None


class ProbeResource(Shown):
    """What one small call of a deployment showed."""

    succeeded: bool
    error: ProbeFailure | None
    latency_ms: int | None
    """Until the whole answer was there, or the failure; null where nothing was asked."""
    first_token_ms: int | None
    usage: ProbeUsage
    finish_reason: str | None
    response_model: str | None
    """As the vendor names what answered."""
    cost_micros: int
    currency: str
    confirmed: list[str]
    """Capabilities that the deployment declares and has shown."""
    refuted: list[str]
    untested: list[str]
    """Declared; so small a call says nothing about them."""

    @classmethod
    def of(cls, report: Report) -> Self:
        """As it is shown."""
        failure = report.failure
        return cls(
            succeeded=failure is None,
            error=None if failure is None else ProbeFailure(**asdict(failure)),
            latency_ms=_milliseconds(report.latency_seconds),
            first_token_ms=_milliseconds(report.first_token_seconds),
            usage=ProbeUsage(**asdict(report.usage)),
            finish_reason=report.finish_reason,
            response_model=report.response_model,
            cost_micros=report.cost_micros,
            currency=report.currency,
            confirmed=list(report.confirmed),
            refuted=list(report.refuted),
            untested=list(report.untested),
        )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
