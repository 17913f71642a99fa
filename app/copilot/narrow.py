"""A narrower schema for servers that compile a schema into a grammar and so can do nothing else.

Under it the smallest models, which invent quotes and do not stop, can only quote what stands in the
document and write one bounded sentence at a time. What they write is still checked like any answer.
"""

from collections.abc import Sequence
from typing import Any

from app.copilot.citations import Evidence
from app.core.sentences import split_sentences
from app.vocabulary import SegmentKind

_MOST_QUOTES = 150
_MOST_SENTENCES = 2
_QUOTE_CHARACTERS = 160
_SENTENCE = r'^([^.!?\n"\\]|[0-9][.][0-9]){15,160}[.!?]$'
"""One sentence: a stop ends it unless a digit follows, as in 4.2."""


def narrow_schema(evidence: Sequence[Evidence], *, most: int, language: str) -> dict[str, Any] | None:
    """The schema of at most `most` claims; None when the text has too many sentences to list."""
    choices = []
    count = 0
    for each in evidence:
        quotes = [] if each.block.kind is SegmentKind.HEADING else _quotes(each.block.text, language)
        if quotes:
            choices.append(_citation(each.block.id, quotes))
            count += len(quotes)
    if not choices or count > _MOST_QUOTES:
        return None
    claim = _object(
        {
            "text": {"type": "string", "pattern": _SENTENCE},
            "citations": {"type": "array", "items": {"anyOf": choices}, "minItems": 1, "maxItems": 1},
        }
    )
    sentences = {"type": "array", "items": claim, "minItems": 1, "maxItems": min(most, _MOST_SENTENCES)}
    return _object({"sentences": sentences})


def _citation(block_id: str, quotes: Sequence[str]) -> dict[str, Any]:
    return _object(
        {"block": {"type": "string", "enum": [block_id]}, "quote": {"type": "string", "enum": list(quotes)}}
    )


def _quotes(text: str, language: str) -> list[str]:
    """The beginning of each sentence, whole words of it."""
    found: list[str] = []
    for sentence in split_sentences(text, language):
        words = " ".join(sentence.split())
        if len(words) > _QUOTE_CHARACTERS:
            words = words[:_QUOTE_CHARACTERS].rpartition(" ")[0]
        if len(words.split()) >= 3 and words not in found:
            found.append(words)
    return found


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
