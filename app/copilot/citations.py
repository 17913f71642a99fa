"""From a model's JSON claims to sentences that stand on spans of the document.

A request shows blocks `[B1] text`, numbered for this request alone. An answer is
`{"sentences": [{"citations": [{"block": "B1", "quote": "..."}], "text": "..."}]}`; every quote must be
found in its block, and a claim that loses all its quotes is removed and counted.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.copilot.quotes import FoldedText, find_exact, find_similar
from app.llm.errors import InvalidOutput
from app.llm.types import Block

_MAX_CITATIONS = 3
# Block ids that a model wrote into its sentence, and reference numbers of the source: ours are the only [n].
_MARKERS = re.compile(r"\s*[\[(]B\d+(?:\s*[,;–-]\s*B?\d+)*[\])]|\s*\[\d+(?:\s*[,;–-]\s*\d+)*\]")
_FENCE = re.compile(r"\A\s*```(?:json)?\s*(.*?)\s*```\s*\Z", re.DOTALL)
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` of the text of segment `segment`."""

    segment: int
    start: int
    end: int


@dataclass(frozen=True)
class Evidence:
    """A block, and what it stands for in the document."""

    block: Block
    spans: tuple[Span, ...]
    """One span that is the block's text, or the spans that a fact found earlier stands on."""
    support: str
    """Everything that a sentence citing this block may take figures and names from."""
    body: str
    """The support without the headings above it: what such a sentence has to speak of."""
    headings: tuple[str, ...] = ()
    is_fact: bool = False
    header: str | None = None
    document: int = 0
    """Which of the job's documents it is of."""

    def narrowed(self, start: int, end: int) -> tuple[Span, ...]:
        """What a quote of characters `start` to `end` of the block stands on."""
        if self.is_fact:
            return self.spans
        whole = self.spans[0]
        return (Span(whole.segment, whole.start + start, whole.start + end),)


@dataclass(frozen=True)
class Claim:
    """A sentence with the spans it stands on."""

    text: str
    spans: tuple[Span, ...]
    support: str
    body: str
    """The support without headings."""
    headings: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    """The other fields by name."""


@dataclass(frozen=True)
class Field:
    """Something that a sentence says beside its text; empty where there is nothing to say."""

    name: str
    choices: tuple[str, ...] = ()
    """The only values there may be; none for any text."""
    most_characters: int = 200


@dataclass(frozen=True)
class Claims:
    """What is left of an answer after its quotes were checked."""

    claims: tuple[Claim, ...]
    removed: int


def claims_schema(
    block_ids: Sequence[str], *, most: int, fields: Sequence[Field] = (), least: int = 1
) -> dict[str, Any]:
    """JSON Schema of an answer of at most `most` sentences. `minItems` 1, or small models cite nothing."""
    block: dict[str, Any] = {"type": "string"}
    if len(block_ids) <= 100:
        block["enum"] = list(block_ids)
    citation = _object({"block": block, "quote": {"type": "string"}})
    sentence = _object(
        {
            "citations": {"type": "array", "items": citation, "minItems": 1, "maxItems": _MAX_CITATIONS},
            "text": {"type": "string"},
            **{each.name: _field(each) for each in fields},
        }
    )
    sentences = {"type": "array", "items": sentence, "minItems": min(1, least), "maxItems": most}
    return _object({"sentences": sentences})


def _field(wanted: Field) -> dict[str, Any]:
    return {"type": "string", "enum": list(wanted.choices)} if wanted.choices else {"type": "string"}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def verify_claims(
    answer: str, evidence: Sequence[Evidence], *, fields: Sequence[Field] = (), may_be_empty: bool = False
) -> Claims:
    """Keep the sentences whose quotes are in the document, each once.

    With `may_be_empty`, no sentence at all is an answer, and so is one of whose sentences none is left. Raises:
    InvalidOutput if the answer is not of the form, or too little of it is left.
    """
    by_id = {each.block.id: each for each in evidence}
    folded: dict[str, FoldedText] = {}
    claims: list[Claim] = []
    seen: set[str] = set()
    removed = repeated = 0
    for sentence in _sentences(answer, fields, may_be_empty=may_be_empty):
        text = clean(sentence["text"])
        same = "\0".join([text, *sentence["extra"].values()]).casefold()
        if same in seen:
            repeated += 1
            continue
        seen.add(same)
        claim = _claim(text, sentence["citations"], by_id, folded)
        if claim is None:
            removed += 1
        else:
            claims.append(replace(claim, extra=sentence["extra"]))
    if may_be_empty and not claims:
        return Claims((), removed)
    if not claims or removed > len(claims):
        raise InvalidOutput("quotes_not_found: the answer does not quote what it was given")
    if repeated > len(claims):
        raise InvalidOutput("repeats_itself: most sentences of the answer are the same")
    return Claims(tuple(claims), removed)


