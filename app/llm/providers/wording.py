"""How a sentence is worded: whether it stands alone in a summary, how it is shown, what it repeats."""

import re
from collections.abc import Sequence

from app.llm.types import Block
from app.vocabulary import SegmentKind

_LIST_WORDS = 4
_SAME = 0.8
_MARKER = re.compile(r"\s*(?:[*+•‣▪◦·–—-]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+(?=\S)")
_STOPPED = re.compile(r"[.!?…。！？｡؟।]['\"”’»*_)\]」』]*\s*\Z")
_OPENING = frozenset("\"'“”„‘‚«»‹¿¡§@[*_#&%")
_DEBRIS = re.compile(r"(?:[~^|\\#=<{]|\s[*_]+)[.!?:]*\s*\Z")
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))
_TERMS = re.compile(
    r"permission is (?:hereby )?granted|all rights reserved|alle rechte vorbehalten|tous droits réservés"
    r"|(?:licen[sc]ed|released|distributed|available) under (?:the|an?)\b.{0,60}\blicen[sc]e"
    r"|under the terms of the\b.{0,60}\blicen[sc]e"
    r"|copyright (?:\(c\)|©|\d{4})|©\s*\d{4}|creative commons|gnu (?:general|free|lesser|affero)|spdx-"
    r"|merchantability|fitness for a particular purpose|redistributions? (?:and use )?(?:in|of) source"
    r"|without warrant(?:y|ies) of any kind",
    re.IGNORECASE | re.DOTALL,
)
_TOPICS = re.compile(
    r"\b(?:(licen[sc]e[sd]?|licen[sc]ing|lizenz\w*)|(copyright\w*|urheberrecht\w*)|(permissions?|permitted)"
    r"|(warrant(?:y|ies)|gewährleistung\w*)|(redistribut\w+|trademarks?))\b",
    re.IGNORECASE,
)
_CONTENTS_LINE = re.compile(r"\S(?:\t|\s{3}|[.·…_]{3}|(?:\s\.){2})[\s.·…_]*(?:\d{1,4}|[ivxlc]{1,7})\Z")
_LINE_END = 80
_CONTENTS_HEADING = re.compile(
    r"\W*(?:table of contents|contents|inhalt|inhaltsverzeichnis|table des matières|sommaire|índice|indice)\W*",
    re.IGNORECASE,
)


def is_boilerplate(block: Block) -> bool:
    """Whether a block speaks of licence, copyright, permission and warranty, or is a table of contents."""
    if block.heading_path and _CONTENTS_HEADING.fullmatch(block.heading_path[-1]):
        return True
    if _TERMS.search(block.text):
        return True
    topics = {match.lastindex for match in _TOPICS.finditer(block.text)}
    lines = [line for line in block.text.splitlines() if line.strip()]
    listed = sum(_CONTENTS_LINE.search(line.strip()[-_LINE_END:]) is not None for line in lines)
    is_contents = block.kind is not SegmentKind.TABLE_ROW and 2 * listed > len(lines)
    return len(topics) > 1 or is_contents


def is_whole(sentence: str, kind: SegmentKind) -> bool:
    """Whether a sentence has its beginning and its end, where its script shows them, and no debris."""
    if kind is SegmentKind.TABLE_ROW:
        return True
    text = shown(sentence)
    if not any(letter.isupper() or letter.islower() for letter in text):
        return not _has_debris(text)
    if text[0].islower() or not (text[0].isalnum() or text[0] in _OPENING):
        return False
    is_listed = kind is SegmentKind.LIST_ITEM or _MARKER.match(sentence) is not None
    closed = _STOPPED.search(text) or (is_listed and len(text.split()) >= _LIST_WORDS)
    return bool(closed) and not _has_debris(text)


def _has_debris(text: str) -> bool:
    if _DEBRIS.search(text) or text.count("`") % 2:
        return True
    return any(text.count(opening) != text.count(closing) for opening, closing in _PAIRS)


def shown(sentence: str) -> str:
    """The sentence without its list marker and soft hyphens; as it is if nothing else is left."""
    text = sentence.replace("\xad", "")
    return _MARKER.sub("", text, count=1).strip() if _MARKER.match(text) else text.strip() or sentence


def repeats(words: Sequence[str], earlier: Sequence[str]) -> bool:
    """Whether two sentences share 0.8 of their words.

    All figures count as one word, so that a line filled in twice is one sentence.
    """
    one, other = _masked(words), _masked(earlier)
    longer = max(len(one), len(other))
    return longer > 0 and len(one & other) >= _SAME * longer


def _masked(words: Sequence[str]) -> frozenset[str]:
    return frozenset("0" if any(letter.isdigit() for letter in word) else word for word in words)
