"""One contract for every vendor's adapter, over real HTTP against a server that speaks the vendor's protocol."""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.core.clock import new_id
from app.llm.clients import make_provider
from app.llm.errors import ProviderError
from app.llm.providers import chat
from app.llm.providers.chat import Patience
from app.llm.types import Message, ModelResult, TokenUsage
from app.pools.values import DeploymentFacts
from app.vocabulary import Authentication, ModelClass, ProviderKind
from tests.llm.conftest import request
from tests.pools.builders import deployment, member, provider
from tests.scripted_vendor import ScriptedVendor
from tests.wire_formats import WIRE_FORMATS, Behaviour

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"sentences": {"type": "array", "items": {"type": "string"}}},
    "required": ["sentences"],
    "additionalProperties": False,
}
MESSAGES = [
    Message("system", "Summarize."),
    Message("user", "An example."),
    Message("assistant", "Its answer."),
    Message("user", "[B1] Revenue rose."),
]


async def _token() -> str:
    return "entra-token"


@dataclass(frozen=True)
class Vendor:
    """How a vendor's row looks. `root` is what stands after the origin in its base URL."""

    kind: ProviderKind
    root: str = "/v1"
    key: str | Callable[[], Awaitable[str]] = "sk-vendor"
    vendor: str = "acme"
    changes: Mapping[str, Any] = field(default_factory=dict)

    def place(self, server: ScriptedVendor, **changes: Any) -> DeploymentFacts:
        account = provider(
            kind=self.kind,
            vendor=self.vendor,
            base_url=f"{server.origin}{self.root}",
            **self.changes,
        )
        return deployment("alpha", **{"provider": account, **changes})


VENDORS = {
    "openai": Vendor(ProviderKind.OPENAI, vendor="openai"),
    "azure openai": Vendor(ProviderKind.AZURE_OPENAI, "/openai/v1", vendor="azure"),
    "azure openai, dated version": Vendor(
        ProviderKind.AZURE_OPENAI, "", vendor="azure", changes={"api_version": "2024-10-21"}
    ),
    "azure openai, dated version, Entra": Vendor(
        ProviderKind.AZURE_OPENAI,
        "",
        _token,
        vendor="azure",
        changes={"api_version": "2024-10-21", "authentication": Authentication.ENTRA},
    ),
    "azure foundry, Entra": Vendor(
        ProviderKind.AZURE_FOUNDRY,
        "/openai/v1",
        _token,
        vendor="mai",
        changes={"authentication": Authentication.ENTRA},
    ),
    "anthropic": Vendor(ProviderKind.ANTHROPIC, "", vendor="anthropic"),
    "google": Vendor(ProviderKind.GOOGLE, "", vendor="google"),
    "compatible": Vendor(ProviderKind.OPENAI_COMPATIBLE),
}
_MARKED = pytest.mark.skipif(
    os.environ.get("SWITCHBOARD_TEST_MARKED") != "1", reason="the same adapter: set SWITCHBOARD_TEST_MARKED=1"
)
_ADAPTERS = {"openai", "azure openai, dated version", "anthropic", "google"}
EACH_ADAPTER = [name if name in _ADAPTERS else pytest.param(name, marks=_MARKED) for name in sorted(VENDORS)]
"""Where a row decides of the address and the key alone, one of those that share an adapter stands for all."""
WATCHED = pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])


@pytest.fixture(params=sorted(VENDORS))
def a_vendor(request: pytest.FixtureRequest) -> Vendor:
    return VENDORS[request.param]


async def ask(
    vendor: Vendor,
    server: ScriptedVendor,
    *,
    place: DeploymentFacts | None = None,
    parameters: Mapping[str, Any] | None = None,
    timeout_seconds: float = 30.0,
    **changes: Any,
) -> ModelResult:
    client = make_provider(member(place or vendor.place(server), parameters=parameters), vendor.key)
    try:
        return await client.complete(request(**changes), MESSAGES, timeout_seconds=timeout_seconds)
    finally:
        await client.close()


