"""Each vendor whose key is in the environment is really called: once whole, once streamed, once with a schema.

They cost a fraction of a cent. Everything between the key and the answer is the product's own: what a key is
offered as in development, the facts about the model, the adapter.
"""

import json
import os

import pytest

from app.llm.clients import make_provider
from app.llm.types import Message, ModelResult
from app.local.vendors import found_keys, found_server
from app.pools.offers import Offer
from tests.conftest import KEYS_OF_THE_MACHINE
from tests.llm.conftest import request
from tests.pools.builders import offered

NEEDED = {
    "openai": "OPENAI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY, AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_DEPLOYMENT",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GEMINI_API_KEY",
    "xai": "XAI_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "meta": "META_API_KEY",
    "a server": "OPENAI_COMPATIBLE_URL",
}
SCHEMA = {
    "type": "object",
    "properties": {"capital": {"type": "string"}},
    "required": ["capital"],
    "additionalProperties": False,
}
PLAIN = [
    Message("system", "Answer in one short sentence."),
    Message("user", "Which city is France's capital?"),
]
IN_JSON = [
    Message("system", 'Answer with JSON only: {"capital": "..."}.'),
    Message("user", "Which city is France's capital?"),
]

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        os.environ.get("SWITCHBOARD_TEST_MARKED") != "1",
        reason="calls vendors, at a cost: set SWITCHBOARD_TEST_MARKED=1 and a vendor's key",
    ),
]


@pytest.fixture(params=sorted(NEEDED))
async def offer(request: pytest.FixtureRequest) -> Offer:
    name = request.param
    found = {one.provider.vendor: one for one in found_keys(KEYS_OF_THE_MACHINE)}
    if name == "a server" and (url := KEYS_OF_THE_MACHINE.get("OPENAI_COMPATIBLE_URL")):
        served = await found_server(url)
        assert served is not None, f"nobody answers at {url}"
        return served
    if name not in found:
        pytest.skip(f"not set: {NEEDED[name]}")
    return found[name]


async def ask(offer: Offer, messages: list[Message], **changes: object) -> ModelResult:
    key = KEYS_OF_THE_MACHINE.get((offer.provider.credential or "").removeprefix("env:"))
    client = make_provider(offered(offer), key)
    try:
        asked = request(max_output_tokens=2_000, **changes)
        return await client.complete(asked, messages, timeout_seconds=90)
    finally:
        await client.close()


def counted(result: ModelResult) -> bool:
    """Whether the vendor's counts are plausible."""
    usage = result.usage
    return (
        usage.input_tokens > usage.cached_input_tokens >= 0
        and usage.output_tokens > 0
        and 0 <= usage.reasoning_tokens <= usage.output_tokens
    )


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
async def test_a_vendor_answers_and_counts(offer: Offer, *, watched: bool) -> None:
    result = await ask(offer, PLAIN, user_watches=watched)
    assert result.text.strip()
    assert counted(result), result.usage


async def test_a_vendor_answers_in_a_schema(offer: Offer) -> None:
    result = await ask(offer, IN_JSON, response_schema=SCHEMA)
    answer = json.loads(result.text)
    assert answer.keys() == {"capital"}
    assert isinstance(answer["capital"], str)
    assert counted(result), result.usage
