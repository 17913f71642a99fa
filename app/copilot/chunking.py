"""Long documents in pieces whose borders follow the content, so that an edit moves few of them.

A chunk ends before a heading, or before a paragraph whose hash is 0 modulo 16, once it holds 700
tokens; it never holds more than 2,200. Measured: 1.1-1.8 chunks to redo per edit instead of 9-32.
A table stays whole when it fits. What is too large alone splits at a sentence, a line, a character.

The law: the bodies of all chunks, one after another, are the input, for any text.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.core.sentences import split_sentences
from app.documents.normalize import normalize
from app.documents.segments import Segment
from app.documents.tokens import estimate_tokens
from app.vocabulary import SegmentKind

CHUNKER_VERSION = 1
"""Raise it with any change of borders: stored steps of another version are not reused."""

CAP_TOKENS = 2200
MINIMUM_TOKENS = 700
_BORDER_MODULUS = 16
# What estimate_tokens takes for a token, rounded down: a slice of this many characters fits.
_CHARACTERS_PER_TOKEN = 3.3
HEADER_CHARACTERS = 600
ID_TOKENS = 4
"""What the id of a block costs in a request; so a chunk of many tiny segments is no trap."""


@dataclass(frozen=True)
class Piece:
    """Characters `start` to `end` of a segment's text."""

    segment: int
    start: int
    end: int
    header: str | None = None
    """Header row of a table that began in an earlier chunk: shown to the model, never body."""


@dataclass(frozen=True)
class Chunk:
    """What one map step reads."""

    pieces: tuple[Piece, ...]
    estimated_tokens: int

    def body(self, segments: Sequence[Segment]) -> str:
        """The text of the chunk, without repeated headers."""
        return "".join(segments[piece.segment].text[piece.start : piece.end] for piece in self.pieces)


@dataclass(frozen=True)
class _Unit:
    """What stays together: a paragraph, a whole table, or a part of something oversized."""

    pieces: tuple[Piece, ...]
    tokens: int
    is_heading: bool
    is_border: bool


def chunk(
    segments: Sequence[Segment],
    *,
    language: str = "und",
    cap_tokens: int = CAP_TOKENS,
    minimum_tokens: int = MINIMUM_TOKENS,
) -> tuple[Chunk, ...]:
    """Cut segments into chunks of at most `cap_tokens` estimated tokens of text; `index` is the position."""
    chunks: list[Chunk] = []
    open_units: list[_Unit] = []
    tokens = 0
    for unit in _units(segments, language, cap_tokens):
        full = tokens + unit.tokens > cap_tokens
        if open_units and (full or (tokens >= minimum_tokens and (unit.is_heading or unit.is_border))):
            kept = _trailing_headings(open_units, unit, cap_tokens)
            chunks.append(_close(open_units[: len(open_units) - len(kept)], segments))
            open_units = kept
            tokens = sum(each.tokens for each in kept)
        open_units.append(unit)
        tokens += unit.tokens
    if open_units:
        chunks.append(_close(open_units, segments))
    return tuple(chunks)


def _trailing_headings(units: Sequence[_Unit], next_unit: _Unit, cap_tokens: int) -> list[_Unit]:
    """Headings at the end of a chunk that belong with what follows, if they fit there."""
    count = 0
    while count < len(units) and units[-1 - count].is_heading:
        count += 1
    kept = list(units[len(units) - count :])
    fits = sum(unit.tokens for unit in kept) + next_unit.tokens <= cap_tokens
    return kept if fits and count < len(units) else []


def _close(units: Sequence[_Unit], segments: Sequence[Segment]) -> Chunk:
    """One chunk; a table that began before it gets its header row again, as a separate field."""
    pieces: list[Piece] = []
    shown: str | None = None
    tokens = 0
    for piece in (piece for unit in units for piece in unit.pieces):
        segment = segments[piece.segment]
        header = segment.table_header
        if header is not None and header != shown:
            pieces.append(Piece(piece.segment, piece.start, piece.end, header[:HEADER_CHARACTERS]))
            tokens += estimate_tokens(header[:HEADER_CHARACTERS])
        else:
            pieces.append(piece)
        shown = header or segment.text
    return Chunk(tuple(pieces), tokens + sum(unit.tokens for unit in units))


def _units(segments: Sequence[Segment], language: str, cap_tokens: int) -> Iterator[_Unit]:
    position = 0
    while position < len(segments):
        end = _table_end(segments, position)
        tokens = sum(estimate_tokens(segment.text) + ID_TOKENS for segment in segments[position:end])
        if end - position > 1 and tokens <= cap_tokens:
            pieces = tuple(Piece(at, 0, len(segments[at].text)) for at in range(position, end))
            yield _Unit(pieces, tokens, is_heading=False, is_border=_is_border(segments[position].text))
        else:
            for at in range(position, end):
                yield from _paragraph(segments[at], at, language, cap_tokens)
        position = end


def _table_end(segments: Sequence[Segment], position: int) -> int:
    """One past the last row of the table that starts at `position`; position + 1 if none does."""
    end = position + 1
    if segments[position].kind is not SegmentKind.TABLE_ROW:
        return end
    while end < len(segments) and segments[end].kind is SegmentKind.TABLE_ROW:
        row, before = segments[end], segments[end - 1]
        if row.table_header != before.table_header and not before.is_header_of(row):
            break
        end += 1
    return end


def _paragraph(segment: Segment, at: int, language: str, cap_tokens: int) -> Iterator[_Unit]:
    is_heading = segment.kind is SegmentKind.HEADING
    tokens = estimate_tokens(segment.text)
    if tokens <= cap_tokens:
        piece = Piece(at, 0, len(segment.text))
        yield _Unit((piece,), tokens + ID_TOKENS, is_heading, is_border=_is_border(segment.text))
        return
    start = 0
    for part in _split_oversized(segment.text, language, cap_tokens):
        piece = Piece(at, start, start + len(part))
        start += len(part)
        yield _Unit((piece,), estimate_tokens(part) + ID_TOKENS, is_heading=False, is_border=_is_border(part))


def _split_oversized(text: str, language: str, cap_tokens: int) -> Iterator[str]:
    """Parts of at most `cap_tokens`, cut after a sentence, else after a line, else anywhere."""
    part = ""
    for atom in _atoms(text, language, cap_tokens):
        if part and estimate_tokens(part + atom) > cap_tokens:
            yield part
            part = ""
        part += atom
    if part:
        yield part


def _atoms(text: str, language: str, cap_tokens: int) -> Iterator[str]:
    width = max(1, int(cap_tokens * _CHARACTERS_PER_TOKEN))
    for sentence in split_sentences(text, language):
        fits = estimate_tokens(sentence) <= cap_tokens
        for line in [sentence] if fits else sentence.splitlines(keepends=True):
            yield from (line[at : at + width] for at in range(0, len(line), width))


def _is_border(text: str) -> bool:
    digest = hashlib.blake2b(normalize(text).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _BORDER_MODULUS == 0
