"""What the API and a reading process say to each other over pipes.

A frame is its kind (1 byte), its length (4 bytes, big endian) and a body. JSON only, never pickle: the
process has touched hostile bytes.

    to the process    R {"name", "cpu_seconds"}, then C content
    from it           G when it is ready for its first document
                      S segments (any number), then D {"media_type", "notes", "labels"}
                      or E {"code", "message"}, or X {"error", "where"} and its end
"""

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from app.documents.segments import Segment, dump_segments

HEAD = struct.Struct(">cI")
READY = b"G"
REQUEST = b"R"
CONTENT = b"C"
SEGMENTS = b"S"
DONE = b"D"
ERROR = b"E"
CRASH = b"X"

LONGEST_WORDS = 512 * 2**10
"""Of every frame from the process but one with segments: codes, counts, labels and sentences."""
LONGEST_SEGMENTS = 16 * 2**20
"""Of a frame with segments: `_CHARACTERS_A_FRAME`, one segment more, and what JSON adds to them."""
_SEGMENTS_A_FRAME = 500
_CHARACTERS_A_FRAME = 200_000


def longest(kind: bytes) -> int:
    """How long a frame from the process may be; -1 for a kind that it does not send."""
    if kind == SEGMENTS:
        return LONGEST_SEGMENTS
    return LONGEST_WORDS if kind in {READY, DONE, ERROR, CRASH} else -1


def frame(kind: bytes, body: bytes) -> bytes:
    """A whole frame."""
    return HEAD.pack(kind, len(body)) + body


def json_frame(kind: bytes, body: dict[str, Any]) -> bytes:
    """A frame with a JSON body."""
    return frame(kind, json.dumps(body).encode())


def segment_frames(segments: Sequence[Segment]) -> Iterator[bytes]:
    """Frames small enough that loading one holds nobody up."""
    start = characters = 0
    for number, segment in enumerate(segments):
        characters += len(segment.text) + sum(map(len, (*segment.heading_path, segment.table_header or "")))
        if number - start >= _SEGMENTS_A_FRAME or characters > _CHARACTERS_A_FRAME:
            yield frame(SEGMENTS, dump_segments(segments[start : number + 1]))
            start, characters = number + 1, 0
    if start < len(segments):
        yield frame(SEGMENTS, dump_segments(segments[start:]))
