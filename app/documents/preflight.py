"""What is checked of a zip container before any part of it is unpacked.

Figures: toolchain.md (a 3.3 MB workbook cost two libraries 1.5 GB; a docx bomb hung three over 60 s).
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from app.documents.errors import EncryptedFile, TooComplex, UnreadableFile

MAX_ENTRIES = 5_000
MAX_DIRECTORY_BYTES = 4 * 2**20
MAX_PART_BYTES = 200 * 2**20
MAX_TOTAL_BYTES = 500 * 2**20
MAX_RATIO = 200
_RATIO_MATTERS_FROM = 2**20

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64_BYTES = 20
_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_FURTHEST_END = _END.size + 2**16
_ENCRYPTED = 0x1
_LENGTH_FOLLOWS = 0x8
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF
"""Of fields whose value stands in a record of zip64."""

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""What zipfile raises over damaged containers."""
_DAMAGED = "The file is damaged or was cut off; open it in its program, save it anew and send that."


@dataclass(frozen=True)
class _Directory:
    entries: int
    size: int


def open_zip(content: bytes) -> zipfile.ZipFile:
    """The container, with its directory read and found within the limits.

    The directory's own claim is checked first: a million entries take seconds only to list.
    Raises: `UnreadableFile`, `TooComplex`, `EncryptedFile`.
    """
    directory = _directory(content)
    if directory is None:
        raise UnreadableFile(_DAMAGED)
    _check_directory(directory)
    try:
        container = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OverflowError) as error:
        raise UnreadableFile(_DAMAGED) from error
    _check_entries(container.infolist())
    _check_overlaps(container.infolist())
    return container


def check_beginning(content: bytes) -> None:
    """Refuse a container whose first bytes alone hold too many parts, before the rest of it is taken.

    It goes from part to part by their lengths, so that what lies within a part counts for nothing; where a
    length is not said before the part, it stops. Nothing is unpacked. Raises: `TooComplex`.
    """
    place = 0
    for _ in range(MAX_ENTRIES + 1):
        if place + _LOCAL.size > len(content):
            return
        signature, _, flags, _, _, _, _, packed, _, name, extra = _LOCAL.unpack_from(content, place)
        if signature != _LOCAL_SIGNATURE or flags & _LENGTH_FOLLOWS or packed == _FULL_32:
            return
        place += _LOCAL.size + name + extra + packed
    raise _too_many()


def check_end(content: bytes) -> None:
    """Refuse a container by its last bytes: the directory's own claim, if it is there. Raises: `TooComplex`."""
    directory = _directory(content)
    if directory is not None:
        _check_directory(directory)


def read_part(container: zipfile.ZipFile, name: str) -> bytes:
    """One part's bytes, never more than `MAX_PART_BYTES`. Raises: `UnreadableFile`, `TooComplex`."""
    try:
        with container.open(name) as part:
            content = part.read(MAX_PART_BYTES + 1)
    except _UNREADABLE as error:
        raise UnreadableFile(_DAMAGED) from error
    if len(content) > MAX_PART_BYTES:
        raise _too_big()
    return content


def stream_part(container: zipfile.ZipFile, name: str, size: int) -> Iterator[bytes]:
    """One part's bytes in pieces of `size`, never more than `MAX_PART_BYTES`. Raises: as `read_part`."""
    read = 0
    try:
        with container.open(name) as part:
            while piece := part.read(size):
                read += len(piece)
                if read > MAX_PART_BYTES:
                    raise _too_big()
                yield piece
    except _UNREADABLE as error:
        raise UnreadableFile(_DAMAGED) from error


def _directory(content: bytes) -> _Directory | None:
    """What the end record says of the directory: number of entries and size in bytes."""
    at = content.rfind(b"PK\x05\x06", max(len(content) - _FURTHEST_END, 0))
    if at < 0 or at + _END.size > len(content):
        return None
    _, _, _, _, entries, size, _, _ = _END.unpack_from(content, at)
    at_64 = at - _LOCATOR_64_BYTES - _END_64.size
    if at_64 >= 0 and content[at_64 : at_64 + 4] == b"PK\x06\x06":
        fields = _END_64.unpack_from(content, at_64)
        # A full field refers to the record of zip64; of two that both say something the larger counts.
        entries = fields[7] if entries == _FULL_16 else max(entries, fields[7])
        size = fields[8] if size == _FULL_32 else max(size, fields[8])
    return _Directory(entries, size)


def _check_directory(directory: _Directory) -> None:
    if directory.entries > MAX_ENTRIES or directory.size > MAX_DIRECTORY_BYTES:
        raise _too_many()


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise _too_many()
    if len({entry.filename for entry in entries}) != len(entries):
        raise UnreadableFile("The file holds two parts of the same name; save it anew in its program.")
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise EncryptedFile
    if sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
        raise _too_big()
    for entry in entries:
        suspicious = entry.file_size > MAX_RATIO * max(entry.compress_size, 1)
        if entry.file_size > MAX_PART_BYTES or (entry.file_size > _RATIO_MATTERS_FROM and suspicious):
            raise _too_big()


def _check_overlaps(entries: list[zipfile.ZipInfo]) -> None:
    """Entries that share bytes unpack the same few again and again, each within its own limits.

    Source: D. Fifield, "A better zip bomb", WOOT 2019.
    """
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.header_offset < end:
            raise UnreadableFile(
                "Parts of the file lie over one another, as harmful files have it; save it anew in its"
                " program and send that."
            )
        end = entry.header_offset + _LOCAL.size + entry.compress_size


def _too_many() -> TooComplex:
    return TooComplex(
        f"The file is made of more than {MAX_ENTRIES:,} parts, more than any document needs;"
        " save it anew in its program and send that."
    )


def _too_big() -> TooComplex:
    return TooComplex(
        "The file unpacks to far more than its size, as harmful files do; save it anew in its program"
        " and, if it is refused again, split it."
    )
