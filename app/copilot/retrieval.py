"""Which parts of documents a question is about: BM25 over the stems of their words (Robertson, Zaragoza 2009).

Passages are cut by the same rules as chunks, smaller; a heading counts for what stands under it.
"""

import re
from collections.abc import Sequence
from itertools import groupby

import bm25s
import snowballstemmer

from app.copilot.chunking import ID_TOKENS, Chunk, Piece, chunk
from app.documents.segments import Segment
from app.documents.tokens import estimate_tokens

_CAP_TOKENS, _MINIMUM_TOKENS = 350, 120
_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_NO_SPACES}]+|(?:(?![{_NO_SPACES}])[^\W_])+")
_UNSPACED = re.compile(rf"[{_NO_SPACES}]")
_NORWEGIAN = {"nb": "norwegian", "nn": "norwegian", "no": "norwegian"}
_ALGORITHMS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french",
    "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian",
    "lt": "lithuanian", "ne": "nepali", "nl": "dutch", "pl": "polish", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", **_NORWEGIAN,
}  # fmt: skip


def retrieve(segments: Sequence[Segment], question: str, *, language: str, budget_tokens: int) -> list[Piece]:
    """Pieces of the passages that speak of the question, best first until the budget is full; in the documents' order.

    Empty where no passage has a word of the question.
    """
    passages = passages_of(segments, language)
    wanted = stems(question, language)
    if not passages or not wanted:
        return []
    index = bm25s.BM25()
    index.index([stems(_text(each, segments), language) for each in passages], show_progress=False)
    known = [stem for stem in dict.fromkeys(wanted) if stem in index.vocab_dict]
    if not known:
        return []
    scores = index.get_scores(known)
    taken: list[int] = []
    left = budget_tokens
    for at in sorted(range(len(passages)), key=lambda at: (-scores[at], at)):
        cost = passage_cost(passages[at])
        if scores[at] <= 0 or cost > left:
            break
        taken.append(at)
        left -= cost
    return [piece for at in sorted(taken) for piece in passages[at].pieces]


def passages_of(segments: Sequence[Segment], language: str) -> list[Chunk]:
    """Pieces of a few hundred tokens, none over the border between two documents."""
    found: list[Chunk] = []
    start = 0
    for _, group in groupby(segments, key=lambda each: each.document):
        own = list(group)
        for each in chunk(own, language=language, cap_tokens=_CAP_TOKENS, minimum_tokens=_MINIMUM_TOKENS):
            pieces = tuple(Piece(one.segment + start, one.start, one.end, one.header) for one in each.pieces)
            found.append(Chunk(pieces, each.estimated_tokens))
        start += len(own)
    return found


def stems(text: str, language: str) -> list[str]:
    """Words of the text, shortened by the language's rules where there are some; scripts without spaces give pairs."""
    words: list[str] = []
    for word in _WORD.findall(text.casefold()):
        if _UNSPACED.match(word):
            words += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        else:
            words.append(word)
    algorithm = _ALGORITHMS.get(language)
    return words if algorithm is None else snowballstemmer.stemmer(algorithm).stemWords(words)


def _text(passage: Chunk, segments: Sequence[Segment]) -> str:
    headings = {heading for piece in passage.pieces for heading in segments[piece.segment].heading_path}
    headers = {piece.header for piece in passage.pieces if piece.header is not None}
    return "\n".join([*sorted(headings), *sorted(headers), passage.body(segments)])


def passage_cost(passage: Chunk) -> int:
    """Estimated tokens of a passage in a request, with marks and ids."""
    return passage.estimated_tokens * 4 // 3 + ID_TOKENS * len(passage.pieces)


def cost_of(segments: Sequence[Segment]) -> int:
    """Estimated tokens of all of them in a request."""
    return sum(estimate_tokens(segment.text) * 4 // 3 + ID_TOKENS for segment in segments)
