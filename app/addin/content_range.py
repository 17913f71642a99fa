"""The header that says where a part belongs: `Content-Range: bytes 0-327679/1048576` (RFC 9110, 14.4)."""

import re

from app.core.errors import BadRequest
from app.documents.receiving import Part

_RANGE = re.compile(r"bytes (?:(\d{1,15})-(\d{1,15})|\*)/(\d{1,15})", re.ASCII)


def parse(header: str) -> Part:
    """The part that a header names; `bytes */SIZE`, by which nothing is sent, is the empty part at the end.

    Raises: `BadRequest`.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        raise _malformed()
    first, last, total = found.groups()
    if first is None:
        return Part(int(total), int(total), int(total))
    if int(last) < int(first):
        raise _malformed()
    return Part(int(first), int(last) + 1, int(total))


def _malformed() -> BadRequest:
    return BadRequest(
        "Content-Range says which bytes of how many are sent, as in `bytes 0-327679/1048576`;"
        " `bytes */1048576` without a body finishes a file of which all has arrived.",
        target="Content-Range",
    )
