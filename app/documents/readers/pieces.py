"""Cutting an overlong text where it hurts least."""

import re
import unicodedata
from collections.abc import Iterator

LONGEST_PIECE = 4_000
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*(?=\s)|[。！？]")
_SPACE = re.compile(r"\s")


def pieces(text: str, start: int, end: int, *, longest: int = LONGEST_PIECE) -> Iterator[tuple[int, int]]:
    """Consecutive spans that cover `text[start:end]`, each at most `longest` characters.

    Cut after the last sentence that fits, else at a line, else at white space, else anywhere.
    """
    while end - start > longest:
        cut = _cut(text, start + longest // 2, start + longest)
        yield start, cut
        start = cut
    if start < end:
        yield start, end


def _cut(text: str, earliest: int, latest: int) -> int:
    cut = 0
    # One character more, so that a sentence that ends exactly at the limit is seen to end.
    for found in _SENTENCE_END.finditer(text, earliest, latest + 1):
        if found.end() <= latest:
            cut = found.end()
    if cut:
        return cut
    newline = text.rfind("\n", earliest, latest)
    if newline >= 0:
        return newline + 1
    for found in _SPACE.finditer(text, earliest, latest):
        cut = found.end()
    if cut:
        return cut
    cut = latest
    while cut > earliest and unicodedata.combining(text[cut]):
        cut -= 1
    return cut
