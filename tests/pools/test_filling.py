"""What is left out of a deployment comes from the facts, and what is said stays."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from app.pools.errors import WrongConfiguration
from app.pools.filling import Filled, fill
from app.vocabulary import Lifecycle, ModelClass, ProviderKind

SONNET = {"model_name": "claude-sonnet-4-5"}
RETIRED = datetime(2026, 11, 30, tzinfo=UTC)


def filled(said: dict[str, Any], *, price_said: bool = False) -> Filled:
    return fill(ProviderKind.ANTHROPIC, "anthropic", said, price_said=price_said, on=date(2026, 11, 25))


def test_everything_that_is_known_of_a_model_is_filled_and_named() -> None:
    whole = filled(SONNET)
    assert whole.values == {
        **SONNET,
        "model_class": ModelClass.GENERAL,
        "capabilities": ["json_schema", "tools"],
        "context_window": 200_000,
        "max_output_tokens": 50_000,
        "supported_parameters": ["temperature", "top_p"],
        "lifecycle": Lifecycle.DEPRECATED,
        "retired_at": RETIRED,
    }
    assert whole.price is not None
    assert (whole.price["currency"], whole.price["output_micros"]) == ("USD", 15_000_000)
    assert set(whole.from_facts) == {*whole.values, "price"} - {"model_name"}


def test_what_is_said_stays_also_where_it_is_null() -> None:
    said: dict[str, Any] = {
        **SONNET,
        "capabilities": [],
        "supported_parameters": None,
        "retired_at": None,
        "context_window": 9000,
    }
    whole = filled(said, price_said=True)
    assert {name: whole.values[name] for name in said} == said
    assert whole.price is None
    assert whole.from_facts == ("model_class", "max_output_tokens", "lifecycle")


def test_a_fact_that_contradicts_what_was_said_gives_way() -> None:
    small = filled({**SONNET, "context_window": 9000})
    assert small.values["max_output_tokens"] == 9000
    late = filled({**SONNET, "deprecated_at": datetime(2027, 1, 1, tzinfo=UTC)})
    assert "retired_at" not in late.values
    assert "retired_at" not in late.from_facts


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({}, ["context_window", "max_output_tokens"]),
        ({"context_window": 4096}, ["max_output_tokens"]),
        ({"context_window": None, "max_output_tokens": 1024}, ["context_window"]),
    ],
)
def test_limits_that_nobody_knows_must_be_said(said: dict[str, Any], missing: list[str]) -> None:
    with pytest.raises(WrongConfiguration) as refused:
        filled({"model_name": "home-grown", **said})
    assert [detail.target for detail in refused.value.details] == missing
    assert "home-grown" in refused.value.message


def test_of_an_unknown_model_nothing_else_is_filled() -> None:
    said = {"model_name": "home-grown", "context_window": 4096, "max_output_tokens": 1024}
    whole = filled(said)
    assert (whole.price, whole.from_facts) == (None, ())
    assert (whole.values["model_class"], whole.values["capabilities"]) == (ModelClass.GENERAL, [])
