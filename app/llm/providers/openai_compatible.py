"""Vendors that speak OpenAI's chat completions: OpenAI itself, Azure, and every server that copies it.

How the copies differ is no code but facts: `dialects` in app/pools/model_facts.yaml, by the provider's vendor.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx2
import openai.resources.beta.beta
import openai.resources.chat.chat  # noqa: F401 - the client imports both at its first call, for half a second on the loop
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import SecretStr

from app.core.outbound import CONNECT_SECONDS
from app.llm.errors import ProviderError
from app.llm.providers.chat import ChatProvider, Patience, sampling
from app.llm.providers.guard import http_client, unused_client
from app.llm.providers.openai_errors import ERRORS, translate
from app.llm.providers.openai_json import ChatCompletions, as_written
from app.llm.types import Message, ModelRequest, TokenUsage
from app.pools.defaults import dialect_for
from app.pools.model_facts import Dialect
from app.pools.values import DeploymentFacts
from app.vocabulary import PLATFORM, ProviderKind

TokenSource = Callable[[], Awaitable[str]]
"""Gives an access token for the vendor; it is asked before each request and remembers by itself."""

_SCHEMA_IN_PROMPT = "Answer with one JSON object and nothing else. It fits this JSON Schema: "


class OpenAICompatibleProvider(ChatProvider):
    """A client for one deployment with one key and one set of parameters. Make it on the loop that calls."""

    errors = ERRORS
    finished = frozenset({"stop"})
    filtered = frozenset({"content_filter"})

    def __init__(
        self,
        deployment: DeploymentFacts,
        *,
        key: str | TokenSource | None,
        parameters: Mapping[str, Any],
        patience: Patience | None = None,
    ) -> None:
        http = http_client(private_allowed=deployment.provider.tenant_id == PLATFORM)
        self._unused = unused_client()
        self._dialect = dialect_for(deployment.provider.kind, deployment.provider.vendor)
        settings = sampling(deployment, parameters)
        self._always: dict[str, Any] = {}
        if settings.get("reasoning_effort") == "none" and self._dialect.unthinking is not None:
            del settings["reasoning_effort"]
            self._always = self._dialect.unthinking
        model = _model(deployment, self._dialect, key, settings, (http, self._unused))
        super().__init__(deployment, model, http, patience)

    def options(self, request: ModelRequest) -> dict[str, Any]:
        """Output limit under the name that the vendor knows, and the schema."""
        limit = self.output_limit(request)
        options: dict[str, Any] = {}
        if self._dialect.output_limit == "max_completion_tokens":
            # LangChain renames it.
            options["max_tokens"] = limit
            body = self._always
        else:
            body = {**self._always, "max_tokens": limit}
        if body:
            options["extra_body"] = body
        schema = self.schema(request)
        if schema is None or self._dialect.json_mode == "none":
            return options
        if self._dialect.json_mode == "json_object":
            options["response_format"] = {"type": "json_object"}
        else:
            options["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "schema": dict(schema),
                    "strict": schema.get("additionalProperties") is False,
                },
            }
        return options

    def messages(self, request: ModelRequest, messages: Sequence[Message]) -> Sequence[Message]:
        """With the schema among the instructions where the vendor takes none: the answer is checked anyway."""
        schema = self.schema(request)
        if schema is None or self._dialect.json_mode == "json_schema":
            return messages
        said = _SCHEMA_IN_PROMPT + json.dumps(schema, ensure_ascii=False)
        if messages and messages[0].role == "system":
            # Templates of open models know one system message.
            return [Message("system", f"{messages[0].content}\n\n{said}"), *messages[1:]]
        return [Message("system", said), *messages]

    def usage(self, answer: BaseMessage) -> TokenUsage | None:
        """Where a vendor counts reasoning beside the answer, it is added: it is paid as output."""
        counted = super().usage(answer)
        if counted is None or not self._dialect.reasoning_apart:
            return counted
        together = counted.output_tokens + counted.reasoning_tokens
        # Its own total tells whether it really did so.
        if _total(answer) != counted.input_tokens + together:
            return counted
        return replace(counted, output_tokens=together)

    def translate(self, error: Exception) -> ProviderError:
        """See `openai_errors`."""
        return translate(error)

    async def close(self) -> None:
        """Close the connections."""
        await super().close()
        self._unused.close()


class _Chat(ChatOpenAI):
    """LangChain's model, whose requests are sent as it wrote them."""

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        return as_written(super()._get_request_payload(input_, stop=stop, **kwargs))


class _AzureChat(AzureChatOpenAI):
    """The same for Azure's own address scheme."""

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        return as_written(super()._get_request_payload(input_, stop=stop, **kwargs))


def _total(answer: BaseMessage) -> int | None:
    """All tokens, as the vendor added them up."""
    counted = answer.usage_metadata if isinstance(answer, AIMessage) else None
    return None if counted is None else counted["total_tokens"]


def _model(
    deployment: DeploymentFacts,
    dialect: Dialect,
    key: str | TokenSource | None,
    settings: Mapping[str, Any],
    clients: tuple[httpx2.AsyncClient, httpx2.Client],
) -> BaseChatOpenAI:
    """The chat model. Everything that would otherwise be read from the environment is given here."""
    provider = deployment.provider
    common: dict[str, Any] = {
        "http_client": clients[1],
        "http_async_client": clients[0],
        "openai_proxy": None,
        "http_socket_options": (),
        "max_retries": 0,
        "timeout": httpx2.Timeout(None, connect=CONNECT_SECONDS),
        "stream_usage": dialect.usage_in_stream == "asked",
        "stream_chunk_timeout": None,
        "use_responses_api": False,
        "output_version": "v0",
        **settings,
    }
    model: BaseChatOpenAI
    if provider.kind is ProviderKind.AZURE_OPENAI and provider.api_version is not None:
        secret = SecretStr(key or "none") if not callable(key) else None
        model = _AzureChat(
            azure_endpoint=provider.base_url,
            azure_deployment=deployment.model_name,
            model=deployment.model_name,
            api_version=provider.api_version,
            api_key=secret,
            azure_ad_token=None,
            azure_ad_async_token_provider=key if callable(key) else None,
            **common,
        )
    else:
        model = _Chat(
            model=deployment.model_name,
            base_url=provider.base_url,
            api_key=key if callable(key) else SecretStr(key or "none"),
            **common,
        )
    for client in filter(None, (model.root_async_client, model.root_client)):
        client.organization = client.project = None
        client._custom_headers = {}  # noqa: SLF001 - OPENAI_CUSTOM_HEADERS has no other way out
    model.async_client = ChatCompletions(model.root_async_client)
    return model
