"""OpenAI's client, asked for JSON where LangChain wants no more than JSON.

The client compares each message and the schema with every type that it declares, builds a tree of its classes from the
answer, and LangChain takes that apart again: half of what a request would cost us.
"""

import json
from dataclasses import dataclass
from typing import Any

import openai


def as_written(payload: dict[str, Any]) -> dict[str, Any]:
    """The same body by way of `extra_body`, but for what the client itself looks at: model and stream.

    With a schema the client would also read the answer a second time, and lose what the vendor counted where it is cut
    off; `ChatProvider` and the checks of the task see to both.
    """
    looked_at: dict[str, Any] = {name: payload.pop(name) for name in ("model", "stream") if name in payload}
    body = payload.pop("extra_body", None) or {}
    return {**looked_at, "messages": (), "extra_body": {**payload, **body}}


class ChatCompletions:
    """What LangChain knows as `chat.completions`; both methods take what `as_written` gave.

    A stream is the client's own: vendors leave fields out of its pieces that LangChain looks for.
    """

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self.create = client.chat.completions.create
        self.with_raw_response = _WholeAnswers(client)


class _WholeAnswers:
    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    async def create(self, *, extra_body: dict[str, Any], **body: Any) -> "_Answer":
        return _Answer(
            await self._client.post("/chat/completions", cast_to=object, body={**body, **extra_body})
        )


@dataclass(frozen=True)
class _Answer:
    body: object
    """A text where the vendor does not say that it is JSON."""

    def parse(self) -> object:
        # Servers that call JSON something else, or nothing, are many.
        return json.loads(self.body) if isinstance(self.body, str) else self.body
