"""Taking a file that comes in one go: an upload's body, a download. It is read once all of it is here.

    bytes ──► fewer than 4 MiB   in memory
         └──► more               sealed parts of a session that nobody is told of

A file that a new one may be made of has such a session in any case, and it stays: it becomes the document's
original. Otherwise, whatever happens (it is read, it is refused, its sender goes away), the parts are gone
afterwards; those that a process leaves behind when it dies go with the sessions that have expired.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from app.core.crypto import Sealer
from app.core.database import Database
from app.documents import uploads
from app.documents.errors import FileTooLarge
from app.documents.extraction import Extractor
from app.documents.names import display_name
from app.documents.originals import ENDINGS
from app.documents.parts import Parts, cut
from app.documents.segments import Extracted
from app.documents.sniff import check_length
from app.documents.upload_errors import UploadSessionNotFound
from app.documents.uploads import PIECE_BYTES


@dataclass(frozen=True)
class ReadFile:
    """A file that has been read, but not yet kept. `sha256` is what `Sealer.digest` gives for it."""

    name: str
    size_bytes: int
    sha256: bytes
    extracted: Extracted
    original: UUID | None = None
    """The session that holds its bytes, where they are kept."""


@dataclass(frozen=True)
class Taker:
    """Takes the files of one member."""

    database: Database
    extractor: Extractor
    sealer: Sealer
    tenant_id: UUID
    member_id: UUID

    async def take(
        self, name: str, chunks: AsyncIterable[bytes], *, announced_bytes: int | None = None
    ) -> ReadFile:
        """Read a file whose bytes come in chunks of any size; what it is said to have may already refuse it.

        Raises: documents.errors, and what the chunks raise.
        """
        name, most = display_name(name), self.extractor.most_bytes
        if announced_bytes is not None:
            if announced_bytes > most:
                raise _too_large(most)
            check_length(name, announced_bytes)
        passing = _Passing(self.sealer, most)
        async with contextlib.aclosing(cut(passing.count(chunks))) as pieces:
            head = [await anext(pieces, b"")]
            if len(head[0]) < PIECE_BYTES:
                extracted, original = await self._read_whole(name, passing, head[0])
            else:
                extracted, original = await self._read_parts(name, passing, _from(head, pieces))
        return ReadFile(name, passing.size_bytes, passing.keyed.digest(), extracted, original)

    async def _read_whole(
        self, name: str, passing: "_Passing", content: bytes
    ) -> tuple[Extracted, UUID | None]:
        extracted = await self._read(name, passing, _from([content]))
        if extracted.media_type not in ENDINGS:
            return extracted, None
        parts = await self._begin(name)
        await parts.write(_from([content]), name=name)
        return extracted, parts.session_id

    async def _begin(self, name: str) -> Parts:
        async with self.database.tenant(self.tenant_id) as session:
            session_id = await uploads.create_unlisted(
                session,
                self.sealer,
                name,
                tenant_id=self.tenant_id,
                member_id=self.member_id,
                most_bytes=self.extractor.most_bytes,
            )
        return Parts(self.database, self.sealer, self.tenant_id, self.member_id, session_id)

    async def _read_parts(
        self, name: str, passing: "_Passing", pieces: AsyncIterable[bytes]
    ) -> tuple[Extracted, UUID | None]:
        parts = await self._begin(name)
        is_original = False
        try:
            size_bytes = await parts.write(pieces, name=name)
            extracted = await self._read(name, passing, parts.read(size_bytes))
            is_original = extracted.media_type in ENDINGS
        finally:
            if not is_original:
                await asyncio.shield(self._let_go(parts.session_id))
        return extracted, parts.session_id if is_original else None

    async def _read(self, name: str, passing: "_Passing", content: AsyncIterable[bytes]) -> Extracted:
        return await self.extractor.extract_pieces(name, passing.size_bytes, content, group=self.tenant_id)

    async def _let_go(self, session_id: UUID) -> None:
        # It is not there any more if the member was erased meanwhile.
        with contextlib.suppress(UploadSessionNotFound):
            async with self.database.tenant(self.tenant_id) as session:
                await uploads.delete(
                    session, tenant_id=self.tenant_id, member_id=self.member_id, session_id=session_id
                )


class _Passing:
    """Counts and hashes the bytes that pass by, and stops those beyond the limit."""

    def __init__(self, sealer: Sealer, most_bytes: int) -> None:
        self.keyed = sealer.hasher("document")
        self.size_bytes = 0
        self._most_bytes = most_bytes

    async def count(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The same chunks. Raises: `FileTooLarge`."""
        async for chunk in chunks:
            self.size_bytes += len(chunk)
            if self.size_bytes > self._most_bytes:
                raise _too_large(self._most_bytes)
            self.keyed.update(chunk)
            yield chunk


async def _from(head: list[bytes], rest: AsyncGenerator[bytes] | None = None) -> AsyncIterator[bytes]:
    """What was looked at already, of which no second reference stays, and the rest."""
    yield head.pop()
    if rest is not None:
        async for piece in rest:
            yield piece


def _too_large(most_bytes: int) -> FileTooLarge:
    return FileTooLarge(
        f"The file has more than {most_bytes // 2**20} MB; split it or send the part you need."
    )
