"""Finding a quote in its source: exact after normalisation, else repaired to the source's own words.

Models straighten quotation marks, collapse spaces and join lines. Those differences are folded away
character by character, so that a hit can be mapped back to a span of the source as it stands.
"""

import unicodedata
from dataclasses import dataclass

from rapidfuzz import fuzz

from app.documents.normalize import normalize

REPAIR_SCORE = 90.0
_MINIMUM_CHARACTERS = 12
_MINIMUM_IDEOGRAPHS = 4
_QUOTES = dict.fromkeys("“”„‟«»‹›″", '"') | dict.fromkeys("‘’‚‛′`´", "'")
_DASHES = dict.fromkeys("‐‑‒–—―−", "-")
_FOLDED = _QUOTES | _DASHES | {"…": "..."}


@dataclass(frozen=True)
class FoldedText:
    """A text folded for comparison; `positions[i]` is where folded character i stands in the source."""

    source: str
    text: str
    positions: tuple[int, ...]

    @classmethod
    def of(cls, source: str) -> "FoldedText":
        """Fold compatibility forms, quotation marks, dashes and white space; drop invisible characters."""
        characters: list[str] = []
        positions: list[int] = []
        for position, character in enumerate(source):
            for folded in _fold(character):
                if folded == " " and (not characters or characters[-1] == " "):
                    continue
                characters.append(folded)
                positions.append(position)
        if characters and characters[-1] == " ":
            characters.pop()
            positions.pop()
        return cls(source, "".join(characters), tuple(positions))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Span in the source of folded characters `start` to `end`."""
        return self.positions[start], self.positions[end - 1] + 1


def _fold(character: str) -> str:
    if character.isascii() and character.isprintable():
        return "'" if character == "`" else character
    if character in _FOLDED:
        return _FOLDED[character]
    if character.isspace():
        return " "
    if unicodedata.category(character) in {"Cf", "Cc"}:
        return ""
    return "".join(
        " " if folded.isspace() else _FOLDED.get(folded, folded)
        for folded in unicodedata.normalize("NFKD", character)
    )


def find_exact(source: FoldedText, quote: str) -> tuple[int, int] | None:
    """Span of the source that says what `quote` says, or None. A fragment too small to prove anything is None."""
    wanted = FoldedText.of(quote).text.strip("\"'")
    wanted = wanted.removesuffix("...").removeprefix("...").strip()
    if not _proves(wanted, source.text):
        return None
    at = source.text.find(wanted)
    if at < 0:
        return None
    start, end = source.span(at, at + len(wanted))
    # Folding works on single characters; what is equal is said by the one normalisation there is.
    return (start, end) if normalize(source.source[start:end]) == normalize(wanted) else None


def find_similar(source: FoldedText, quote: str) -> tuple[int, int] | None:
    """Whole words of the source that are almost (`REPAIR_SCORE`) the quote, or None."""
    wanted = FoldedText.of(quote).text.strip()
    if not _proves(wanted, source.text) or len(wanted) > 1.2 * len(source.text):
        return None
    found = fuzz.partial_ratio_alignment(wanted, source.text, score_cutoff=REPAIR_SCORE)
    if found is None or found.dest_end <= found.dest_start:
        return None
    start, end = found.dest_start, found.dest_end
    while start > 0 and source.text[start - 1].isalnum() and source.text[start].isalnum():
        start -= 1
    while end < len(source.text) and source.text[end].isalnum() and source.text[end - 1].isalnum():
        end += 1
    if fuzz.ratio(wanted, source.text[start:end]) < REPAIR_SCORE:
        return None
    return source.span(start, end)


def _proves(wanted: str, source: str) -> bool:
    """Whether finding `wanted` means something: it is long enough, or it is all there is."""
    ideographs = sum(character >= "\u2e80" for character in wanted)
    long_enough = len(wanted) >= _MINIMUM_CHARACTERS or ideographs >= _MINIMUM_IDEOGRAPHS
    return bool(wanted) and (long_enough or wanted == source.strip("\"' "))
