"""What goes over the wire to an OpenAI-compatible vendor, and nothing else does."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from app.core.clock import new_id
from app.llm.errors import ProviderError, Truncated, Unavailable
from app.llm.providers import guard
from app.llm.providers.openai_compatible import OpenAICompatibleProvider
from app.llm.providers.statuses import retry_after_seconds
from app.llm.types import Message, ModelResult
from app.pools.values import DeploymentFacts
from app.vocabulary import ModelClass
from tests.llm.conftest import request
from tests.pools.builders import deployment, provider
from tests.scripted_vendor import ScriptedVendor
from tests.wire_formats import Behaviour

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"sentences": {"type": "array"}},
    "required": ["sentences"],
    "additionalProperties": False,
}
MESSAGES = [Message("system", "Summarize."), Message("user", "[B1] Revenue rose.")]


def place(vendor: ScriptedVendor, **changes: Any) -> DeploymentFacts:
    account = provider(base_url=vendor.base_url)
    return deployment("alpha", **{"provider": account, **changes})


async def ask(
    of: DeploymentFacts, key: str | None = "sk-test", parameters: dict[str, Any] | None = None, **changes: Any
) -> ModelResult:
    client = OpenAICompatibleProvider(of, key=key, parameters=parameters or {})
    try:
        return await client.complete(request(**changes), MESSAGES, timeout_seconds=5)
    finally:
        await client.close()


async def test_a_schema_goes_along_and_the_answer_comes_back_with_its_counts(vendor: ScriptedVendor) -> None:
    vendor.script("alpha", Behaviour(answer='{"sentences": []}', usage=(321, 12)))
    result = await ask(place(vendor), response_schema=SCHEMA)
    assert result.text == '{"sentences": []}'
    assert (result.usage.input_tokens, result.usage.output_tokens) == (321, 12)
    assert (result.finish_reason, result.response_model, result.method) == ("stop", "alpha", "generative")
    (sent,) = vendor.seen
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }
    assert sent["messages"] == [
        {"role": "system", "content": "Summarize."},
        {"role": "user", "content": "[B1] Revenue rose."},
    ]
    assert sent["temperature"] == 0.0
    assert vendor.headers[0]["authorization"] == "Bearer sk-test"


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_what_was_counted_is_known_where_an_answer_to_a_schema_was_stopped(
    vendor: ScriptedVendor, reason: str, *, watched: bool
) -> None:
    vendor.script("alpha", Behaviour(answer='{"sente', usage=(321, 12), finish_reason=reason))
    with pytest.raises(ProviderError) as raised:
        await ask(place(vendor), response_schema=SCHEMA, user_watches=watched)
    assert raised.value.usage is not None
    assert (raised.value.usage.input_tokens, raised.value.usage.output_tokens) == (321, 12)


def answered(**changes: Any) -> dict[str, Any]:
    """A whole answer, but for what is changed in it."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Costs fell."}}
    return {"model": "alpha", "choices": [choice], "usage": counted(), **changes}


def counted(**changes: Any) -> dict[str, Any]:
    """What it says of its tokens, but for what is changed."""
    return {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, **changes}


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "text/plain", "application/octet-stream"]
)
async def test_json_is_read_whatever_a_server_calls_it(vendor: ScriptedVendor, kind: str) -> None:
    vendor.script("alpha", Behaviour(body=answered(), headers={"Content-Type": kind}))
    assert (await ask(place(vendor))).text == "Costs fell."


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_tokens": -100},
        {"completion_tokens": -20},
        {"prompt_tokens_details": {"cached_tokens": -5000}},
        {"completion_tokens_details": {"reasoning_tokens": -5}},
        {"prompt_tokens": 10**30},
        {"completion_tokens": float("inf")},
        {"prompt_tokens": 100.5},
        {"prompt_tokens": "100"},
        {"prompt_tokens": True},
    ],
    ids=lambda told: "-".join(map(str, told.items())),
)
async def test_what_nobody_can_count_is_no_count_and_may_have_cost_the_most(
    vendor: ScriptedVendor, told: dict[str, Any]
) -> None:
    vendor.script("alpha", Behaviour(body=answered(usage=counted(**told))))
    with pytest.raises(Truncated, match="token counts") as raised:
        await ask(place(vendor))
    assert (raised.value.usage, raised.value.may_cost) == (None, True)


@pytest.mark.parametrize(
    "body",
    [
        answered(choices=[{**answered()["choices"][0], "finish_reason": ["stop"]}]),
        '{"choices": ' + "[" * 100_000 + "]" * 100_000 + "}",
        answered(choices=None),
        answered(choices=[{"finish_reason": "stop", "message": {"role": "assistant", "content": None}}]),
        {"error": {"message": "overloaded"}},
    ],
    ids=["a list for a word", "deeper than one can read", "no choices", "no content", "an error"],
)
async def test_whatever_a_vendor_answers_is_an_error_that_another_member_can_follow(
    vendor: ScriptedVendor, body: Any
) -> None:
    vendor.script("alpha", Behaviour(body=body))
    with pytest.raises(ProviderError) as raised:
        await ask(place(vendor))
    assert raised.value.try_next


@pytest.mark.parametrize("watched", [False, True])
async def test_an_answer_that_would_fill_the_process_is_not_taken(
    vendor: ScriptedVendor, monkeypatch: pytest.MonkeyPatch, *, watched: bool
) -> None:
    vendor.always("alpha", Behaviour(answer="Costs fell. " * 2_000))
    assert len((await ask(place(vendor), user_watches=watched)).text) == 24_000
    monkeypatch.setattr(guard, "MOST_BYTES", 20_000)
    with pytest.raises(Unavailable, match="DecodingError"):
        await ask(place(vendor), user_watches=watched)


