"""Questions of which member would serve, and their answers, in JSON."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from app.copilot.cohorts import by_item, by_name
from app.copilot.explaining import Candidate, Explanation, Question
from app.pools.routes import plain_language
from app.pools.selection import Exclusion, in_words
from app.portal.pool_schemas import Owner, TaskTypeName, owner_of
from app.portal.schemas import Closed
from app.tenants.members import MemberAttributes
from app.usage.budgets import Standing
from app.vocabulary import BudgetScope, Lane, MemberPurpose, OfficeHost, Period, StepKind, Strategy


class ExplainedItem(Closed):
    """A file in Microsoft 365."""

    drive_id: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    item_id: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class ExplainRequest(Closed):
    """A job that is not submitted. Either of a member, or of somebody in a group or department.

    On a document that was uploaded under a name or is a drive item, or on what the pane sends itself: a draw goes by
    the member and the document.
    """

    task_type: TaskTypeName
    parameters: dict[str, Any] = Field(default_factory=dict)
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] = "und"
    document_tokens: int = Field(0, ge=0, le=1_000_000_000)
    lane: Lane = Lane.INTERACTIVE
    host: OfficeHost = OfficeHost.WORD
    member_id: UUID | None = None
    group: UUID | None = None
    department: Annotated[str, StringConstraints(max_length=200)] = ""
    document_name: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    drive_item: ExplainedItem | None = None

    @model_validator(mode="after")
    def _one_document(self) -> Self:
        if self.document_name is not None and self.drive_item is not None:
            raise ValueError("name a document or a drive item, not both")
        return self

    def question(self) -> Question:
        """What the room takes."""
        groups = frozenset() if self.group is None else frozenset({str(self.group)})
        item = self.drive_item
        document = None if self.document_name is None else by_name(self.document_name)
        return Question(
            task_type=self.task_type,
            parameters=self.parameters,
            language=plain_language(self.language),
            document_tokens=self.document_tokens,
            lane=self.lane,
            host=self.host,
            member_id=self.member_id,
            document=document if item is None else by_item(item.drive_id, item.item_id),
            attributes=MemberAttributes(groups, self.department),
        )


class ExplainedRoute(BaseModel):
    """The route that wins, where it leads, and why it is this one."""

    name: str
    reason: str
    pool: str
    pool_owner: Owner
    revision: int
    strategy: Strategy


class ExplainedMember(BaseModel):
    """A member of the pool. Without `reason` it may serve; `share` is its part of its tier's jobs."""

    deployment: str
    provider: str
    vendor: str
    model: str
    region: str
    prompt_set: str
    tier: int
    weight: int
    purpose: MemberPurpose
    share: float | None
    reason: Exclusion | None
    message: str | None
    rests_for_seconds: float | None
    """None of what follows is known while Redis is away."""
    calls_at_once: int | None
    requests_last_minute: int | None
    tokens_last_minute: int | None
    concurrency: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    most_micros_a_call: int | None
    currency: str | None

    @classmethod
    def of(cls, one: Candidate) -> "ExplainedMember":
        """As shown."""
        member, deployment, load = one.member, one.member.deployment, one.load
        return cls(
            deployment=deployment.name,
            provider=deployment.provider.name,
            vendor=deployment.provider.vendor,
            model=deployment.model_name,
            region=deployment.provider.region,
            prompt_set=f"{member.prompt_name}@{member.prompt_revision}",
            tier=member.tier,
            weight=member.weight,
            purpose=member.purpose,
            share=one.share,
            reason=one.reason,
            message=None if one.reason is None else f"{deployment.name} {in_words(one.reason)}",
            rests_for_seconds=None if load is None else load.rests_for_seconds,
            calls_at_once=None if load is None else load.calls_at_once,
            requests_last_minute=None if load is None else load.requests_last_minute,
            tokens_last_minute=None if load is None else load.tokens_last_minute,
            concurrency=deployment.concurrency,
            requests_per_minute=deployment.requests_per_minute,
            tokens_per_minute=deployment.tokens_per_minute,
            most_micros_a_call=one.most_micros,
            currency=None if deployment.price is None else deployment.price.currency,
        )


class ExplainedBudget(BaseModel):
    """A budget that bounds the job, as it stands now."""

    scope: BudgetScope
    period: Period
    currency: str
    left_micros: int | None
    is_past_soft_limit: bool
    ends_at: datetime

    @classmethod
    def of(cls, one: Standing) -> "ExplainedBudget":
        """As shown."""
        return cls(
            scope=one.budget.scope,
            period=one.budget.period,
            currency=one.budget.currency,
            left_micros=one.left_micros,
            is_past_soft_limit=one.past_soft,
            ends_at=one.ends_at,
        )


class ExplainedCost(BaseModel):
    """What the job costs at most if no call has to be repeated, by whoever of `order` is dearest."""

    calls: int
    micros: int
    currency: str


class Refusal(BaseModel):
    """What the door would answer."""

    code: str
    message: str


class ExplanationResource(BaseModel):
    """Who would be asked, in this order, and who would not. Within a tier of a weighted pool a draw decides.

    It is that of this member and document, on which all their jobs begin with the same member of the pool.
    """

    would_be_accepted: bool
    refusal: Refusal | None
    route: ExplainedRoute | None
    first_step: StepKind | None
    order: list[ExplainedMember]
    excluded: list[ExplainedMember]
    budgets: list[ExplainedBudget]
    costs_at_most: ExplainedCost | None

    @classmethod
    def of(cls, found: Explanation) -> "ExplanationResource":
        """As shown."""
        route = None
        if found.route is not None and found.revision is not None:
            route = ExplainedRoute(
                name=found.route.route_name,
                reason=found.route.reason,
                pool=found.route.pool_name,
                pool_owner=owner_of(found.route.pool_tenant_id),
                revision=found.revision.number,
                strategy=found.revision.strategy,
            )
        refusal = found.refusal
        return cls(
            would_be_accepted=refusal is None,
            refusal=None if refusal is None else Refusal(code=refusal.code, message=refusal.message),
            route=route,
            first_step=found.first_step,
            order=[ExplainedMember.of(one) for one in found.order],
            excluded=[ExplainedMember.of(one) for one in found.excluded],
            budgets=[ExplainedBudget.of(one) for one in found.budgets],
            costs_at_most=_cost(found),
        )


def _cost(found: Explanation) -> ExplainedCost | None:
    dearest = max(
        (one for one in found.order if one.most_micros is not None),
        key=lambda one: one.most_micros or 0,
        default=None,
    )
    if dearest is None or dearest.most_micros is None or dearest.member.deployment.price is None:
        return None
    return ExplainedCost(
        calls=found.calls,
        micros=found.calls * dearest.most_micros,
        currency=dearest.member.deployment.price.currency,
    )
