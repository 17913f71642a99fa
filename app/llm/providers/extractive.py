"""The member without a model: it answers with sentences of the document, word for word.

A sentence is shown without its list marker and soft hyphens; its quote has them.

Faithful, in any language, instant and free; it cannot write for an audience, follow a focus, change
the language or join two sentences into one. It answers in the form that every member answers in, so
the same checks hold for it.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.llm.errors import BadRequest
from app.llm.providers.actions import find_actions
from app.llm.providers.candidates import Candidate, find_candidates
from app.llm.providers.textrank import choose
from app.llm.providers.wording import shown
from app.llm.types import Message, ModelRequest, ModelResult, TokenUsage
from app.pools.extractive_skills import unskilled

RESPONSE_MODEL = "extractive-textrank"
_DEFAULT_SENTENCES = 5
_LARGE_CHARACTERS = 2_000


class ExtractiveProvider:
    """Chooses sentences. Deterministic: the same blocks give the same answer."""

    async def complete(
        self, request: ModelRequest, messages: Sequence[Message], *, timeout_seconds: float
    ) -> ModelResult:
        """Answer with the best sentences; how many is the schema's `maxItems`. Tokens are 0.

        Raises: BadRequest for a task or a parameter that needs a writer.
        """
        _refuse_what_needs_a_writer(request)
        if sum(len(block.text) for block in request.blocks) < _LARGE_CHARACTERS:
            text = _answer(request)
        else:
            text = await asyncio.to_thread(_answer, request)
        return ModelResult(
            text=text,
            usage=TokenUsage(),
            finish_reason="stop",
            response_model=RESPONSE_MODEL,
            method="extractive",
        )

    async def close(self) -> None:
        """Nothing to release."""


def _refuse_what_needs_a_writer(request: ModelRequest) -> None:
    lacking = unskilled(request.task_type, request.parameters)
    if lacking is None and request.parameters.get("language"):
        lacking = "language"
    if lacking == request.task_type:
        raise BadRequest(f"the extractive member cannot do {request.task_type}")
    if lacking is not None:
        raise BadRequest(f"the extractive member cannot follow the parameter {lacking}")
    if not any(block.text.strip() for block in request.blocks):
        raise BadRequest("there is no text to choose sentences from")


def _answer(request: ModelRequest) -> str:
    candidates = find_candidates(request.blocks, request.language)
    most = _most_sentences(request.response_schema)
    if request.task_type == "extract_actions":
        found = find_actions(candidates, most=most)
        sentences = [
            {**_sentence(request, one.sentence), "kind": one.kind, "owner": one.owner, "due": one.due}
            for one in found
        ]
    else:
        chosen = choose(candidates, most=most, language=request.language)
        sentences = [_sentence(request, one) for one in chosen]
    return json.dumps({"sentences": sentences}, ensure_ascii=False)


def _sentence(request: ModelRequest, candidate: Candidate) -> dict[str, Any]:
    quote = {"block": request.blocks[candidate.block].id, "quote": candidate.text}
    return {"citations": [quote], "text": shown(candidate.text)}


def _most_sentences(schema: Mapping[str, Any] | None) -> int:
    sentences = ((schema or {}).get("properties") or {}).get("sentences") or {}
    return max(1, int(sentences.get("maxItems", _DEFAULT_SENTENCES)))
