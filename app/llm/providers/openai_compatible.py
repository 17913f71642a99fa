"""Vendors that speak OpenAI's chat completions: OpenAI itself, and every server that copies it."""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import openai
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from langsmith.run_helpers import tracing_context
from pydantic import SecretStr

from app.core.outbound import CONNECT_SECONDS
from app.llm.errors import ContentFiltered, InvalidOutput, ProviderError, TimedOut, Truncated, Unavailable
from app.llm.providers.guard import http_client, unused_client
from app.llm.providers.openai_errors import translate
from app.llm.types import Message, ModelRequest, ModelResult, TokenUsage
from app.pools.values import DeploymentFacts
from app.vocabulary import PLATFORM, ModelClass

_MESSAGES: Mapping[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}
_NEW_LIMIT_NAME = frozenset({"openai", "azure"})
"""Vendors that call the output limit `max_completion_tokens`; the others only know `max_tokens`."""
_FINISHED = "stop"


class OpenAICompatibleProvider:
    """A client for one deployment with one key and one set of parameters. Make it on the loop that calls."""

    def __init__(
        self, deployment: DeploymentFacts, *, key: str | None, parameters: Mapping[str, Any]
    ) -> None:
        self._deployment = deployment
        self._http = http_client(private_allowed=deployment.provider.tenant_id == PLATFORM)
        self._unused = unused_client()
        settings = dict(parameters)
        if deployment.model_class is ModelClass.GENERAL:
            settings.setdefault("temperature", 0.0)
        # Everything that would otherwise be read from the environment is given here.
        self._model = ChatOpenAI(
            model=deployment.model_name,
            base_url=deployment.provider.base_url,
            api_key=SecretStr(key or "none"),
            http_client=self._unused,
            http_async_client=self._http,
            openai_proxy=None,
            http_socket_options=(),
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            stream_usage=True,
            stream_chunk_timeout=None,
            use_responses_api=False,
            output_version="v0",
            **settings,
        )
        for client in (self._model.root_async_client, self._model.root_client):
            client.organization = client.project = None
            client._custom_headers = {}  # noqa: SLF001 - OPENAI_CUSTOM_HEADERS has no other way out

    async def complete(
        self, request: ModelRequest, messages: Sequence[Message], *, timeout_seconds: float
    ) -> ModelResult:
        """Ask once; stream only where a person watches, because a stream costs thirty times the CPU."""
        converted = [_MESSAGES[message.role](message.content) for message in messages]
        options = self._options(request)
        try:
            async with asyncio.timeout(timeout_seconds):
                # Off whatever the environment says: prompts leave for the vendor and nowhere else.
                with tracing_context(enabled=False):
                    if request.user_watches:
                        answer = await self._stream(converted, options)
                    else:
                        answer = await self._model.ainvoke(converted, _NO_CALLBACKS, **options)
        except TimeoutError as error:
            raise TimedOut(f"no answer within {timeout_seconds:.0f} seconds") from error
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            raise translate(error) from error
        except json.JSONDecodeError as error:
            raise Truncated("the vendor's answer is not whole") from error
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            # LangChain's way to say that a 200 did not carry an answer.
            raise Unavailable("the vendor answered 200 without an answer") from error
        return _result(answer, self._deployment.model_name)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        self._unused.close()

    async def _stream(self, messages: Sequence[BaseMessage], options: Mapping[str, Any]) -> AIMessage:
        whole: AIMessage | None = None
        async with contextlib.aclosing(
            self._model.astream(list(messages), _NO_CALLBACKS, **options)  # type: ignore[type-var]
        ) as chunks:
            async for chunk in chunks:
                whole = chunk if whole is None else whole + chunk  # type: ignore[assignment]
        if whole is None:
            raise ValueError("a stream without a chunk")
        return whole

    def _options(self, request: ModelRequest) -> dict[str, Any]:
        limit = min(request.max_output_tokens, self._deployment.max_output_tokens)
        options: dict[str, Any] = {}
        if self._deployment.provider.vendor in _NEW_LIMIT_NAME:
            options["max_tokens"] = limit
        else:
            options["extra_body"] = {"max_tokens": limit}
        schema = request.response_schema
        if request.narrow_schema is not None and _GRAMMAR in self._deployment.capabilities:
            schema = request.narrow_schema
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


_GRAMMAR = "grammar"
"""Capability of servers that compile a schema into a grammar (llama.cpp, vLLM)."""
_NO_CALLBACKS = RunnableConfig(callbacks=[])


def _result(answer: BaseMessage, model_name: str) -> ModelResult:
    """The answer if it is whole. Raises: `ProviderError`."""
    usage = _usage(answer)
    facts = answer.response_metadata
    finish_reason = facts.get("finish_reason")
    text = answer.text
    if finish_reason is None:
        raise Truncated("the answer ended without saying that it was finished", usage=usage)
    if finish_reason != _FINISHED:
        raise _unfinished(finish_reason, usage)
    if usage is None:
        raise Truncated("the answer ended without its token counts")
    if not text.strip():
        raise InvalidOutput("the answer is empty", usage=usage)
    return ModelResult(
        text=text,
        usage=usage,
        finish_reason=finish_reason,
        response_model=facts.get("model_name") or model_name,
    )


def _unfinished(finish_reason: str, usage: TokenUsage | None) -> ProviderError:
    if finish_reason == "content_filter":
        return ContentFiltered("the vendor's filter stopped the answer", usage=usage)
    return Truncated("the answer was cut off at its length limit", usage=usage)


def _usage(answer: BaseMessage) -> TokenUsage | None:
    counted = answer.usage_metadata if isinstance(answer, AIMessage) else None
    if counted is None:
        return None
    return TokenUsage(
        input_tokens=counted["input_tokens"],
        output_tokens=counted["output_tokens"],
        cached_input_tokens=counted.get("input_token_details", {}).get("cache_read", 0),
        reasoning_tokens=counted.get("output_token_details", {}).get("reasoning", 0),
    )
