"""What any document may grow to, whatever its format. Beyond it a file is refused, never cut."""

from app.documents.errors import TooComplex

MAX_SEGMENTS = 200_000
MAX_CHARACTERS = 20_000_000
"""About 8,000 pages; the segment blob and its tree stay within one process's memory."""
LONGEST_CHARACTER_BYTES = 4
"""In UTF-8 and UTF-32: what is longer than that many a character is too long in any encoding."""


def check_size(segments: int, characters: int) -> None:
    """Refuse a document that outgrew the limits. Raises: `TooComplex`."""
    if segments > MAX_SEGMENTS:
        raise TooComplex(
            f"The document has more than {MAX_SEGMENTS:,} paragraphs; split it and send the parts."
        )
    if characters > MAX_CHARACTERS:
        raise TooComplex(
            f"The document has more than {MAX_CHARACTERS // 1_000_000} million characters;"
            " split it and send the parts."
        )
