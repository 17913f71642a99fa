"""What goes to a model and what comes back, the same for every vendor.

Field names follow OpenTelemetry GenAI (provider_name, request_model, input_tokens, output_tokens).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from app.vocabulary import SegmentKind, StepKind


@dataclass(frozen=True)
class Block:
    """A piece of source text under an id that is local to the request (`B1`, `B2`, ...)."""

    id: str
    text: str
    kind: SegmentKind
    heading_path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


Render = Callable[[Mapping[str, str]], Sequence[Message]]
"""Turns the prompts of the chosen member's prompt set into messages, so each hop has its own prompt."""


@dataclass(frozen=True)
class ModelRequest:
    """One thing to ask a model. Blocks are structured so that `extractive` parses no prompt."""

    task_type: str
    step_kind: StepKind
    blocks: tuple[Block, ...]
    parameters: Mapping[str, Any]
    language: str
    """Language of the answer, ISO 639-1; `und` when unknown."""
    render: Render
    response_schema: Mapping[str, Any] | None
    input_tokens_estimate: int
    max_output_tokens: int
    narrow_schema: Mapping[str, Any] | None = None
    """A stricter form of `response_schema` (patterns, enumerated strings) for deployments with the
    capability `grammar`; every answer that fits it fits the wider one."""
    user_watches: bool = False
    said: Mapping[str, Any] = field(default_factory=dict)
    """What `render` says beside all that, as JSON: with it, equal requests mean equal prompts."""


@dataclass(frozen=True)
class TokenUsage:
    """Tokens as the vendor counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class ModelResult:
    """A complete answer: the text as it came, and how it ended."""

    text: str
    usage: TokenUsage
    finish_reason: str
    response_model: str
    method: Literal["generative", "extractive"] = "generative"
    first_token_seconds: float | None = None
    """Of a stream: from the request until the first piece of the answer's text."""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Provider(Protocol):
    """A vendor's protocol: one file in providers/. Raises only `ProviderError`s (app/llm/errors.py)."""

    async def complete(
        self, request: ModelRequest, messages: Sequence[Message], *, timeout_seconds: float
    ) -> ModelResult:
        """Ask once. A cut-off, empty or unfinished answer is an error, never a result."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
