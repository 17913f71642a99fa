"""Google's Gemini: content parts instead of messages, reasoning counted apart, filters as finish reasons."""

from collections.abc import Mapping
from typing import Any

import httpx2
from google.genai import Client
from google.genai.errors import APIError
from google.genai.types import HttpOptions
from langchain_core.exceptions import ModelError
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_google_genai.chat_models import ChatGoogleGenerativeAIError
from pydantic import SecretStr

from app.llm.errors import ProviderError
from app.llm.providers.chat import ChatProvider, Patience, sampling
from app.llm.providers.guard import http_client
from app.llm.providers.statuses import from_status, from_transport
from app.llm.types import ModelRequest
from app.pools.values import DeploymentFacts
from app.vocabulary import PLATFORM

DEFAULT_URL = "https://generativelanguage.googleapis.com"


class GoogleProvider(ChatProvider):
    """A client for one deployment with one key and one set of parameters. Make it on the loop that calls."""

    errors = (APIError, ModelError, ChatGoogleGenerativeAIError, httpx2.HTTPError)
    finished = frozenset({"STOP"})
    filtered = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"})

    def __init__(
        self,
        deployment: DeploymentFacts,
        *,
        key: str | None,
        parameters: Mapping[str, Any],
        patience: Patience | None = None,
    ) -> None:
        http = http_client(private_allowed=deployment.provider.tenant_id == PLATFORM)
        # LangChain would send a temperature of its own.
        settings = {"temperature": None, **sampling(deployment, parameters)}
        base_url = deployment.provider.base_url or DEFAULT_URL
        model = ChatGoogleGenerativeAI(
            model=deployment.model_name,
            api_key=SecretStr(key or "none"),
            base_url=base_url,
            vertexai=False,
            # One attempt: whether there is another one is decided above.
            max_retries=1,
            timeout=None,
            **settings,
        )
        model.client = Client(
            api_key=key or "none",
            vertexai=False,
            http_options=HttpOptions(base_url=base_url, httpx_async_client=http),
        )
        super().__init__(deployment, model, http, patience)

    def options(self, request: ModelRequest) -> dict[str, Any]:
        """Output limit, and the schema with its media type."""
        options: dict[str, Any] = {"max_output_tokens": self.output_limit(request)}
        schema = self.schema(request)
        if schema is not None:
            options |= {"response_mime_type": "application/json", "response_json_schema": dict(schema)}
        return options

    def translate(self, error: Exception) -> ProviderError:
        """LangChain wraps the client's errors, which hold status, headers and words."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, APIError):
            cause = cause.__cause__
        if cause is None:
            return from_transport(error)
        headers = getattr(cause.response, "headers", None) or {}
        return from_status(
            cause.code or 500, retry_after=headers.get("retry-after"), said=f"{cause.status} {cause.message}"
        )
