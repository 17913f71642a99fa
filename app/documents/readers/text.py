"""Plain text: paragraphs end at blank lines."""

from collections import Counter

from app.documents.readers.plain import Lines, Segments, decode
from app.documents.segments import Extracted
from app.vocabulary import SegmentKind

MEDIA_TYPE = "text/plain"


def read(content: bytes) -> Extracted:
    """Segments of a .txt; nothing but white space is left out. Raises: documents.errors."""
    notes: Counter[str] = Counter()
    lines = Lines(decode(content, notes))
    segments = Segments(lines)
    for first, beyond in lines.paragraphs(0, len(lines)):
        segments.add(SegmentKind.PARAGRAPH, lines.span(first, beyond))
    return segments.extracted(MEDIA_TYPE, notes)