@WATCHED
async def test_an_answer_comes_back_whole_with_every_count(
    vendor: ScriptedVendor, a_vendor: Vendor, *, watched: bool
) -> None:
    vendor.script("alpha", Behaviour(usage=(321, 50), cached_tokens=21, reasoning_tokens=12))
    result = await ask(a_vendor, vendor, user_watches=watched)
    assert result.text == "A plain answer."
    assert result.usage == TokenUsage(321, 50, 21, 12)
    assert (result.response_model, result.method) == ("alpha", "generative")
    (asked,) = vendor.asked
    assert asked.stream is watched
    assert asked.messages == [{"role": one.role, "content": one.content} for one in MESSAGES]
    assert asked.key == ("sk-vendor" if isinstance(a_vendor.key, str) else "entra-token")
    assert asked.max_tokens == 50


@WATCHED
async def test_a_schema_goes_along_and_what_comes_back_is_the_json_alone(
    vendor: ScriptedVendor, a_vendor: Vendor, *, watched: bool
) -> None:
    vendor.script("alpha", Behaviour(answer='{"sentences": ["Revenue rose."]}'))
    result = await ask(a_vendor, vendor, response_schema=SCHEMA, user_watches=watched)
    assert result.text == '{"sentences": ["Revenue rose."]}'
    assert vendor.asked[0].schema == SCHEMA


async def test_a_general_model_is_asked_without_chance_and_a_reasoning_model_as_it_likes(
    vendor: ScriptedVendor, a_vendor: Vendor
) -> None:
    await ask(a_vendor, vendor)
    await ask(a_vendor, vendor, place=a_vendor.place(vendor, model_class=ModelClass.REASONING))
    general, reasoning = (str(body) for body in vendor.seen)
    assert "'temperature': 0" in general
    assert "temperature" not in reasoning


FAILURES: list[tuple[Behaviour, str]] = [
    (Behaviour(status=500), "unavailable"),
    (Behaviour(status=503, headers={"Retry-After": "3"}), "unavailable"),
    (Behaviour(status=529), "unavailable"),
    (Behaviour(status=401), "bad_credential"),
    (Behaviour(status=403), "bad_credential"),
    (Behaviour(status=404), "unavailable"),
    (Behaviour(status=413), "context_too_long"),
    (Behaviour(status=429, headers={"Retry-After": "40"}), "rate_limited"),
    (Behaviour(status=429), "rate_limited"),
    (Behaviour(status=400), "bad_request"),
    (Behaviour(status=307, headers={"Location": "http://127.0.0.1:1/"}), "unavailable"),
    (Behaviour(finish_reason="length"), "truncated"),
    (Behaviour(finish_reason="content_filter"), "content_filtered"),
    (Behaviour(finish_reason=None), "truncated"),
    (Behaviour(answer=""), "invalid_output"),
    (Behaviour(body="<html>a page</html>"), "unavailable"),
    (Behaviour(body={"unexpected": True}), "unavailable"),
    (Behaviour(cut_body_after=40), "truncated"),
]


@WATCHED
@pytest.mark.parametrize("a_vendor", EACH_ADAPTER, indirect=True)
@pytest.mark.parametrize(("behaviour", "code"), FAILURES)
async def test_whatever_goes_wrong_has_its_place_in_the_tree(
    vendor: ScriptedVendor, a_vendor: Vendor, behaviour: Behaviour, code: str, *, watched: bool
) -> None:
    vendor.script("alpha", behaviour)
    with pytest.raises(ProviderError) as raised:
        await ask(a_vendor, vendor, user_watches=watched)
    assert raised.value.code == code
    assert raised.value.__class__.__module__ == "app.llm.errors"
    retry_after = behaviour.headers.get("Retry-After")
    assert raised.value.retry_after_seconds == (float(retry_after) if retry_after else None)
    assert "Revenue" not in raised.value.message
    assert "sk-vendor" not in raised.value.message
    assert len(vendor.seen) == 1


