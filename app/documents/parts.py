"""The bytes of a file that is here but not read yet: sealed parts of at most 4 MiB, by their session.

This is the one way in which a file is kept. Nothing of it is ever whole in this process, and no transaction
is open while bytes are awaited: every part has one of its own.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from app.core.crypto import Sealer
from app.core.database import Database
from app.core.errors import BadRequest
from app.documents import uploads
from app.documents.sniff import check_piece
from app.documents.uploads import PIECE_BYTES


class EndedMeanwhile(Exception):
    """The parts went while they were read: somebody else finished the session."""


@dataclass(frozen=True)
class Parts:
    """The parts of one session of a member."""

    database: Database
    sealer: Sealer
    tenant_id: UUID
    member_id: UUID
    session_id: UUID

    async def write(
        self, pieces: AsyncIterable[bytes], *, name: str, start: int = 0, total: int | None = None
    ) -> int:
        """Keep pieces (of at most `PIECE_BYTES`) from `start` on; gives the place behind them.

        A file that ends there (at `total`, or wherever the pieces end) or begins there is looked at on the
        way. Raises: `InvalidRange`, `UploadSessionNotFound`, `TooComplex`.
        """
        place, last = start, b""
        async for last in pieces:
            if not place:
                check_piece(name, last, first=True, last=False)
            async with self.database.tenant(self.tenant_id) as session:
                await uploads.append(
                    session,
                    self.sealer,
                    last,
                    tenant_id=self.tenant_id,
                    member_id=self.member_id,
                    session_id=self.session_id,
                    start=place,
                )
            place += len(last)
        if total in (None, place):
            check_piece(name, last, first=False, last=True)
        return place

    async def read(self, size_bytes: int) -> AsyncIterator[bytes]:
        """The first `size_bytes`, part by part. Raises: `EndedMeanwhile`, `UploadSessionNotFound`."""
        place = 0
        while place < size_bytes:
            async with self.database.tenant(self.tenant_id) as session:
                piece = await uploads.piece(
                    session,
                    self.sealer,
                    tenant_id=self.tenant_id,
                    member_id=self.member_id,
                    session_id=self.session_id,
                    start=place,
                )
            if not piece:
                raise EndedMeanwhile
            place += len(piece)
            yield piece


async def pieces_of(body: AsyncIterable[bytes], length: int) -> AsyncIterator[bytes]:
    """A body of `length` bytes as `cut`; its last piece only if nothing follows. Raises: `BadRequest`."""
    async for piece in cut(_of_length(body, length)):
        yield piece


async def cut(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """The same bytes in pieces of `PIECE_BYTES`, the last one smaller; that one once the chunks have ended."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) > PIECE_BYTES:
            yield bytes(memoryview(buffer)[:PIECE_BYTES])
            del buffer[:PIECE_BYTES]
    if buffer:
        yield bytes(buffer)


async def _of_length(body: AsyncIterable[bytes], length: int) -> AsyncIterator[bytes]:
    seen = 0
    async for chunk in body:
        seen += len(chunk)
        if seen > length:
            break
        yield chunk
    if seen != length:
        few_or_many = "more" if seen > length else "fewer"
        raise BadRequest(
            f"The body has {few_or_many} bytes than its Content-Range says; look at the session and go on"
            " from the range that it expects.",
            target="Content-Range",
        )
