"""Members compared over the same cases: means and rates with their intervals, and the differences of pairs.

Intervals hold 95 %. A rate has Wilson's; a mean, and the difference of two members, come from 2,000 bootstrap
samples of cases with a fixed seed, so that the same scores always give the same table. A pair is compared over the
cases that say something about both.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from app.evaluation.errors import ExtraMissing
from app.evaluation.metrics import METRICS, Scores

SEED = 20_261_125
RESAMPLES = 2_000
_LEVEL = 0.95
_FEWEST = 2
_FEWEST_TO_TELL = 10
"""With fewer cases even an interval without 0 tells little: samples of few values repeat them."""

MemberScores = Mapping[str, Scores]
"""By case."""


@dataclass(frozen=True)
class Estimate:
    """A mean over so many cases, with its interval; without one where a single case cannot give any."""

    value: float
    low: float | None
    high: float | None
    cases: int


@dataclass(frozen=True)
class Difference:
    """`second` minus `first` in a metric, over the cases that both have."""

    metric: str
    first: str
    second: str
    by: Estimate

    @property
    def better(self) -> str | None:
        """The member that is better; None where the interval leaves it open."""
        low, high = self.by.low, self.by.high
        if low is None or high is None or low <= 0 <= high or self.by.cases < _FEWEST_TO_TELL:
            return None
        return self.second if (low > 0) is METRICS[self.metric].higher_is_better else self.first


@dataclass(frozen=True)
class Comparison:
    """Every metric that says something, for every member and every pair of members."""

    estimates: Mapping[str, Mapping[str, Estimate]]
    """By metric, then by member."""
    differences: tuple[Difference, ...]


def compare(scores: Mapping[str, MemberScores]) -> Comparison:
    """Compare members by their scores. Raises: `ExtraMissing`."""
    estimates: dict[str, dict[str, Estimate]] = {}
    differences: list[Difference] = []
    for metric in METRICS:
        known = {member: _known(of, metric) for member, of in scores.items()}
        found = {member: _estimate(metric, list(of.values())) for member, of in known.items() if of}
        if found:
            estimates[metric] = found
        for first, second in combinations(scores, 2):
            both = [case for case in known[first] if case in known[second]]
            if both:
                gaps = [known[second][case] - known[first][case] for case in both]
                differences.append(Difference(metric, first, second, bootstrap(gaps)))
    return Comparison(estimates, tuple(differences))


def _known(scores: MemberScores, metric: str) -> dict[str, float]:
    values = {case: of.get(metric) for case, of in scores.items()}
    return {case: value for case, value in values.items() if value is not None}


def _estimate(metric: str, values: Sequence[float]) -> Estimate:
    if METRICS[metric].is_rate:
        return wilson(round(sum(values)), len(values))
    return bootstrap(values)


def wilson(successes: int, cases: int) -> Estimate:
    """A rate with Wilson's interval. Raises: `ExtraMissing`."""
    interval = _scipy().binomtest(successes, cases).proportion_ci(_LEVEL, method="wilson")
    return Estimate(successes / cases, float(interval.low), float(interval.high), cases)


def bootstrap(values: Sequence[float]) -> Estimate:
    """A mean with the percentile interval of the bootstrap. Raises: `ExtraMissing`."""
    import numpy as np

    mean = math.fsum(values) / len(values)
    if len(values) < _FEWEST:
        return Estimate(mean, None, None, len(values))
    if len(set(values)) == 1:
        # Every sample is the same: there is nothing to draw.
        return Estimate(mean, mean, mean, len(values))
    interval = (
        _scipy()
        .bootstrap(
            (np.asarray(values),),
            np.mean,
            n_resamples=RESAMPLES,
            confidence_level=_LEVEL,
            method="percentile",
            rng=np.random.default_rng(SEED),
        )
        .confidence_interval
    )
    return Estimate(mean, float(interval.low), float(interval.high), len(values))


def _scipy() -> Any:
    try:
        from scipy import stats
    except ImportError as error:
        raise ExtraMissing("scipy") from error
    return stats
