"""Orders within a tier that follow what goes on now: who answers soonest, who is least busy. Pure functions.

`least_latency` looks at two members that the job's draw has picked and asks the better one first, so that many
processes with the same figures do not all run to the same member (power of two choices: Mitzenmacher, 2001). A
member's cost is the peak-EWMA of its answers' seconds, weighed by the calls that it already has (Finagle).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.pools.values import PoolMemberFacts
from app.vocabulary import Strategy

DECAY_SECONDS = 10.0
"""After so long a figure counts for 1/e: what was slow is tried again, and what was fast must show it again."""
BALANCED = frozenset({Strategy.LEAST_LATENCY, Strategy.LEAST_BUSY})
"""Strategies whose order is as of now: a place that was reserved earlier does not change it."""


@dataclass(frozen=True)
class Figures:
    """What is known of a deployment: the decayed peak-EWMA of its answers in seconds, and its calls under way.

    None: nothing is known, and it is worth a try.
    """

    seconds: float | None = None
    calls: int = 0


UNKNOWN = Figures()


def balance(
    strategy: Strategy, drawn: Sequence[PoolMemberFacts], figures: Mapping[UUID, Figures]
) -> list[PoolMemberFacts]:
    """Members of one tier, in the order of the draw, in the strategy's order.

    Those without a weight come last, as they are: they take no part in a choice.
    """
    taking = [one for one in drawn if one.weight > 0]
    rest = [one for one in drawn if one.weight <= 0]
    if strategy is Strategy.LEAST_BUSY:
        return sorted(taking, key=lambda one: busy(one, figures)) + rest
    ordered: list[PoolMemberFacts] = []
    while taking:
        better = min(taking[:2], key=lambda one: cost(one, figures))
        taking.remove(better)
        ordered.append(better)
    return ordered + rest


def cost(member: PoolMemberFacts, figures: Mapping[UUID, Figures]) -> float:
    """Seconds that another call would take; nothing where nothing is known."""
    known = figures.get(member.deployment.id, UNKNOWN)
    return 0.0 if known.seconds is None else known.seconds * (known.calls + 1)


def busy(member: PoolMemberFacts, figures: Mapping[UUID, Figures]) -> float:
    """Calls under way as a part of what it takes at once; nothing for one that takes any number."""
    limit = member.deployment.concurrency
    return 0.0 if not limit else figures.get(member.deployment.id, UNKNOWN).calls / limit


def peak_ewma(known: float | None, sample: float, *, after_seconds: float) -> float:
    """The average after an answer of `sample` seconds. A peak counts at once; what is faster, little by little."""
    if known is None or sample >= known:
        return sample
    kept = math.exp(-after_seconds / DECAY_SECONDS)
    return known * kept + sample * (1 - kept)


def decayed(seconds: float, *, age_seconds: float) -> float:
    """What an average counts for that nobody has renewed for so long."""
    return seconds * math.exp(-age_seconds / DECAY_SECONDS)
