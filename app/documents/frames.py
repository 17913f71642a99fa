"""What the API and a reading process say to each other over pipes.

A frame is its kind (1 byte), its length (4 bytes, big endian) and a body. JSON only, never pickle: the
process has touched hostile bytes.

    to the process    R {"name", "cpu_seconds", "task"}, for the task "write" O operations, then C content
    from it           G when it is ready for its first document
                      S segments (any number), then D {"media_type", "notes", "labels"}
                      or, for the task "write", N [[position, reason], ...] of operations that were refused
                      and F a piece of the new file (any number each), then D {"notes"}
                      or E {"code", "message"}, or X {"error", "where"} and its end
"""

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from app.documents.operations import Produced
from app.documents.segments import Segment, dump_segments

HEAD = struct.Struct(">cI")
READY = b"G"
REQUEST = b"R"
OPERATIONS = b"O"
CONTENT = b"C"
SEGMENTS = b"S"
REFUSALS = b"N"
FILE = b"F"
DONE = b"D"
ERROR = b"E"
CRASH = b"X"

LONGEST_WORDS = 512 * 2**10
"""Of every frame from the process but one with segments: codes, counts, labels and sentences."""
LONGEST_SEGMENTS = 16 * 2**20
"""Of a frame with segments: `_CHARACTERS_A_FRAME`, one segment more, and what JSON adds to them."""
LONGEST_PIECE = 4 * 2**20
"""Of a frame with a piece of a file."""
_REFUSALS_A_FRAME = 5_000
_SEGMENTS_A_FRAME = 500
_CHARACTERS_A_FRAME = 200_000


def longest(kind: bytes) -> int:
    """How long a frame from the process may be; -1 for a kind that it does not send."""
    if kind in {SEGMENTS, FILE}:
        return LONGEST_SEGMENTS if kind == SEGMENTS else LONGEST_PIECE
    return LONGEST_WORDS if kind in {READY, REFUSALS, DONE, ERROR, CRASH} else -1


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


def produced_frames(produced: Produced) -> Iterator[bytes]:
    """A new file, and what was refused of what was asked."""
    told = [[each.index, each.reason] for each in produced.refused]
    for start in range(0, len(told), _REFUSALS_A_FRAME):
        yield frame(REFUSALS, json.dumps(told[start : start + _REFUSALS_A_FRAME]).encode())
    for start in range(0, len(produced.content), LONGEST_PIECE):
        yield frame(FILE, produced.content[start : start + LONGEST_PIECE])
    yield json_frame(DONE, {"notes": dict(produced.notes)})
