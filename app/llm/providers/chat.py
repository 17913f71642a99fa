"""What every LangChain chat model has in common: one request, its timeouts, and when an answer is whole.

A vendor's file makes the model, names its options and translates its errors. Prompts leave for the vendor and
nowhere else: no callbacks, no tracing, nothing from the environment.
"""

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import httpx2
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langsmith.run_helpers import tracing_context

from app.llm.errors import (
    ContentFiltered,
    Interrupted,
    InvalidOutput,
    ProviderError,
    TimedOut,
    Truncated,
    Unavailable,
)
from app.llm.types import Message, ModelRequest, ModelResult, TokenUsage
from app.pools.values import DeploymentFacts
from app.vocabulary import ModelClass

_MESSAGES: Mapping[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}
_NO_CALLBACKS = RunnableConfig(callbacks=[])
_GRAMMAR = "grammar"
"""Capability of servers that compile a schema into a grammar (llama.cpp, vLLM)."""
_MOST_TOKENS = 10**9
"""No request has more; two such counts still fit where the ledger keeps their sum."""


@dataclass(frozen=True)
class Patience:
    """How long a stream may stay silent, in seconds: before its first token, and between two."""

    first_token_seconds: float
    idle_seconds: float


PATIENCE: Mapping[ModelClass, Patience] = {
    ModelClass.GENERAL: Patience(30.0, 20.0),
    # It thinks before it speaks, and may pause to think again.
    ModelClass.REASONING: Patience(180.0, 90.0),
}


