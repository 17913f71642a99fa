"""How three vendors' protocols say the same: what was asked, an answer in one piece, the events of a stream.

Written from the vendors' API references (OpenAI chat completions, Anthropic messages, Gemini generateContent), not
from their client libraries, so that a library which reads something else is found.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered. Seconds for durations, bytes for `cut_body_after`."""

    answer: str | None = None
    """None: the vendor's `respond` function."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    finish_reason: str | None = "stop"
    """In OpenAI's words: `stop`, `length`, `content_filter`; None: not told."""
    usage: tuple[int, int] | None = (100, 20)
    """Input and output tokens; None: not told."""
    counted: bool = False
    """Tell what the messages and the answer have, at four characters a token, instead of `usage`."""
    cached_tokens: int = 0
    """Of the input."""
    reasoning_tokens: int = 0
    """Of the output."""
    reasoning_apart: bool = False
    """OpenAI's protocol as xAI speaks it: the completion's tokens are counted without the reasoning."""
    usage_unasked: bool = False
    """OpenAI's protocol as Mistral speaks it: a stream's last choice carries the counts, whoever asks or not."""
    body: dict[str, Any] | str | None = None
    """Sent instead of a completion, such as an error inside a 200."""
    stall: bool = False
    """Take the request and say nothing until the client goes away."""
    stall_after: int | None = None
    """Say nothing more after so many events of a stream, or half of an answer in one piece."""
    cut_body_after: int | None = None
    """Close the connection after so many bytes of the body; of a stream, in the middle of that chunk."""
    end_stream_after: int | None = None
    """End the stream cleanly after so many events: no finish reason, no usage, no end."""


@dataclass(frozen=True)
class Asked:
    """A request in one form for all: what scripts and `respond` look at."""

    model: str
    messages: list[dict[str, str]]
    schema: Mapping[str, Any] | None
    stream: bool
    max_tokens: int | None
    key: str
    wants_usage: bool = True
    """Whether a stream is to tell its token counts."""


