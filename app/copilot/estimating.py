"""What a job will probably cost, from its task type's plan and the prices of the members that may do it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.copilot.work import Calls, Work
from app.pools.selection import Selection
from app.pools.values import PoolMemberFacts, Price, RevisionFacts

_MILLION = 1_000_000


@dataclass(frozen=True)
class Span:
    """At least and at most."""

    low: int
    high: int


@dataclass(frozen=True)
class Estimate:
    """What a job will probably need. Money is in micros of the currency; None where no member has a price.

    `cost` is that of the members whose turn is first; `worst_micros` is what the same requests cost at most if
    others that may do it have to be asked instead. Attempts that fail cost extra.
    """

    route: str
    pool: str
    revision: int
    first_member: PoolMemberFacts
    steps: Span
    input_tokens: Span
    output_tokens: Span
    cost: Span
    worst_micros: int
    currency: str | None

    def as_json(self) -> dict[str, Any]:
        """For the job's row and for callers."""
        deployment = self.first_member.deployment
        return {
            "route": self.route,
            "pool": self.pool,
            "revision": self.revision,
            "first_member": {
                "deployment": deployment.name,
                "provider_name": deployment.provider.name,
                "request_model": deployment.model_name,
            },
            **{
                name: {"low": span.low, "high": span.high}
                for name, span in (
                    ("steps", self.steps),
                    ("input_tokens", self.input_tokens),
                    ("output_tokens", self.output_tokens),
                )
            },
            "cost": {
                "low_micros": self.cost.low,
                "high_micros": self.cost.high,
                "worst_micros": self.worst_micros,
                "currency": self.currency,
            },
        }


def estimate(work: Work, revision: RevisionFacts, selection: Selection, *, route: str) -> Estimate:
    """The estimate of so much work at the members that a selection found, in its order."""
    first = selection.order[0]
    peers = [one for one in selection.order if one.tier == first.tier]
    currency = next((one.currency for one in map(_price, selection.order) if one is not None), None)
    plans = int(work.planned)
    return Estimate(
        route=route,
        pool=revision.pool_name,
        revision=revision.number,
        first_member=first,
        steps=Span(_sum(work.least, _count) + plans, _sum(work.most, _count) + plans),
        input_tokens=Span(_sum(work.least, _input), _sum(work.most, _input)),
        output_tokens=Span(_sum(work.least, _output), _sum(work.most, _output)),
        cost=Span(min(_least(work, one) for one in peers), max(_most(work, one) for one in peers)),
        worst_micros=max(_most(work, one) for one in selection.order),
        currency=currency,
    )


def _least(work: Work, member: PoolMemberFacts) -> int:
    price = _price(member)
    if price is None:
        return 0
    taken = min(price.input_micros, price.cached_input_micros) * _sum(work.least, _input)
    given = min(price.output_micros, price.reasoning_micros) * _sum(work.least, _output)
    return (taken + given) // _MILLION


def _most(work: Work, member: PoolMemberFacts) -> int:
    """Each request is rounded up to the micro."""
    # Room for thoughts is reserved with each request.
    output = _sum(work.most, _output) + member.thought_tokens * _sum(work.most, _count)
    whole = member.deployment.estimate_micros(_sum(work.most, _input), output)
    return whole + _sum(work.most, _count) if whole else 0


def _price(member: PoolMemberFacts) -> Price | None:
    return member.deployment.price


def _sum(calls: Sequence[Calls], what: Callable[[Calls], int]) -> int:
    return sum(map(what, calls))


def _count(calls: Calls) -> int:
    return calls.count


def _input(calls: Calls) -> int:
    return calls.input_tokens


def _output(calls: Calls) -> int:
    return calls.output_tokens
