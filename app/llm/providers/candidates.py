"""Which sentences of a document could stand in a summary, and how likely from their place alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.core.addresses import has_harmful_address, has_markup
from app.core.sentences import split_sentences
from app.llm.providers.wording import is_boilerplate, is_whole, shown
from app.llm.types import Block
from app.vocabulary import SegmentKind

MOST_CHARACTERS = 600
_STUB_CHARACTERS = 12
_KIND_WEIGHTS = {
    SegmentKind.PARAGRAPH: 1.0,
    SegmentKind.LIST_ITEM: 0.6,
    SegmentKind.TABLE_ROW: 0.35,
    SegmentKind.FOOTNOTE: 0.2,
    SegmentKind.COMMENT: 0.1,
    SegmentKind.CODE: 0.05,
    SegmentKind.HEADER: 0.05,
    SegmentKind.HEADING: 0.05,
    SegmentKind.NOTES: 0.7,
    SegmentKind.SLIDE: 0.2,
    SegmentKind.CELL_RANGE: 0.2,
    SegmentKind.MAIL_PART: 0.1,
}
_NEVER = frozenset(
    {
        SegmentKind.HEADING,
        SegmentKind.HEADER,
        SegmentKind.CODE,
        SegmentKind.COMMENT,
        SegmentKind.CELL_RANGE,
        SegmentKind.MAIL_PART,
    }
)
_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_NO_SPACES}]+|(?:(?![{_NO_SPACES}])[^\W_])+(?:['’-](?:(?![{_NO_SPACES}])[^\W_])+)*")
_UNSPACED = re.compile(rf"[{_NO_SPACES}]")
_CLOSED = re.compile(r"[.!?…。！？｡؟।]['\"”’»)\]」』]*\s*\Z")
_BOILERPLATE = re.compile(
    r"all rights reserved|alle rechte vorbehalten|tous droits réservés|copyright|©|\bconfidential\b|\bvertraulich\b"
    r"|table of contents|inhaltsverzeichnis|table des matières|^\W*(?:page|seite)\s+\d+|\.{4,}|_{3,}",
    re.IGNORECASE,
)
# Not in a summary if it can do without: they say little, and following them could carry text away.
_MARKUP = re.compile(r"!\[|\]\(|</?[a-zA-Z!]|https?://|www\.|<\|")
# Where a sentence is cut around what may never be delivered.
_UNSAFE = re.compile(r"<[^<>]*>?|!?\[|\]\([^)\s]*\)?|\S*(?:\\\\|//|:)\S*")
_POINTS_BACK = re.compile(
    r"\s*(?:this|these|those|he|she|they|it|such|however|therefore|moreover|also|dies|diese[rsn]?|er|sie|es|jedoch"
    r"|daher|außerdem|ce|ces|cela|il|elle|ils|elles|cependant)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Candidate:
    """A sentence of a block, word for word."""

    block: int
    order: int
    text: str
    words: tuple[str, ...]
    weight: float
    """What its place and form say, before its words are compared with the others'."""


def find_candidates(blocks: Sequence[Block], language: str) -> list[Candidate]:
    """The sentences fit for a summary; if there are none, whatever the blocks say and may be delivered.

    HTML, images and harmful addresses are passed over, so that they do not fail the document.
    """
    # What is said twice counts where it is said first.
    first = {" ".join(each.text.casefold().split()): each for each in reversed(_sentences(blocks, language))}
    everything = sorted(first.values(), key=lambda each: each.order)
    safe = [each for each in everything if _is_safe(each.text)]
    fit = [each for each in safe if _is_fit(each, blocks[each.block].kind)]
    plain = [each for each in safe if each.words and not _MARKUP.search(each.text)]
    return (
        _best(fit, blocks)
        or plain
        or safe
        or [part for each in everything for part in _safe_part(each)]
        or everything
    )


def _best(fit: Sequence[Candidate], blocks: Sequence[Block]) -> list[Candidate]:
    """Whole sentences that are no boilerplate, or the best there are.

    A text that is boilerplate for the most part, as a licence is, is about just that.
    """
    terms = {at for at, block in enumerate(blocks) if is_boilerplate(block)}
    total = sum(len(block.text) for block in blocks)
    if 2 * sum(len(blocks[at].text) for at in terms) > total:
        terms.clear()
    own = [each for each in fit if each.block not in terms]
    whole = [each for each in own if is_whole(each.text, blocks[each.block].kind)]
    return whole or own or list(fit)


