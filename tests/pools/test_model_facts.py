"""The file of facts about models: whole, unambiguous, with its sources; and what a deployment is by default."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from app.pools.defaults import DefaultPrice, defaults_for, dialect_for
from app.pools.model_facts import model_facts, read
from app.pools.seed_schema import SeedParameters, parse
from app.vocabulary import Lifecycle, ModelClass, ProviderKind

TODAY = date(2026, 11, 25)
COMPATIBLE = ProviderKind.OPENAI_COMPATIBLE


def names(pattern: str) -> list[str]:
    """Names that a pattern stands for."""
    return [pattern.replace("*", some).replace("?", "1") for some in ("x", "70b-1")]


def test_a_model_belongs_to_one_family_of_its_vendor() -> None:
    families = model_facts().families
    for family in families:
        for name in [name for pattern in family.models for name in names(pattern)]:
            found = [one.models[0] for one in families if one.vendor == family.vendor and one.has(name)]
            assert found == [family.models[0]], name
    vendors = [vendor for dialect in model_facts().dialects for vendor in dialect.vendors]
    assert len(vendors) == len(set(vendors))


def test_limits_fit_together_and_cached_input_is_no_dearer() -> None:
    for family in model_facts().families:
        if family.context_window is not None and family.max_output_tokens is not None:
            assert family.max_output_tokens <= family.context_window, family.models
        for price in family.prices:
            assert price.cached_input_micros <= price.input_micros <= price.output_micros, family.models
    assert all(source.read <= TODAY for source in model_facts().sources.values())


def test_every_successor_is_a_model_that_is_not_retired() -> None:
    families = model_facts().families
    for family in families:
        if family.successor is not None:
            (next_one,) = [
                one for one in families if one.vendor == family.vendor and one.has(family.successor)
            ]
            assert next_one.retired_on is None or next_one.retired_on > TODAY


def test_the_vendors_of_the_product_are_all_there() -> None:
    vendors = {family.vendor for family in model_facts().families}
    assert vendors == {
        *("openai", "microsoft", "anthropic", "google", "xai", "deepseek", "mistral", "meta", "open"),
    }
    assert {one.name for one in model_facts().dialects} == {
        *("openai", "xai", "deepseek", "mistral", "meta", "vllm", "ollama", "llama.cpp", "gateway"),
    }
    parameters = {name for family in model_facts().families for name in family.supported_parameters or ()}
    assert parameters <= SeedParameters.model_fields.keys()


FAMILY: dict[str, Any] = {
    "vendor": "acme",
    "models": ["a"],
    "model_class": "general",
    "capabilities": [],
    "sources": ["page"],
}
PRICE = {"currency": "EUR", "input_micros": 1, "cached_input_micros": 1, "output_micros": 1}
ANY = {"name": "any", "vendors": ["*"], "output_limit": "max_tokens", "sources": ["page"]}


def facts(**changes: Any) -> str:
    whole = {
        "sources": {"page": {"url": "https://vendor.example/", "read": TODAY}},
        "dialects": [ANY],
        "families": [{**FAMILY, **changes}],
    }
    return yaml.safe_dump(whole)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"contextwindow": 5}, "Extra inputs"),
        ({"prices": [{**PRICE, "output_micros": 0}]}, "greater than 0"),
        ({"prices": [PRICE, PRICE]}, "begins later"),
        ({"released_on": date(2026, 5, 1), "retired_on": date(2026, 4, 1)}, "not in this order"),
        ({"sources": ["page", "elsewhere"]}, "elsewhere"),
        ({"sources": []}, "at least 1"),
        ({"supported_parameters": ["verbosity"]}, "temperature"),
    ],
)
def test_a_file_that_is_wrong_is_refused(changes: dict[str, Any], words: str) -> None:
    read(facts())
    with pytest.raises(ValidationError, match=words):
        read(facts(**changes))


def test_a_vendors_own_model_comes_with_limits_price_and_dates() -> None:
    known = defaults_for(ProviderKind.OPENAI, "openai", "gpt-4.1-mini-2025-04-14", on=TODAY)
    assert known is not None
    assert (known.context_window, known.max_output_tokens) == (1_047_576, 32_768)
    assert known.price == DefaultPrice("USD", 400_000, 100_000, 1_600_000, 1_600_000)
    assert (known.lifecycle, known.successor) == (Lifecycle.DEPRECATED, "gpt-6-luna")
    assert known.retired_at == datetime(2027, 1, 14, tzinfo=UTC)
    assert "https://developers.openai.com/api/docs/deprecations" in known.sources
    after = defaults_for(ProviderKind.OPENAI, "openai", "gpt-4.1-mini", on=date(2027, 1, 14))
    assert after is not None
    assert after.lifecycle is Lifecycle.RETIRED


def test_a_price_that_changes_is_the_one_of_the_day() -> None:
    prices = [
        known.price.input_micros
        for day in (date(2026, 12, 31), date(2027, 1, 1))
        if (known := defaults_for(ProviderKind.GOOGLE, "google", "gemini-3.8-flash", on=day)) and known.price
    ]
    assert prices == [750_000, 1_500_000]


def test_the_window_is_no_longer_than_the_list_price_holds() -> None:
    own = defaults_for(ProviderKind.OPENAI, "openai", "gpt-6-luna")
    on_azure = defaults_for(ProviderKind.AZURE_OPENAI, "azure", "gpt-6-luna")
    assert own is not None
    assert on_azure is not None
    assert (own.context_window, on_azure.context_window) == (272_000, 1_050_000)
    assert (on_azure.price, on_azure.retired_at, on_azure.successor) == (None, None, None)
    assert on_azure.supported_parameters == ("reasoning_effort",)


def test_a_model_of_microsofts_own_is_known_at_foundry_and_another_vendors_by_its_limits() -> None:
    own = defaults_for(ProviderKind.AZURE_FOUNDRY, "mai", "MAI-Thinking-1")
    assert own is not None
    assert own.price is not None
    assert own.model_class is ModelClass.REASONING
    other = defaults_for(ProviderKind.AZURE_FOUNDRY, "mai", "grok-4.5")
    assert other is not None
    assert (other.context_window, other.price) == (500_000, None)


def test_open_models_are_known_by_what_the_server_gives_them() -> None:
    ollama = defaults_for(COMPATIBLE, "ollama", "llama3.3:70b")
    vllm = defaults_for(COMPATIBLE, "vllm", "meta-llama/Llama-3.3-70B-Instruct")
    assert ollama is not None
    assert vllm is not None
    assert (ollama.context_window, vllm.context_window) == (4_096, 131_072)
    assert "grammar" in vllm.capabilities
    assert vllm.languages is not None
    assert {"en", "de"} <= set(vllm.languages)
    assert vllm.price is None


def test_the_answers_part_of_the_window_leaves_room_for_what_is_asked() -> None:
    for family in model_facts().families:
        for kind in ProviderKind:
            known = defaults_for(kind, family.vendor, family.models[0], on=TODAY)
            if known is not None and known.context_window and known.max_output_tokens:
                assert known.max_output_tokens * 4 <= known.context_window
    all_of_it = defaults_for(COMPATIBLE, "mistral", "mistral-small-latest")
    assert all_of_it is not None
    assert (all_of_it.context_window, all_of_it.max_output_tokens) == (256_000, 64_000)


def test_the_operators_page_says_what_the_facts_say() -> None:
    page = Path("docs/models.md").read_text(encoding="utf-8")
    for dialect in model_facts().dialects[1:-1]:
        (line,) = [
            line for line in page.splitlines() if line.startswith(f"| `openai_compatible`, `{dialect.name}` ")
        ]
        assert f"| `{dialect.output_limit}` |" in line
        assert ("object" in line) is (dialect.json_mode == "json_object")
        assert ("grammar" in line) is dialect.grammar
        assert ("counted apart" in line) is dialect.reasoning_apart
        assert ("unasked" in line) is (dialect.usage_in_stream == "always")
        assert dialect.served_window is None or f"{dialect.served_window:,}" in line


def test_what_nobody_knows_has_no_defaults_and_the_common_dialect() -> None:
    assert defaults_for(COMPATIBLE, "acme", "alpha") is None
    assert defaults_for(ProviderKind.EXTRACTIVE, "switchboard", "extractive") is None
    assert dialect_for(COMPATIBLE, "acme").name == "gateway"
    assert dialect_for(ProviderKind.AZURE_FOUNDRY, "anyone").output_limit == "max_completion_tokens"


def test_the_configuration_file_may_leave_out_what_is_known_and_overrules_the_rest() -> None:
    seed: dict[str, Any] = {
        "providers": [
            {
                "name": "a",
                "kind": "anthropic",
                "vendor": "anthropic",
                "region": "us",
                "processor": "Anthropic",
            }
        ],
        "deployments": [
            {"name": "all", "provider": "a", "model_name": "claude-sonnet-4-6"},
            {
                "name": "own",
                "provider": "a",
                "model_name": "claude-sonnet-4-6",
                "price": None,
                "context_window": 9_000,
                "capabilities": [],
            },
        ],
    }
    everything, own = parse(seed).deployments
    assert everything.price is not None
    assert (everything.context_window, everything.price.output_micros) == (1_000_000, 15_000_000)
    assert everything.supported_parameters == ["temperature", "top_p", "reasoning_effort"]
    assert (own.context_window, own.price, own.capabilities) == (9_000, None, [])
    assert own.max_output_tokens == 128_000
