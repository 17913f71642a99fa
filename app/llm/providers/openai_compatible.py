"""Vendors that speak OpenAI's chat completions: OpenAI itself, Azure, and every server that copies it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx2
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import SecretStr

from app.core.outbound import CONNECT_SECONDS
from app.llm.errors import ProviderError
from app.llm.providers.chat import ChatProvider, Patience
from app.llm.providers.guard import http_client, unused_client
from app.llm.providers.openai_errors import ERRORS, translate
from app.llm.types import ModelRequest
from app.pools.values import DeploymentFacts
from app.vocabulary import PLATFORM, ModelClass, ProviderKind

TokenSource = Callable[[], Awaitable[str]]
"""Gives an access token for the vendor; it is asked before each request and remembers by itself."""

_NEW_LIMIT_KINDS = frozenset({ProviderKind.OPENAI, ProviderKind.AZURE_OPENAI, ProviderKind.AZURE_FOUNDRY})
_NEW_LIMIT_VENDORS = frozenset({"openai", "azure"})
"""Who calls the output limit `max_completion_tokens`; the others only know `max_tokens`."""


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
        super().__init__(deployment, _model(deployment, key, parameters, http, self._unused), http, patience)
        provider = deployment.provider
        self._new_limit = provider.kind in _NEW_LIMIT_KINDS or provider.vendor in _NEW_LIMIT_VENDORS

    def options(self, request: ModelRequest) -> dict[str, Any]:
        """Output limit under the name that the vendor knows, and the schema."""
        limit = self.output_limit(request)
        options: dict[str, Any] = (
            {"max_tokens": limit} if self._new_limit else {"extra_body": {"max_tokens": limit}}
        )
        schema = self.schema(request)
        if schema is not None:
            options["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "schema": dict(schema),
                    "strict": schema.get("additionalProperties") is False,
                },
            }
        return options

    def translate(self, error: Exception) -> ProviderError:
        """See `openai_errors`."""
        return translate(error)

    async def close(self) -> None:
        """Close the connections."""
        await super().close()
        self._unused.close()


def _model(
    deployment: DeploymentFacts,
    key: str | TokenSource | None,
    parameters: Mapping[str, Any],
    http: httpx2.AsyncClient,
    unused: httpx2.Client,
) -> BaseChatOpenAI:
    """The chat model. Everything that would otherwise be read from the environment is given here."""
    provider = deployment.provider
    settings = dict(parameters)
    if deployment.model_class is ModelClass.GENERAL:
        settings.setdefault("temperature", 0.0)
    common: dict[str, Any] = {
        "http_client": unused,
        "http_async_client": http,
        "openai_proxy": None,
        "http_socket_options": (),
        "max_retries": 0,
        "timeout": httpx2.Timeout(None, connect=CONNECT_SECONDS),
        "stream_usage": True,
        "stream_chunk_timeout": None,
        "use_responses_api": False,
        "output_version": "v0",
        **settings,
    }
    model: BaseChatOpenAI
    if provider.kind is ProviderKind.AZURE_OPENAI and provider.api_version is not None:
        secret = SecretStr(key or "none") if not callable(key) else None
        model = AzureChatOpenAI(
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
        model = ChatOpenAI(
            model=deployment.model_name,
            base_url=provider.base_url,
            api_key=key if callable(key) else SecretStr(key or "none"),
            **common,
        )
    for client in filter(None, (model.root_async_client, model.root_client)):
        client.organization = client.project = None
        client._custom_headers = {}  # noqa: SLF001 - OPENAI_CUSTOM_HEADERS has no other way out
    return model