async def test_a_compressed_answer_is_not_asked_for_and_not_unpacked(vendor: ScriptedVendor) -> None:
    vendor.script("alpha", Behaviour(body=answered(), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(Unavailable, match="the connection failed"):
        await ask(place(vendor))
    assert vendor.headers[0]["accept-encoding"] == "identity"


async def test_a_model_that_a_vendor_names_by_no_word_is_called_as_it_was_asked(
    vendor: ScriptedVendor,
) -> None:
    vendor.script("alpha", Behaviour(body=answered(model={"id": 5})))
    assert (await ask(place(vendor))).response_model == "alpha"


async def test_a_streamed_answer_is_the_same_as_one_in_a_piece(vendor: ScriptedVendor) -> None:
    whole = await ask(place(vendor))
    streamed = await ask(place(vendor), user_watches=True)
    assert (whole.first_token_seconds, streamed.first_token_seconds is None) == (None, False)
    assert replace(streamed, first_token_seconds=None) == whole
    assert [bool(sent.get("stream")) for sent in vendor.seen] == [False, True]


@pytest.mark.parametrize(
    ("vendor_name", "field"), [("acme", "max_tokens"), ("openai", "max_completion_tokens")]
)
async def test_the_output_limit_has_the_name_that_the_vendor_knows(
    vendor: ScriptedVendor, vendor_name: str, field: str
) -> None:
    account = provider(base_url=vendor.base_url, vendor=vendor_name)
    await ask(place(vendor, provider=account, max_output_tokens=30))
    assert vendor.seen[0][field] == 30
    assert len({"max_tokens", "max_completion_tokens"} & vendor.seen[0].keys()) == 1


async def test_a_members_parameters_go_along_and_a_reasoning_model_gets_no_temperature(
    vendor: ScriptedVendor,
) -> None:
    await ask(place(vendor), parameters={"temperature": 0.7, "seed": 5})
    await ask(place(vendor, model_class=ModelClass.REASONING), parameters={"reasoning_effort": "low"})
    first, second = vendor.seen
    assert (first["temperature"], first["seed"]) == (0.7, 5)
    assert "temperature" not in second
    assert second["reasoning_effort"] == "low"


async def test_nothing_of_the_environment_reaches_the_vendor(
    vendor: ScriptedVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "OPENAI_API_KEY": "sk-environment",
        "OPENAI_BASE_URL": "http://127.0.0.1:1",
        "OPENAI_API_BASE": "http://127.0.0.1:1",
        "OPENAI_ORG_ID": "org-environment",
        "OPENAI_PROJECT_ID": "proj-environment",
        "OPENAI_PROXY": "http://127.0.0.1:1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_API_KEY": "ls-environment",
        "LANGSMITH_ENDPOINT": "http://127.0.0.1:1",
        "LANGSMITH_GATEWAY": "true",
        "LANGSMITH_GATEWAY_API_KEY": "ls-environment",
        "OPENAI_CUSTOM_HEADERS": "x-environment: environment",
    }.items():
        monkeypatch.setenv(name, value)
    await ask(place(vendor), key=None)
    assert vendor.headers[0]["authorization"] == "Bearer none"
    assert not [line for line in vendor.headers[0].items() if "environment" in str(line)]


async def test_a_vendors_redirect_is_not_followed(vendor: ScriptedVendor) -> None:
    elsewhere = {"Location": "http://127.0.0.1:1/v1/chat/completions"}
    vendor.script("alpha", Behaviour(status=307, headers=elsewhere))
    with pytest.raises(Unavailable, match="307"):
        await ask(place(vendor))


async def test_a_tenants_endpoint_on_a_private_network_is_refused_when_it_connects(
    vendor: ScriptedVendor,
) -> None:
    of_tenant = place(vendor)
    for host in ("127.0.0.1", "localhost", "[::1]"):
        url = f"http://{host}:{vendor.port}/v1"
        account = replace(of_tenant.provider, tenant_id=new_id(), base_url=url)
        with pytest.raises(Unavailable):
            await ask(replace(of_tenant, provider=account))
    assert vendor.seen == []


async def test_errors_say_nothing_of_the_key_the_prompt_or_the_vendors_words(vendor: ScriptedVendor) -> None:
    body = {"error": {"message": "sk-test cannot read [B1] Revenue rose."}}
    for status in (400, 401, 403, 404, 429, 500):
        vendor.script("alpha", Behaviour(status=status, body=body))
        with pytest.raises(Exception, match="the vendor") as raised:
            await ask(place(vendor))
        assert "sk-test" not in str(raised.value)
        assert "Revenue" not in str(raised.value)


async def test_sixteen_calls_at_once_share_one_client(vendor: ScriptedVendor) -> None:
    client = OpenAICompatibleProvider(place(vendor), key=None, parameters={})
    calls = (client.complete(request(), MESSAGES, timeout_seconds=5) for _ in range(16))
    results = await asyncio.gather(*calls)
    await client.close()
    assert len({result.text for result in results}) == 1
    assert len(vendor.seen) == 16


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("", None), (None, None)]
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value) == seconds


def test_retry_after_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    seconds = retry_after_seconds(later)
    assert seconds is not None
    assert 57 <= seconds <= 60
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