class WireFormat(Protocol):
    """One vendor's protocol."""

    name: str

    def asked(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked | None:
        """The request, if the path is this protocol's."""

    def completion(self, asked: Asked, behaviour: Behaviour) -> dict[str, Any]:
        """An answer in one piece."""

    def events(self, asked: Asked, behaviour: Behaviour) -> list[str]:
        """The events of a stream as they go over the wire, without the last blank line."""

    def error(self, status: int, code: str, message: str) -> dict[str, Any]:
        """The body of a refusal."""


def _pieces(text: str) -> list[str]:
    return re.findall(r".{1,12}", text, re.DOTALL)


class OpenAI:
    """Chat completions, at any address that ends in `/chat/completions`."""

    name = "openai"

    def asked(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked | None:
        if not path.split("?", maxsplit=1)[0].endswith("/chat/completions"):
            return None
        return Asked(
            model=body["model"],
            messages=body["messages"],
            schema=body.get("response_format", {}).get("json_schema", {}).get("schema"),
            stream=bool(body.get("stream")),
            max_tokens=body.get("max_tokens") or body.get("max_completion_tokens"),
            key=headers.get("api-key") or headers.get("authorization", "").removeprefix("Bearer "),
            wants_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        )

    def completion(self, asked: Asked, behaviour: Behaviour) -> dict[str, Any]:
        message = {"role": "assistant", "content": behaviour.answer}
        body: dict[str, Any] = {
            "id": "chatcmpl-scripted",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": asked.model,
            "choices": [{"index": 0, "message": message, "finish_reason": behaviour.finish_reason}],
        }
        if behaviour.usage is not None:
            body["usage"] = self._usage(behaviour)
        return body

    def events(self, asked: Asked, behaviour: Behaviour) -> list[str]:
        base = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1_700_000_000}
        base["model"] = asked.model
        deltas: list[Any] = [
            {"index": 0, "delta": {"role": "assistant", "content": piece}}
            for piece in _pieces(behaviour.answer or "") or [""]
        ]
        bodies = [{**base, "choices": [delta]} for delta in deltas]
        bodies.append(
            {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": behaviour.finish_reason}]}
        )
        if behaviour.usage is not None and behaviour.usage_unasked:
            bodies[-1]["usage"] = self._usage(behaviour)
        elif behaviour.usage is not None and asked.wants_usage:
            bodies.append({**base, "choices": [], "usage": self._usage(behaviour)})
        return [f"data: {json.dumps(body)}" for body in bodies] + ["data: [DONE]"]

    def error(self, status: int, code: str, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "invalid_request_error", "code": code}}

    def _usage(self, behaviour: Behaviour) -> dict[str, Any]:
        given, made = behaviour.usage or (0, 0)
        return {
            "prompt_tokens": given,
            "completion_tokens": made - (behaviour.reasoning_tokens if behaviour.reasoning_apart else 0),
            "total_tokens": given + made,
            "prompt_tokens_details": {"cached_tokens": behaviour.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": behaviour.reasoning_tokens},
        }


class Anthropic:
    """Messages: cached input is counted beside input, and the last usage of a stream counts everything."""

    name = "anthropic"
    _ENDS: Mapping[str | None, str | None] = {
        "stop": "end_turn",
        "length": "max_tokens",
        "content_filter": "refusal",
    }
    _ERRORS: Mapping[int, str] = {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }

    def asked(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked | None:
        if not path.split("?", maxsplit=1)[0].endswith("/v1/messages"):
            return None
        turns = [{"role": turn["role"], "content": _plain(turn["content"])} for turn in body["messages"]]
        system = [{"role": "system", "content": _plain(body["system"])}] if body.get("system") else []
        return Asked(
            model=body["model"],
            messages=system + turns,
            schema=body.get("output_config", {}).get("format", {}).get("schema"),
            stream=bool(body.get("stream")),
            max_tokens=body.get("max_tokens"),
            key=headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer "),
        )

    def completion(self, asked: Asked, behaviour: Behaviour) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": "msg_scripted",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": [{"type": "text", "text": behaviour.answer}] if behaviour.answer else [],
            "stop_reason": self._ENDS.get(behaviour.finish_reason),
            "stop_sequence": None,
        }
        if behaviour.usage is not None:
            body["usage"] = self._usage(behaviour)
        return body

    def events(self, asked: Asked, behaviour: Behaviour) -> list[str]:
        usage = (
            self._usage(behaviour) if behaviour.usage is not None else {"input_tokens": 0, "output_tokens": 0}
        )
        begun = {**self.completion(asked, behaviour), "content": [], "stop_reason": None, "usage": usage}
        bodies: list[dict[str, Any]] = [
            {"type": "message_start", "message": {**begun, "usage": {**usage, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        ]
        bodies += [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in _pieces(behaviour.answer or "")
        ]
        bodies += [
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": self._ENDS.get(behaviour.finish_reason), "stop_sequence": None},
                "usage": usage,
            },
            {"type": "message_stop"},
        ]
        return [f"event: {body['type']}\ndata: {json.dumps(body)}" for body in bodies]

    def error(self, status: int, code: str, message: str) -> dict[str, Any]:
        kind = self._ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"}

    def _usage(self, behaviour: Behaviour) -> dict[str, Any]:
        given, made = behaviour.usage or (0, 0)
        return {
            "input_tokens": given - behaviour.cached_tokens,
            "cache_read_input_tokens": behaviour.cached_tokens,
            "cache_creation_input_tokens": 0,
            "output_tokens": made,
            "output_tokens_details": {"thinking_tokens": behaviour.reasoning_tokens},
        }


class Google:
    """Gemini: reasoning is counted beside the answer."""

    name = "google"
    _ENDS: Mapping[str | None, str | None] = {
        "stop": "STOP",
        "length": "MAX_TOKENS",
        "content_filter": "SAFETY",
    }
    _STATUSES: Mapping[int, str] = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        503: "UNAVAILABLE",
    }
    _PATH = re.compile(r"/models/([^:/]+):(generateContent|streamGenerateContent)")

    def asked(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked | None:
        found = self._PATH.search(path)
        if found is None:
            return None
        turns = [
            {
                "role": "assistant" if turn.get("role") == "model" else "user",
                "content": _plain(turn["parts"]),
            }
            for turn in body["contents"]
        ]
        system = body.get("systemInstruction")
        settings = body.get("generationConfig", {})
        return Asked(
            model=found[1],
            messages=([{"role": "system", "content": _plain(system["parts"])}] if system else []) + turns,
            schema=settings.get("responseJsonSchema"),
            stream=found[2] == "streamGenerateContent",
            max_tokens=settings.get("maxOutputTokens"),
            key=headers.get("x-goog-api-key", ""),
        )

    def completion(self, asked: Asked, behaviour: Behaviour) -> dict[str, Any]:
        return self._body(asked, behaviour, behaviour.answer or "", self._ENDS.get(behaviour.finish_reason))

    def events(self, asked: Asked, behaviour: Behaviour) -> list[str]:
        pieces = _pieces(behaviour.answer or "") or [""]
        silent = Behaviour(usage=None)
        bodies = [self._body(asked, silent, piece, None) for piece in pieces[:-1]]
        bodies.append(self._body(asked, behaviour, pieces[-1], self._ENDS.get(behaviour.finish_reason)))
        return [f"data: {json.dumps(body)}" for body in bodies]

    def error(self, status: int, code: str, message: str) -> dict[str, Any]:
        kind = self._STATUSES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
        return {"error": {"code": status, "message": message, "status": kind}}

    def _body(self, asked: Asked, behaviour: Behaviour, text: str, end: str | None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
        if end is not None:
            candidate["finishReason"] = end
        body: dict[str, Any] = {"candidates": [candidate], "modelVersion": asked.model}
        if behaviour.usage is not None:
            given, made = behaviour.usage
            body["usageMetadata"] = {
                "promptTokenCount": given,
                "candidatesTokenCount": made - behaviour.reasoning_tokens,
                "totalTokenCount": given + made,
                "cachedContentTokenCount": behaviour.cached_tokens,
                "thoughtsTokenCount": behaviour.reasoning_tokens,
            }
        return body


def _plain(content: Any) -> str:
    """Text that stands alone or in parts."""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


WIRE_FORMATS: tuple[WireFormat, ...] = (OpenAI(), Anthropic(), Google())
