"""Planning a step before it is hinted: which member will probably do it, with a place reserved there.

A plan may be wrong (the worker sees the parameters, the relay does not); then the call loop corrects it.
What matters is that no worker's slot is held while everything that could serve a step is busy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.core.clock import now
from app.pools.balancing import BALANCED, Figures
from app.pools.breakers import Breakers
from app.pools.configuration import Configuration
from app.pools.errors import NoEligibleMember, UnknownRevision
from app.pools.limits import LEASE_SECONDS, Grant, Limits, Refusal
from app.pools.selection import UNLIMITED, Allowance, Demand, select, stickiness
from app.pools.values import PoolMemberFacts, RevisionFacts
from app.vocabulary import StepKind

OUTPUT_TOKENS = 512
"""What an answer is reckoned with before the task type says."""


@dataclass(frozen=True)
class StepFacts:
    """What planning knows of a step."""

    id: UUID
    task_type: str
    kind: StepKind
    language: str
    estimated_tokens: int
    sticky_key: bytes
    """What the job draws with."""
    reservation: Mapping[str, Any] | None = None
    """What was reserved for an earlier hint that nobody took."""


@dataclass(frozen=True)
class Reservation:
    """A place at a member, to be stored on the step as `as_json()`."""

    member: PoolMemberFacts
    grant: Grant
    reserved_micros: int
    until: float
    """Epoch seconds after which the place is free again."""

    def as_json(self) -> dict[str, Any]:
        """What the step carries to the worker."""
        return {
            "member_id": str(self.member.id),
            "deployment_id": str(self.member.deployment.id),
            "tokens": self.grant.tokens,
            "reserved_micros": self.reserved_micros,
            "until": self.until,
            "holder": self.grant.holder,
            "second": self.grant.second,
            "probe": self.grant.probe,
        }


@dataclass(frozen=True)
class Wait:
    """Everything that could serve the step is busy or rests: postpone it so long."""

    seconds: float


@dataclass(frozen=True)
class Unplanned:
    """Nothing to reserve; hint the step and let the worker find out or say what is wrong."""

    reason: str


async def plan(
    configuration: Configuration,
    breakers: Breakers,
    limits: Limits,
    *,
    tenant_id: UUID,
    revision_id: UUID,
    step: StepFacts,
    allowance: Allowance = UNLIMITED,
) -> Reservation | Wait | Unplanned:
    """Reserve a place for a step at the first member that passes."""
    if not step.kind.calls_models:
        return Unplanned("the step calls no model")
    demand = Demand(
        task_type=step.task_type,
        step_kind=step.kind,
        language=step.language,
        input_tokens=step.estimated_tokens,
        output_tokens=OUTPUT_TOKENS,
    )
    try:
        revision = await configuration.revision(tenant_id, revision_id)
        selection = select(
            revision,
            await configuration.policy(tenant_id),
            demand,
            resting=breakers.resting(member.deployment for member in revision.members),
            now=now(),
            draw=stickiness(revision.pool_id, step.sticky_key),
            allowance=allowance,
            figures=figures_for(limits, revision, step.reservation),
        )
    except UnknownRevision as error:
        return Unplanned(error.code)
    except NoEligibleMember as nobody:
        if nobody.retry_after_seconds is not None:
            return Wait(nobody.retry_after_seconds)
        return Unplanned(nobody.code)
    answer = await limits.reserve(
        [member.deployment for member in selection.order],
        tokens=step.estimated_tokens + OUTPUT_TOKENS,
        holder=f"step:{step.id}",
        reserved=reserved_grant(revision, step.reservation) if step.reservation is not None else None,
    )
    for position, seconds in answer.resting.items():
        breakers.learn(selection.order[position].deployment, seconds)
    if isinstance(answer, Refusal):
        return Wait(answer.retry_after_seconds)
    member = selection.order[answer.index]
    if revision.strategy in BALANCED and member.deployment.limited:
        # Until the next look shows its lease. What has no limits is counted where its calls end.
        limits.traffic.took(member.deployment)
    return Reservation(
        member=member,
        grant=answer,
        reserved_micros=member.deployment.estimate_micros(
            step.estimated_tokens, member.output_tokens(OUTPUT_TOKENS)
        ),
        until=now().timestamp() + LEASE_SECONDS,
    )


async def give_back(limits: Limits, reservation: Reservation) -> None:
    """Free a place that will not be used: the hint did not go out."""
    await limits.release(reservation.grant, used_tokens=None)


def figures_for(
    limits: Limits, revision: RevisionFacts, reservation: Mapping[str, Any] | None
) -> Mapping[UUID, Figures]:
    """How fast and busy the members are, where the pool chooses by it. What asks does not count itself as busy."""
    if revision.strategy not in BALANCED:
        return {}
    figures = dict(limits.traffic.figures(member.deployment for member in revision.members))
    for deployment_id, known in figures.items():
        if reservation is not None and str(deployment_id) == reservation["deployment_id"]:
            figures[deployment_id] = replace(known, calls=max(0, known.calls - 1))
    return figures


def reserved_grant(revision: RevisionFacts, reservation: Mapping[str, Any]) -> Grant | None:
    """The grant behind a stored reservation; None when its deployment is no longer in the revision."""
    for index, member in enumerate(revision.members):
        if str(member.deployment.id) == reservation["deployment_id"]:
            return Grant(
                index=index,
                deployment=member.deployment,
                holder=reservation["holder"],
                tokens=int(reservation["tokens"]),
                second=int(reservation["second"]),
                probe=bool(reservation.get("probe")),
            )
    return None
