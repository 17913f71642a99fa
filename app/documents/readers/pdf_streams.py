"""What is checked of a PDF before its library opens it: streams of few bytes that unpack to very many.

The library unpacks a stream whole, up to a gigabyte of it (measured: 400 kB cost 800 MB), so each one that
could is unpacked here first, piece by piece, and no piece is kept. Streams are known by their first bytes,
not by what the file says of them.
"""

import re
import zlib

from app.documents.errors import TooComplex

MAX_STREAM_BYTES = 64 * 2**20
"""Far more than a page's content or a font has."""
MAX_RATIO = 200
"""A picture may be larger, but it does not shrink like this."""
_MOST_DEFLATE = 1032
"""No deflated byte becomes more (zlib's technical details)."""
_DEEPEST = 4
_PIECE = 2**20
_STREAM = re.compile(rb"stream\r?\n")
_END = b"endstream"


def refuse_bombs(content: bytes) -> None:
    """Look through every stream of a PDF. Raises: `TooComplex`."""
    for found in _STREAM.finditer(content):
        start = found.end()
        if not _is_deflated(content[start : start + 2]):
            continue
        end = content.find(_END, start)
        packed = memoryview(content)[start : end if end >= 0 else len(content)]
        if _may_grow_too_large(packed):
            _refuse_if_bomb(packed)


def _is_deflated(first: bytes) -> bool:
    """Whether these are the first two bytes of a zlib stream (RFC 1950)."""
    return len(first) == 2 and first[0] & 0x0F == 8 and int.from_bytes(first, "big") % 31 == 0


def _may_grow_too_large(packed: memoryview) -> bool:
    """Small streams can only do so if they are packed more than once."""
    if len(packed) * _MOST_DEFLATE > MAX_STREAM_BYTES:
        return True
    try:
        first = zlib.decompressobj().decompress(packed, 2)
    except zlib.error:
        return False
    return _is_deflated(first)


def _refuse_if_bomb(packed: memoryview) -> None:
    """Unpack it as often as it is packed, keeping count of the bytes of each layer."""
    layers = [zlib.decompressobj()]
    sizes = [0]

    def pour(depth: int, piece: bytes | memoryview) -> None:
        layer = layers[depth]
        rest = piece
        while len(rest):
            out = layer.decompress(rest, _PIECE)
            rest = layer.unconsumed_tail
            if not out:
                return
            if not sizes[depth] and _is_deflated(out[:2]) and depth + 1 < _DEEPEST:
                layers.append(zlib.decompressobj())
                sizes.append(0)
            sizes[depth] += len(out)
            if sizes[depth] > MAX_STREAM_BYTES and sizes[depth] > MAX_RATIO * len(packed):
                raise _bomb()
            if depth + 1 < len(layers):
                pour(depth + 1, out)

    try:
        for start in range(0, len(packed), _PIECE):
            pour(0, packed[start : start + _PIECE])
    except zlib.error:
        # Cut off or damaged: the library takes what came before, as was done here.
        return


def _bomb() -> TooComplex:
    return TooComplex(
        "The PDF holds content that unpacks to far more than its size, as harmful files do; print it to a"
        " new PDF and send that."
    )