def _is_safe(text: str) -> bool:
    return not has_markup(text) and not has_harmful_address(text)


def _safe_part(candidate: Candidate) -> list[Candidate]:
    """The longest part that may be delivered, still word for word, if one has words."""
    parts = (part.strip() for part in _UNSAFE.split(candidate.text))
    longest = max((part for part in parts if words_of(part) and _is_safe(part)), key=len, default="")
    return [replace(candidate, text=longest, words=words_of(longest))] if longest else []


def words_of(text: str) -> tuple[str, ...]:
    """Words, lower case; scripts without spaces give pairs of characters."""
    found: list[str] = []
    for match in _WORD.findall(text.casefold()):
        if _UNSPACED.match(match):
            found.extend(match[at : at + 2] for at in range(max(1, len(match) - 1)))
        else:
            found.append(match)
    return tuple(found)


def _sentences(blocks: Sequence[Block], language: str) -> list[Candidate]:
    found: list[Candidate] = []
    heading_words: frozenset[str] = frozenset()
    path: tuple[str, ...] | None = None
    position = 0
    for at, block in enumerate(blocks):
        if block.heading_path != path:
            path, position = block.heading_path, 0
            heading_words = frozenset(words_of(" ".join(path)))
        for nth, sentence in enumerate(_split(block, language)):
            words = words_of(shown(sentence))
            weight = _KIND_WEIGHTS.get(block.kind, 0.5) * _place_weight(position, nth, words, heading_words)
            if _POINTS_BACK.match(shown(sentence)):
                weight *= 0.6
            found.append(Candidate(at, len(found), sentence, words, weight))
        if block.kind is not SegmentKind.HEADING:
            position += 1
    return found


def _split(block: Block, language: str) -> list[str]:
    if block.kind is SegmentKind.TABLE_ROW:
        sentences = [block.text]
    else:
        sentences = _joined(split_sentences(block.text, language))
    return [_shortened(sentence.strip()) for sentence in sentences if sentence.strip()]


def _joined(sentences: Sequence[str]) -> list[str]:
    """Sentences with their stubs ("Yes. ", "3. ") joined to a neighbour: alone they would prove nothing."""
    found: list[str] = []
    for sentence in sentences:
        if found and (_is_stub(found[-1]) or _is_stub(sentence)):
            found[-1] += sentence
        else:
            found.append(sentence)
    return found


def _is_stub(sentence: str) -> bool:
    return len(sentence.strip()) < _STUB_CHARACTERS and not _UNSPACED.search(sentence)


def _shortened(sentence: str) -> str:
    """At most `MOST_CHARACTERS`, cut at a word: still word for word what the source says."""
    if len(sentence) <= MOST_CHARACTERS:
        return sentence
    cut = sentence[:MOST_CHARACTERS]
    return cut.rsplit(None, 1)[0] if any(character.isspace() for character in cut) else cut


def _place_weight(position: int, nth: int, words: tuple[str, ...], heading_words: frozenset[str]) -> float:
    """Section openings and paragraph openings say most; words of the heading say it is on the point."""
    overlap = len(heading_words.intersection(words)) / len(heading_words) if heading_words else 0.0
    return 1.0 + 0.6 / (1 + position) + 0.3 / (1 + nth) + 0.4 * overlap


def _is_fit(candidate: Candidate, kind: SegmentKind) -> bool:
    text, words = candidate.text, candidate.words
    if kind in _NEVER:
        return False
    if _BOILERPLATE.search(text) or _MARKUP.search(text):
        return False
    letters = sum(character.isalpha() for character in text)
    if letters < 0.5 * len("".join(text.split())) and kind is not SegmentKind.TABLE_ROW:
        return False
    if kind is SegmentKind.TABLE_ROW:
        return letters > 0
    return len(words) >= 4 and (len(words) >= 9 or _CLOSED.search(text) is not None)
