"""A narrower schema for servers that compile a schema into a grammar and so can do nothing else.

The smallest models invent quotes, write of something else under a true one, and do not stop. Here each
sentence quotes a sentence of the document, begins with its first words and is no longer: the model chooses
what to say again, and how it goes on. What it writes is still checked like any answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.copilot.citations import Evidence
from app.core.sentences import split_sentences
from app.vocabulary import SegmentKind

_MOST_QUOTES = 150
_MOST_SENTENCES = 2
_QUOTE_CHARACTERS = 130
_FEWEST_WORDS = 3
_SENTENCE_WORDS = 5
_GIVEN_WORDS = 3
_STOPS = ".!?"
_CHARACTER = r'([^.!?\n"\\]|[0-9][.][0-9])'
"""A stop ends the sentence unless a digit follows, as in 4.2."""
_SPECIAL = frozenset(r"$()*+-./?[]{|}")


@dataclass(frozen=True)
class _Choice:
    """A sentence of the document that may be said again."""

    block_id: str
    quote: str
    is_whole: bool
    """Whether it is a sentence from its beginning to its stop."""


def narrow_schema(evidence: Sequence[Evidence], *, most: int, language: str) -> dict[str, Any] | None:
    """The schema of one claim of each part of the text; None when it has too many sentences to list."""
    choices = [
        choice
        for each in evidence
        if each.block.kind is not SegmentKind.HEADING
        for choice in _choices(each.block.id, each.block.text, language)
    ]
    if not choices or len(choices) > _MOST_QUOTES:
        return None
    # Address lines, table rows and cut sentences only where there is nothing better to begin with.
    choices = [choice for choice in choices if choice.is_whole] or choices
    count = min(most, _MOST_SENTENCES, len(choices))
    # Left to itself the model says one thing twice.
    parts = [choices[at * len(choices) // count : (at + 1) * len(choices) // count] for at in range(count)]
    claims = [{"anyOf": [_claim(choice) for choice in part]} for part in parts]
    sentences = {"type": "array", "prefixItems": claims, "minItems": count, "maxItems": count}
    return _object({"sentences": sentences})


def _choices(block_id: str, text: str, language: str) -> list[_Choice]:
    """Each sentence of a block once; of a long one the beginning, in whole words."""
    found: dict[str, _Choice] = {}
    for sentence in split_sentences(text, language):
        quote = " ".join(sentence.split())
        is_whole = quote[-1:] in _STOPS and len(quote.split()) >= _SENTENCE_WORDS
        if len(quote) > _QUOTE_CHARACTERS:
            quote, is_whole = quote[:_QUOTE_CHARACTERS].rpartition(" ")[0], False
        if len(quote.split()) >= _FEWEST_WORDS:
            found.setdefault(quote, _Choice(block_id, quote, is_whole))
    return list(found.values())


def _claim(choice: _Choice) -> dict[str, Any]:
    """The quote comes first, so that the model has it before it when it writes."""
    citation = _object(
        {
            "block": {"type": "string", "enum": [choice.block_id]},
            "quote": {"type": "string", "enum": [choice.quote]},
        }
    )
    return _object(
        {
            "citations": {"type": "array", "items": citation, "minItems": 1, "maxItems": 1},
            "text": {"type": "string", "pattern": _sentence(choice.quote)},
        }
    )


def _sentence(quote: str) -> str:
    """A sentence that begins as the quote does and is hardly longer."""
    words = quote.rstrip(_STOPS).split()
    given: list[str] = []
    for word in words[: max(0, min(_GIVEN_WORDS, len(words) - 2))]:
        if not word.isprintable() or any(character in '"\\^' for character in word):
            break
        given.append(word)
    begin = "".join(word + " " for word in given)
    room = len(quote) - len(begin)
    return f'^{_literal(begin)}{_CHARACTER}{{3,{room}}}[^ .!?\\n"\\\\,][.!?]$'


def _literal(text: str) -> str:
    """The text as a pattern. In a class of its own a character needs no escape, which grammars differ in."""
    return "".join(
        f"\\{character}" if character in "[]" else f"[{character}]" if character in _SPECIAL else character
        for character in text
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
