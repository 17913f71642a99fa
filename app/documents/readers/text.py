"""Plain text: paragraphs end at blank lines."""

from collections import Counter

from app.documents.readers.plain import Lines, Segments, decode
from app.documents.segments import Extracted
from app.vocabulary import SegmentKind

MEDIA_TYPE = "text/plain"


def read(content: bytes, *, by_line: bool = False) -> Extracted:
    """Segments of a .txt, with `by_line` one for each line; nothing but white space is left out.

    Raises: documents.errors.
    """
    notes: Counter[str] = Counter()
    lines = Lines(decode(content, notes))
    segments = Segments(lines)
    each = ((at, at + 1) for at in range(len(lines))) if by_line else lines.paragraphs(0, len(lines))
    for first, beyond in each:
        segments.add(SegmentKind.PARAGRAPH, lines.span(first, beyond))
    return segments.extracted(MEDIA_TYPE, notes)