def clean(text: str) -> str:
    """A sentence on one line, without block ids, reference numbers or invisible characters."""
    visible = "".join(
        character
        for character in text
        if character in _JOINERS
        or character.isspace()
        or unicodedata.category(character) not in {"Cf", "Cc", "Cs", "Co"}
    )
    return " ".join(_MARKERS.sub("", visible).split())


def _sentences(answer: str, fields: Sequence[Field], *, may_be_empty: bool) -> list[dict[str, Any]]:
    fenced = _FENCE.match(answer)
    try:
        parsed = json.loads(fenced.group(1) if fenced else answer)
        sentences = [
            {
                "text": _string(sentence["text"]),
                "citations": [
                    (_string(each["block"]), _string(each["quote"])) for each in sentence["citations"]
                ],
                "extra": {each.name: _extra(sentence[each.name], each) for each in fields},
            }
            for sentence in parsed["sentences"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidOutput("not_the_schema: the answer is not the JSON that was asked for") from None
    if not sentences and not may_be_empty:
        raise InvalidOutput("empty: the answer has no sentences")
    return sentences


def _extra(value: object, wanted: Field) -> str:
    text = clean(_string(value))
    if len(text) > wanted.most_characters or (wanted.choices and text not in wanted.choices):
        raise ValueError
    return text


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _claim(
    text: str,
    citations: Sequence[tuple[str, str]],
    by_id: Mapping[str, Evidence],
    folded: dict[str, FoldedText],
) -> Claim | None:
    offered: list[tuple[Evidence, list[Span]]] = []
    for block_id, quote in citations:
        found = _locate(block_id.strip("[] "), quote, by_id, folded)
        if found is not None:
            evidence, start, end = found
            offered.append((evidence, list(evidence.narrowed(start, end))))
    spans = _first_of_each(offered)
    # A sentence may rest only on what its citations show.
    cited = [evidence for evidence, own in offered if not spans.keys().isdisjoint(own)]
    if not (text and spans):
        return None
    return Claim(
        text,
        tuple(spans),
        support="\n".join(each.support for each in cited),
        body="\n".join(each.body for each in cited),
        headings=tuple(dict.fromkeys(heading for each in cited for heading in each.headings)),
    )


def _first_of_each(offered: Sequence[tuple[Evidence, Sequence[Span]]]) -> dict[Span, None]:
    """The spans to show, in order: one of each citation in turn, until there are enough."""
    spans: dict[Span, None] = {}
    for turn in range(_MAX_CITATIONS):
        for _, own in offered:
            if turn < len(own) and len(spans) < _MAX_CITATIONS:
                spans[own[turn]] = None
    return spans


def _locate(
    block_id: str, quote: str, by_id: Mapping[str, Evidence], folded: dict[str, FoldedText]
) -> tuple[Evidence, int, int] | None:
    """Where a quote stands: in its block exactly, in another block exactly, or in its block almost."""
    named = by_id.get(block_id)
    order = [named] if named is not None else []
    order += [each for each in by_id.values() if each is not named]
    for evidence in order:
        span = find_exact(_folded(evidence, folded), quote)
        if span is not None:
            return evidence, *span
    if named is not None:
        span = find_similar(_folded(named, folded), quote)
        if span is not None:
            return named, *span
    return None


def _folded(evidence: Evidence, cache: dict[str, FoldedText]) -> FoldedText:
    """The block's folded text, made once per answer."""
    if evidence.block.id not in cache:
        cache[evidence.block.id] = FoldedText.of(evidence.block.text)
    return cache[evidence.block.id]
