"""What the frames of a reading process come to: segments of a document, or a new file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from app.documents import frames
from app.documents.errors import READING_ERRORS, DocumentError
from app.documents.operations import Operation, Produced, produced
from app.documents.segments import Extracted, Segment, SensitivityLabel, load_segments

T_co = TypeVar("T_co", covariant=True)


class Answer(Protocol[T_co]):
    """Hears the frames of one answer, in their order."""

    def hear(self, kind: bytes, body: bytes) -> T_co | DocumentError | None:
        """The outcome once it is there. Raises: EOFError when the process is about to end.

        For what a process of ours never says: ValueError, KeyError, TypeError, AttributeError.
        """


class Crash(EOFError):
    """The process tells of a bug and ends: the error's type and place."""

    def __init__(self, told: Mapping[str, str]) -> None:
        super().__init__()
        self.told = told


class Read:
    """The segments that a reader found."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []

    def hear(self, kind: bytes, body: bytes) -> Extracted | DocumentError | None:
        """See `Answer`."""
        if kind == frames.SEGMENTS:
            before = len(self._segments)
            self._segments += [
                replace(segment, index=before + segment.index) for segment in load_segments(body)
            ]
            return None
        told = json.loads(body)
        if kind != frames.DONE:
            return _refusal(kind, told)
        labels = tuple(SensitivityLabel(**label) for label in told["labels"])
        return Extracted(told["media_type"], tuple(self._segments), told["notes"], labels)


class Written:
    """A new file and what became of the operations."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations
        self._pieces: list[bytes] = []
        self._refused: list[tuple[int, str]] = []

    def hear(self, kind: bytes, body: bytes) -> Produced | DocumentError | None:
        """See `Answer`."""
        if kind == frames.FILE:
            self._pieces.append(body)
            return None
        told = json.loads(body)
        if kind == frames.REFUSALS:
            self._refused += [(int(index), str(reason)) for index, reason in told]
            return None
        if kind != frames.DONE:
            return _refusal(kind, told)
        return produced(b"".join(self._pieces), self._operations, self._refused, told["notes"])


def _refusal(kind: bytes, told: dict[str, Any]) -> DocumentError:
    if kind == frames.ERROR:
        refusal: DocumentError = READING_ERRORS[told["code"]](told["message"])
        return refusal
    raise Crash({name: str(told[name]) for name in ("error", "where")})