class ChatProvider(ABC):
    """A client for one deployment with one key and one set of parameters. Make it on the loop that calls."""

    errors: ClassVar[tuple[type[Exception], ...]]
    """What the vendor's client raises, for `translate`."""
    finished: ClassVar[frozenset[str]]
    """Finish reasons of a whole answer."""
    filtered: ClassVar[frozenset[str]]
    """Finish reasons that mean that the vendor's filter stopped the answer."""
    finish_key: ClassVar[str] = "finish_reason"

    def __init__(
        self,
        deployment: DeploymentFacts,
        model: BaseChatModel,
        http: httpx2.AsyncClient,
        patience: Patience | None = None,
    ) -> None:
        self.deployment = deployment
        self._model = model
        self._http = http
        self._patience = patience or PATIENCE[deployment.model_class]

    @abstractmethod
    def options(self, request: ModelRequest) -> dict[str, Any]:
        """The request's own arguments: output limit and schema, in the vendor's words."""

    def messages(self, request: ModelRequest, messages: Sequence[Message]) -> Sequence[Message]:
        """The messages to send: as they come, where the vendor takes a schema apart from them."""
        del request
        return messages

    @abstractmethod
    def translate(self, error: Exception) -> ProviderError:
        """One of `errors` in our tree; the message holds nothing of the request's content."""

    async def complete(
        self, request: ModelRequest, messages: Sequence[Message], *, timeout_seconds: float
    ) -> ModelResult:
        """Ask once; stream only where a person watches, because a stream costs thirty times the CPU."""
        converted = [_MESSAGES[one.role](one.content) for one in self.messages(request, messages)]
        options = self.options(request)
        loop = asyncio.get_running_loop()
        began, first_text_at = loop.time(), None
        answer: BaseMessage
        deadline = began + timeout_seconds
        try:
            async with asyncio.timeout_at(deadline) as limit:
                if request.user_watches:
                    # Off whatever the environment says.
                    with tracing_context(enabled=False):
                        answer, first_text_at = await self._stream(converted, options, limit, deadline)
                else:
                    answer = await self._whole(converted, options)
        except TimeoutError as error:
            waited = timeout_seconds - max(0.0, deadline - loop.time())
            raise TimedOut(f"no answer within {waited:.0f} seconds") from error
        except self.errors as error:
            raise self.translate(error) from error
        except json.JSONDecodeError as error:
            if not error.doc.lstrip().startswith("{"):
                raise Unavailable("the vendor answered 200 with something else") from error
            raise Interrupted("the vendor's answer is not whole") from error
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            # LangChain's way to say that a 200 did not carry an answer; Azure's filter is told so too.
            if "content filter" in str(error):
                # What Azure counted is lost with it.
                raise ContentFiltered("the vendor's filter stopped the answer", may_cost=True) from error
            raise Unavailable("the vendor answered 200 without an answer") from error
        result = self._result(answer)
        return result if first_text_at is None else replace(result, first_token_seconds=first_text_at - began)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def schema(self, request: ModelRequest) -> Mapping[str, Any] | None:
        """The schema to send: the narrow one where the deployment compiles it into a grammar."""
        if request.narrow_schema is not None and _GRAMMAR in self.deployment.capabilities:
            return request.narrow_schema
        return request.response_schema

    def usage(self, answer: BaseMessage) -> TokenUsage | None:
        """What the vendor counted, in our form: cached input is part of input, reasoning part of output."""
        return _usage(answer)

    def output_limit(self, request: ModelRequest) -> int:
        """The most tokens of the answer."""
        return min(request.max_output_tokens, self.deployment.max_output_tokens)

    async def _whole(self, messages: list[BaseMessage], options: Mapping[str, Any]) -> BaseMessage:
        """The answer in a piece, from the method that every LangChain model writes for its vendor.

        What `ainvoke` puts around that is callbacks, tracing, a cache and a limit of its own, all of which are off:
        a tenth of what a request costs us.
        """
        result = await self._model._agenerate(messages, **options)  # noqa: SLF001 - see above
        generation = result.generations[0]
        facts = {**(result.llm_output or {}), **(generation.generation_info or {})}
        generation.message.response_metadata = facts | generation.message.response_metadata
        return generation.message

    async def _stream(
        self,
        messages: Sequence[BaseMessage],
        options: Mapping[str, Any],
        limit: asyncio.Timeout,
        deadline: float,
    ) -> tuple[AIMessage, float | None]:
        """The whole answer, and when its text began."""
        loop = asyncio.get_running_loop()
        first_text_at: float | None = None
        limit.reschedule(min(deadline, loop.time() + self._patience.first_token_seconds))
        whole: AIMessage | None = None
        chunks: AsyncIterator[Any] = self._model.astream(list(messages), _NO_CALLBACKS, **options)
        async with contextlib.aclosing(chunks):  # type: ignore[type-var]
            async for chunk in chunks:
                limit.reschedule(min(deadline, loop.time() + self._patience.idle_seconds))
                whole = chunk if whole is None else whole + chunk
                if first_text_at is None and chunk.text:
                    first_text_at = loop.time()
        if whole is None:
            raise ValueError("a stream without a chunk")
        return whole, first_text_at

    def _result(self, answer: BaseMessage) -> ModelResult:
        """The answer if it is whole. Raises: `ProviderError`."""
        usage, facts = self.usage(answer), answer.response_metadata
        finish_reason, text = _word(facts.get(self.finish_key)), answer.text
        if finish_reason is None and usage is None and not text:
            raise Unavailable("the vendor answered 200 without an answer")
        if finish_reason in self.filtered:
            raise ContentFiltered("the vendor's filter stopped the answer", usage=usage)
        if finish_reason is None:
            raise Interrupted("the answer ended without saying that it was finished", usage=usage)
        if finish_reason not in self.finished:
            raise Truncated("the answer was cut off at its length limit", usage=usage)
        if usage is None or not usage.input_tokens:
            # Whoever counts no input has not counted: what it cost would be lost.
            raise Truncated("the answer ended without its token counts")
        if not text.strip():
            raise InvalidOutput("the answer is empty", usage=usage)
        return ModelResult(
            text=text,
            usage=usage,
            finish_reason=finish_reason,
            response_model=_word(facts.get("model_name"))
            or _word(facts.get("model"))
            or self.deployment.model_name,
        )


def sampling(deployment: DeploymentFacts, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A member's parameters; a model that takes a temperature and does not think is asked without chance."""
    settings = dict(parameters)
    known = deployment.supported_parameters
    if deployment.model_class is ModelClass.GENERAL and (known is None or "temperature" in known):
        settings.setdefault("temperature", 0.0)
    return settings


def _usage(answer: BaseMessage) -> TokenUsage | None:
    """Tokens in LangChain's one form: cached input is part of input, reasoning part of output.

    None where the vendor tells what nobody can count: less than nothing would give money back, and a text or a
    fraction is nothing that the ledger can keep.
    """
    counted = answer.usage_metadata if isinstance(answer, AIMessage) else None
    if counted is None:
        return None
    tokens = (
        counted["input_tokens"],
        counted["output_tokens"],
        counted.get("input_token_details", {}).get("cache_read") or 0,
        counted.get("output_token_details", {}).get("reasoning") or 0,
    )
    return TokenUsage(*tokens) if all(map(_is_count, tokens)) else None


def _is_count(told: object) -> bool:
    return type(told) is int and 0 <= told <= _MOST_TOKENS


def _word(told: object) -> str | None:
    """What a vendor tells in a word; nothing where it is something else."""
    return told if isinstance(told, str) else None
