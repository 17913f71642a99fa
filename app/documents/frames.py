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

_SEGMENTS_A_FRAME = 500
_CHARACTERS_A_FRAME = 200_000


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
        characters += len(segment.text)
        if number - start >= _SEGMENTS_A_FRAME or characters > _CHARACTERS_A_FRAME:
            yield frame(SEGMENTS, dump_segments(segments[start : number + 1]))
            start, characters = number + 1, 0
    if start < len(segments):
        yield frame(SEGMENTS, dump_segments(segments[start:]))