TOO_LONG = {
    "openai": ("context_length_exceeded", "This model's maximum context length is 8192 tokens."),
    "anthropic": ("", "prompt is too long: 209000 tokens > 200000 maximum"),
    "google": ("", "The input token count (1048600) exceeds the maximum number of tokens allowed (1048576)."),
}


@WATCHED
async def test_an_input_that_does_not_fit_is_known_by_the_vendors_words(
    vendor: ScriptedVendor, a_vendor: Vendor, *, watched: bool
) -> None:
    name = a_vendor.kind.value if a_vendor.kind.value in TOO_LONG else "openai"
    wire = next(one for one in WIRE_FORMATS if one.name == name)
    vendor.script("alpha", Behaviour(status=400, body=wire.error(400, *TOO_LONG[name])))
    with pytest.raises(ProviderError) as raised:
        await ask(a_vendor, vendor, user_watches=watched)
    assert raised.value.code == "context_too_long"


@pytest.mark.parametrize("events", [0, 1, 2])
async def test_a_stream_that_ends_cleanly_too_early_is_no_answer(
    vendor: ScriptedVendor, a_vendor: Vendor, events: int
) -> None:
    vendor.script("alpha", Behaviour(answer="Words. " * 30, end_stream_after=events))
    with pytest.raises(ProviderError) as raised:
        await ask(a_vendor, vendor, user_watches=True)
    assert raised.value.code in {"truncated", "unavailable"}


@pytest.mark.parametrize(
    ("behaviour", "watched", "patience"),
    [
        (Behaviour(stall=True), True, Patience(0.2, 9.0)),
        (Behaviour(answer="Words. " * 30, stall_after=6), True, Patience(9.0, 0.2)),
        (Behaviour(stall=True), False, Patience(9.0, 9.0)),
    ],
    ids=["before the first token", "between two", "in one piece"],
)
async def test_a_vendor_that_falls_silent_is_left(
    vendor: ScriptedVendor,
    a_vendor: Vendor,
    behaviour: Behaviour,
    *,
    watched: bool,
    patience: Patience,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat, "PATIENCE", dict.fromkeys(ModelClass, patience))
    vendor.script("alpha", behaviour)
    with pytest.raises(ProviderError) as raised:
        await ask(a_vendor, vendor, user_watches=watched, timeout_seconds=30.0 if watched else 0.2)
    assert raised.value.code == "timed_out"
    # A machine that is busy may not even have connected.
    await vendor.until(lambda: vendor.abandoned == len(vendor.seen))


async def test_a_tenants_endpoint_on_a_private_network_is_refused_when_it_connects(
    vendor: ScriptedVendor, a_vendor: Vendor
) -> None:
    place = a_vendor.place(vendor)
    account = replace(place.provider, tenant_id=new_id())
    with pytest.raises(ProviderError) as raised:
        await ask(a_vendor, vendor, place=replace(place, provider=account))
    assert raised.value.code == "unavailable"
    assert vendor.seen == []


async def test_nothing_of_the_environment_reaches_the_vendor(
    vendor: ScriptedVendor, a_vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "OPENAI_API_KEY",
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_AD_TOKEN",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "GOOGLE_API_KEY",
        "GEMINI_API_KEY",
        "OPENAI_ORG_ID",
        "LANGSMITH_API_KEY",
    ):
        monkeypatch.setenv(name, "environment")
    for name in (
        "OPENAI_BASE_URL",
        "AZURE_OPENAI_ENDPOINT",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_API_URL",
        "ANTHROPIC_PROXY",
        "GOOGLE_GEMINI_BASE_URL",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "LANGSMITH_ENDPOINT",
    ):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-environment: environment")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    await ask(a_vendor, vendor)
    assert vendor.asked[0].key in {"sk-vendor", "entra-token"}
    assert not [line for line in vendor.headers[0].items() if "environment" in str(line)]
