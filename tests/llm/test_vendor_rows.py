"""Vendors and servers that are rows of the kind `openai_compatible`: what tells them apart, over real HTTP.

The rest of the contract is the adapter's and stands in test_vendor_contracts.py.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.llm.clients import make_provider
from app.llm.errors import ProviderError
from app.llm.types import ModelResult, TokenUsage
from app.local.vendors import found_keys
from app.pools.defaults import defaults_for, dialect_for
from app.pools.offers import Offer
from app.vocabulary import ModelClass, ProviderKind
from tests.llm.conftest import request
from tests.llm.test_vendor_contracts import MESSAGES, SCHEMA
from tests.pools.builders import deployment, member, offered, provider
from tests.pools.test_seed import KEYS
from tests.scripted_vendor import ScriptedVendor
from tests.wire_formats import Behaviour

COUNTS = Behaviour(usage=(321, 50), cached_tokens=21, reasoning_tokens=12)


@dataclass(frozen=True)
class Row:
    """What the vendor's reference says of its server, apart from the facts that the product reads."""

    limit: str
    json_mode: str = "json_schema"
    counts: Behaviour = COUNTS
    asks_for_usage: bool = True
    too_long: tuple[int, Any] = (
        400,
        {"error": {"message": "This model's maximum context length is 8192 tokens.", "code": 400}},
    )


ROWS = {
    "xai": Row(
        "max_completion_tokens",
        counts=replace(COUNTS, reasoning_apart=True),
        too_long=(
            400,
            {
                "code": "Client specified an invalid argument",
                "error": "This model's maximum prompt length is 1.",
            },
        ),
    ),
    "deepseek": Row("max_tokens", "json_object"),
    "mistral": Row(
        "max_tokens",
        counts=replace(COUNTS, usage_unasked=True),
        asks_for_usage=False,
        too_long=(
            400,
            {"message": "Prompt contains 9000 tokens, too large for model with 8192 maximum context length"},
        ),
    ),
    "meta": Row("max_completion_tokens"),
    "vllm": Row("max_tokens"),
    "ollama": Row("max_tokens"),
    "llama.cpp": Row(
        "max_tokens",
        too_long=(400, {"error": {"code": 400, "message": "too much", "type": "exceed_context_size_error"}}),
    ),
    "another gateway": Row("max_tokens"),
}
KNOWN_FIELDS = {"model", "messages", "stream", "temperature"}
WATCHED = pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
EACH = pytest.mark.parametrize("name", sorted(ROWS))


async def ask(
    name: str,
    vendor: ScriptedVendor,
    parameters: Mapping[str, Any] | None = None,
    place: Mapping[str, Any] | None = None,
    **changes: Any,
) -> ModelResult:
    account = provider(vendor=name, base_url=vendor.base_url)
    of = member(deployment("alpha", provider=account, **(place or {})), parameters=parameters)
    client = make_provider(of, "sk-vendor")
    try:
        return await client.complete(request(**changes), MESSAGES, timeout_seconds=30)
    finally:
        await client.close()


@EACH
@WATCHED
async def test_a_row_is_asked_in_its_own_words_and_its_counts_are_understood(
    vendor: ScriptedVendor, name: str, *, watched: bool
) -> None:
    row = ROWS[name]
    vendor.script("alpha", row.counts)
    result = await ask(name, vendor, user_watches=watched)
    assert (result.text, result.usage) == ("A plain answer.", TokenUsage(321, 50, 21, 12))
    (sent,) = vendor.seen
    assert sent[row.limit] == 50
    asks = {"stream_options"} if watched and row.asks_for_usage else set()
    assert sent.keys() - KNOWN_FIELDS - {row.limit} == asks


@EACH
@WATCHED
async def test_a_row_answers_in_a_schema_natively_or_by_its_prompt(
    vendor: ScriptedVendor, name: str, *, watched: bool
) -> None:
    row = ROWS[name]
    vendor.script("alpha", replace(row.counts, answer='{"sentences": ["Revenue rose."]}'))
    result = await ask(name, vendor, response_schema=SCHEMA, user_watches=watched)
    assert result.text == '{"sentences": ["Revenue rose."]}'
    assert result.usage == TokenUsage(321, 50, 21, 12)
    (sent,) = vendor.seen
    said = [one["content"] for one in sent["messages"]]
    if row.json_mode == "json_schema":
        assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
        assert said == [one.content for one in MESSAGES]
    else:
        assert sent["response_format"] == {"type": row.json_mode}
        assert said[0].startswith("Summarize.")
        assert json.loads(said[0].split("Schema: ")[1]) == SCHEMA
        assert said[1:] == [one.content for one in MESSAGES[1:]]


