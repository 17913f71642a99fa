"""Intervals and differences of members."""

import random

import pytest

from app.evaluation.comparison import Difference, Estimate, bootstrap, compare, wilson
from app.evaluation.metrics import Scores


def scores(metric: str, values: list[float | None]) -> dict[str, Scores]:
    return {f"case-{at}": {metric: value} for at, value in enumerate(values)}


def test_a_rate_has_wilsons_interval() -> None:
    # Wilson (1927), as in Newcombe (1998), table I: 81 of 263, and 0 of 20.
    found = wilson(81, 263)
    assert found.low == pytest.approx(0.2553, abs=1e-4)
    assert found.high == pytest.approx(0.3662, abs=1e-4)
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=1e-4)


def test_the_same_scores_always_give_the_same_interval_and_it_holds_the_mean() -> None:
    drawn = random.Random(7)
    values = [drawn.random() for _ in range(40)]
    found = bootstrap(values)
    assert found == bootstrap(values)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


def test_one_case_has_no_interval_and_equal_ones_have_none_to_draw() -> None:
    assert bootstrap([0.5]) == Estimate(0.5, None, None, 1)
    assert bootstrap([0.5] * 12) == Estimate(0.5, 0.5, 0.5, 12)


def test_a_pair_is_compared_over_the_cases_that_both_have() -> None:
    # Over all cases the first seems better; where both answered, the second is, every time.
    first = scores("facts", [0.9, 0.9, *([0.4] * 12)])
    second = scores("facts", [None, None, *(0.5 + at / 100 for at in range(12))])
    found = compare({"first": first, "second": second})
    assert found.estimates["facts"]["first"].cases == 14
    (difference,) = found.differences
    assert (difference.by.cases, difference.better) == (12, "second")
    assert difference.by.value == pytest.approx(0.155)


@pytest.mark.parametrize(
    ("metric", "low", "high", "better"),
    [
        ("facts", 0.1, 0.3, "b"),
        ("facts", -0.3, -0.1, "a"),
        ("unsupported", 0.1, 0.3, "a"),
        ("seconds", -3.0, -1.0, "b"),
        ("facts", -0.1, 0.3, None),
        ("facts", 0.0, 0.3, None),
    ],
)
def test_who_is_better_depends_on_what_the_metric_means(
    metric: str, low: float, high: float, *, better: str | None
) -> None:
    assert Difference(metric, "a", "b", Estimate((low + high) / 2, low, high, 20)).better == better


def test_few_cases_leave_everything_open() -> None:
    assert Difference("facts", "a", "b", Estimate(1.0, 1.0, 1.0, 6)).better is None
