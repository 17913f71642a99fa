"""Anthropic's messages: system apart from the turns, an output limit in every request, its own words for the end."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import anthropic
import httpx2
from langchain_anthropic import ChatAnthropic
from langchain_core.exceptions import ModelError
from pydantic import PrivateAttr, SecretStr

from app.llm.errors import ProviderError
from app.llm.providers.chat import ChatProvider, Patience, sampling
from app.llm.providers.guard import http_client
from app.llm.providers.statuses import from_status, from_transport, inside_a_stream
from app.llm.types import ModelRequest
from app.pools.values import DeploymentFacts
from app.vocabulary import PLATFORM

DEFAULT_URL = "https://api.anthropic.com"


class _Model(ChatAnthropic):
    """LangChain's model on our guarded connections; it offers no field for a client."""

    _guarded: httpx2.AsyncClient = PrivateAttr()

    @cached_property
    def _async_client(self) -> anthropic.AsyncClient:
        client = anthropic.AsyncClient(**self._client_params, http_client=self._guarded)
        client._custom_headers = {}  # noqa: SLF001 - ANTHROPIC_CUSTOM_HEADERS has no other way out
        return client


class AnthropicProvider(ChatProvider):
    """A client for one deployment with one key and one set of parameters. Make it on the loop that calls."""

    errors = (anthropic.AnthropicError, ModelError, httpx2.HTTPError)
    finished = frozenset({"end_turn", "stop_sequence"})
    filtered = frozenset({"refusal"})
    finish_key = "stop_reason"

    def __init__(
        self,
        deployment: DeploymentFacts,
        *,
        key: str | None,
        parameters: Mapping[str, Any],
        patience: Patience | None = None,
    ) -> None:
        http = http_client(private_allowed=deployment.provider.tenant_id == PLATFORM)
        model = _Model(
            model_name=deployment.model_name,
            base_url=deployment.provider.base_url or DEFAULT_URL,
            api_key=SecretStr(key or "none"),
            anthropic_proxy=None,
            max_retries=0,
            # LangChain takes a number only; the connections have their own limits.
            timeout=None,
            stream_usage=True,
            **sampling(deployment, parameters),
        )
        model._guarded = http  # noqa: SLF001 - our own class
        super().__init__(deployment, model, http, patience)

    def options(self, request: ModelRequest) -> dict[str, Any]:
        """Output limit, and the schema as `output_config.format`."""
        options: dict[str, Any] = {"max_tokens": self.output_limit(request)}
        schema = self.schema(request)
        if schema is not None:
            options["response_format"] = {"type": "json_schema", "json_schema": {"schema": dict(schema)}}
        return options

    def translate(self, error: Exception) -> ProviderError:
        """LangChain's classes derive from the client's, so status and words are still there."""
        match error:
            case anthropic.APIStatusError() if error.status_code != 200:
                return from_status(
                    error.status_code,
                    retry_after=error.response.headers.get("retry-after"),
                    said=f"{error.message} {error.body or ''}",
                )
            case anthropic.APIConnectionError():
                return from_transport(error)
            case anthropic.APIError():
                return inside_a_stream(f"{error.message} {error.body or ''}")
            case _:
                return from_transport(error)
