"""Ranking sentences by what they share with the others: TextRank (Mihalcea, Tarau, EMNLP 2004).

Works on stems where the language's stemmer is known and on words where not. Place and form of a
sentence enter as the restart distribution, so that ranking and position are one number.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import snowballstemmer

from app.llm.providers.candidates import Candidate
from app.llm.providers.wording import repeats

_DAMPING = 0.85
_ITERATIONS = 30
_MOST_COMPARED = 500
"""Sentences compared with each other; of more, those with the most common words of the text are."""
_NOVELTY = 0.7
"""Share of rank against novelty when the next sentence is chosen (maximal marginal relevance)."""

_SAME = 0.95
"""Likeness above which a sentence says what a chosen one says."""

_Matrix = npt.NDArray[np.float32]
_STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french",
    "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian",
    "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch", "nn": "norwegian",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip


def choose(candidates: Sequence[Candidate], *, most: int, language: str) -> list[Candidate]:
    """The best `most` sentences that do not repeat each other, in the document's order."""
    bags = _bags(candidates, language)
    if len(candidates) > _MOST_COMPARED:
        kept = _foremost(candidates, bags)
        candidates, bags = [candidates[at] for at in kept], [bags[at] for at in kept]
    presence = _presence(bags)
    shared = presence @ presence.T
    ranks = _ranks(candidates, bags, shared)
    chosen = _diverse(ranks, _cosine(shared, bags), candidates, most)
    return sorted((candidates[at] for at in chosen), key=lambda each: each.order)


def _bags(candidates: Sequence[Candidate], language: str) -> list[frozenset[str]]:
    """Stems of each sentence without those that most sentences have: no stop list, any language."""
    words = sorted({word for candidate in candidates for word in candidate.words})
    stems = dict(zip(words, words, strict=True))
    algorithm = _STEMMERS.get(language)
    if algorithm is not None:
        stems = dict(zip(words, snowballstemmer.stemmer(algorithm).stemWords(words), strict=True))
    bags = [frozenset(stems[word] for word in candidate.words) for candidate in candidates]
    counts = Counter(stem for bag in bags for stem in bag)
    too_common = max(3, 0.3 * len(bags))
    return [frozenset(stem for stem in bag if counts[stem] <= too_common) for bag in bags]


def _foremost(candidates: Sequence[Candidate], bags: Sequence[frozenset[str]]) -> list[int]:
    """Positions, in order, of the sentences whose words the text uses most, places weighed in."""
    counts = Counter(stem for bag in bags for stem in bag)
    scores = [
        candidate.weight * sum(math.log1p(counts[stem]) for stem in sorted(bag)) / math.sqrt(1 + len(bag))
        for candidate, bag in zip(candidates, bags, strict=True)
    ]
    return sorted(sorted(range(len(scores)), key=lambda at: (-scores[at], at))[:_MOST_COMPARED])


def _presence(bags: Sequence[frozenset[str]]) -> _Matrix:
    """Sentences by stems, 1 where a sentence has a stem; stems of a single sentence compare with nothing."""
    counts = Counter(stem for bag in bags for stem in bag)
    columns = {stem: at for at, stem in enumerate(sorted(stem for stem in counts if counts[stem] > 1))}
    presence: _Matrix = np.zeros((len(bags), max(1, len(columns))), dtype=np.float32)
    for row, bag in enumerate(bags):
        presence[row, [columns[stem] for stem in bag if stem in columns]] = 1.0
    return presence


def _ranks(candidates: Sequence[Candidate], bags: Sequence[frozenset[str]], shared: _Matrix) -> _Matrix:
    """TextRank's stationary weights; similarity is shared stems over log lengths, as in the paper."""
    lengths = np.log1p(np.array([len(bag) for bag in bags], dtype=np.float32)) + 1e-6
    similarity = shared / (lengths[:, None] + lengths[None, :])
    np.fill_diagonal(similarity, 0.0)
    outgoing = similarity.sum(axis=1, keepdims=True)
    restart = np.array([candidate.weight for candidate in candidates], dtype=np.float32)
    restart /= restart.sum()
    transition = np.where(outgoing > 0, similarity / np.maximum(outgoing, 1e-9), restart[None, :])
    ranks = restart.copy()
    for _ in range(_ITERATIONS):
        ranks = (1 - _DAMPING) * restart + _DAMPING * (ranks @ transition)
    weighed: _Matrix = ranks * np.sqrt(restart)
    normal: _Matrix = weighed / weighed.max()
    return normal


def _cosine(shared: _Matrix, bags: Sequence[frozenset[str]]) -> _Matrix:
    norms = np.sqrt(np.array([max(1, len(bag)) for bag in bags], dtype=np.float32))
    cosine: _Matrix = shared / (norms[:, None] * norms[None, :])
    return cosine


def _diverse(ranks: _Matrix, cosine: _Matrix, candidates: Sequence[Candidate], most: int) -> list[int]:
    """Greedy maximal marginal relevance without repetitions; ties go to the earlier sentence."""
    chosen: list[int] = []
    closest = np.zeros(len(ranks), dtype=np.float32)
    open_ = np.ones(len(ranks), dtype=bool)
    while len(chosen) < most and open_.any():
        scores = np.where(open_, _NOVELTY * ranks - (1 - _NOVELTY) * closest, -np.inf)
        best = int(np.argmax(scores))
        open_[best] = False
        words = candidates[best].words
        if closest[best] > _SAME or any(repeats(words, candidates[at].words) for at in chosen):
            continue
        chosen.append(best)
        closest = np.maximum(closest, cosine[best])
    return chosen