@EACH
async def test_an_input_that_is_too_long_is_known_by_the_rows_own_words(
    vendor: ScriptedVendor, name: str
) -> None:
    status, body = ROWS[name].too_long
    vendor.script("alpha", Behaviour(status=status, body=body))
    with pytest.raises(ProviderError) as raised:
        await ask(name, vendor)
    assert raised.value.code == "context_too_long"


async def test_reasoning_is_not_counted_twice_where_the_vendor_has_begun_to_include_it(
    vendor: ScriptedVendor,
) -> None:
    vendor.script("alpha", Behaviour(usage=(321, 50), reasoning_tokens=12))
    assert (await ask("xai", vendor)).usage == TokenUsage(321, 50, 0, 12)


async def test_thoughts_that_come_as_parts_of_the_answer_are_no_text(vendor: ScriptedVendor) -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]},
        {"type": "text", "text": "Revenue rose."},
    ]
    body = {
        "id": "1",
        "model": "alpha",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": parts}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
    }
    vendor.script("alpha", Behaviour(body=body))
    assert (await ask("mistral", vendor)).text == "Revenue rose."


async def test_a_server_that_promises_no_json_gets_the_schema_in_its_prompt_alone(
    vendor: ScriptedVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = dialect_for(ProviderKind.OPENAI_COMPATIBLE, "acme").model_copy(update={"json_mode": "none"})
    monkeypatch.setattr("app.llm.providers.openai_compatible.dialect_for", lambda *_: plain)
    await ask("acme", vendor, response_schema=SCHEMA)
    (sent,) = vendor.seen
    assert "response_format" not in sent
    assert json.dumps(SCHEMA) in sent["messages"][0]["content"]


async def test_a_model_that_takes_no_temperature_is_sent_none(vendor: ScriptedVendor) -> None:
    await ask("meta", vendor, place={"supported_parameters": frozenset({"reasoning_effort"})})
    await ask("meta", vendor, place={"supported_parameters": frozenset({"temperature"})})
    await ask("meta", vendor, {"reasoning_effort": "low"}, place={"model_class": ModelClass.REASONING})
    assert [sent.get("temperature") for sent in vendor.seen] == [None, 0.0, None]
    assert vendor.seen[-1]["reasoning_effort"] == "low"


@pytest.mark.parametrize("offer", found_keys(KEYS), ids=lambda offer: offer.provider.vendor)
@WATCHED
async def test_what_a_key_in_development_offers_is_asked_with_what_the_model_takes(
    vendor: ScriptedVendor, offer: Offer, *, watched: bool
) -> None:
    root = "/v1" if offer.provider.kind in {ProviderKind.OPENAI, ProviderKind.OPENAI_COMPATIBLE} else ""
    of = offered(offer, base_url=f"{vendor.origin}{root}")
    vendor.always("*", Behaviour(usage_unasked=offer.provider.vendor == "mistral"))
    client = make_provider(of, "k")
    try:
        result = await client.complete(request(user_watches=watched), MESSAGES, timeout_seconds=30)
    finally:
        await client.close()
    assert result.text == "A plain answer."
    assert vendor.asked[0].model == offer.deployment.model_name
    (sent,) = vendor.seen
    assert (sent.get("reasoning_effort") == "none") is (offer.provider.vendor == "openai")
    assert (sent.get("thinking") == {"type": "disabled"}) is (offer.provider.vendor == "deepseek")
    assert ("'temperature': 0" in str(sent)) is (offer.deployment.model_class is ModelClass.GENERAL)


@pytest.mark.parametrize(
    ("kind", "root", "model_name"),
    [
        (ProviderKind.OPENAI, "/v1", "gpt-6-luna"),
        (ProviderKind.ANTHROPIC, "", "claude-opus-5-5"),
        (ProviderKind.GOOGLE, "", "gemini-3.5-flash"),
    ],
)
async def test_how_hard_to_think_is_said_in_each_protocols_words(
    vendor: ScriptedVendor, kind: ProviderKind, root: str, model_name: str
) -> None:
    known = defaults_for(kind, kind.value, model_name)
    assert known is not None
    assert "reasoning_effort" in (known.supported_parameters or ())
    account = provider(kind=kind, vendor=kind.value, base_url=f"{vendor.origin}{root}")
    place = deployment(
        "alpha",
        provider=account,
        model_name=model_name,
        model_class=known.model_class,
        supported_parameters=frozenset(known.supported_parameters or ()),
    )
    client = make_provider(member(place, parameters={"reasoning_effort": "low"}), "k")
    try:
        await client.complete(request(response_schema=SCHEMA), MESSAGES, timeout_seconds=30)
    finally:
        await client.close()
    sent = json.dumps(vendor.seen[0]).lower()
    assert '"low"' in sent
    assert "temperature" not in sent
    assert vendor.asked[0].schema == SCHEMA
