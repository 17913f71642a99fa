"""Room for thoughts within the output limit: who gets it, how much, and where it ends."""

import pytest

from app.vocabulary import ModelClass
from tests.pools.builders import deployment, member


@pytest.mark.parametrize(
    ("model_class", "effort", "limit"),
    [
        (ModelClass.GENERAL, None, 500),
        (ModelClass.GENERAL, "low", 2548),
        (ModelClass.REASONING, None, 8692),
        (ModelClass.REASONING, "none", 500),
        (ModelClass.REASONING, "minimal", 1524),
        (ModelClass.REASONING, "high", 10_000),
    ],
)
def test_an_effort_gives_room_as_far_as_the_models_limit_goes(
    model_class: ModelClass, effort: str | None, limit: int
) -> None:
    place = deployment(model_class=model_class, context_window=100_000, max_output_tokens=10_000)
    one = member(place, parameters=None if effort is None else {"reasoning_effort": effort})
    assert one.output_tokens(500) == limit


def test_a_limit_below_the_answer_leaves_the_answers_limit_to_the_adapter() -> None:
    place = deployment(model_class=ModelClass.REASONING, max_output_tokens=100)
    assert member(place).output_tokens(500) == 500
