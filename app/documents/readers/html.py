"""HTML files: what the page shows. An anchor counts in that text, one block a line, since markup is no place."""

import re
from collections import Counter

from app.documents.readers.collecting import Collector
from app.documents.readers.html_blocks import blocks
from app.documents.readers.plain import decode, units
from app.documents.segments import Extracted, TextAnchor

MEDIA_TYPE = "text/html"
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?\s*([\w-]{1,40})", re.IGNORECASE)


def read(content: bytes) -> Extracted:
    """Segments of an .html. Raises: documents.errors."""
    collector = Collector()
    place = line = 0
    for block in blocks(_text(content, collector.notes), collector.notes):
        text = block.text.strip()
        anchor = TextAnchor(offset=place, length=units(text), line=line + 1)
        collector.add(block.kind, text, anchor, level=block.level, header=block.header)
        place += anchor.length + 1
        line += text.count("\n") + 1
    return collector.extracted(
        MEDIA_TYPE, nothing="The page shows no text; pictures and scripts are not read."
    )


def _text(content: bytes, notes: Counter[str]) -> str:
    """The text by the page's own word for its encoding where UTF-8 does not fit. Raises: as `decode`."""
    said = _CHARSET.search(content[:4096])
    if said is not None and not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        try:
            return decode(content.decode(said[1].decode()).encode(), notes)
        except (LookupError, UnicodeError, ValueError):
            pass
    return decode(content, notes)
