"""Taking the parts of an upload as they come, and making the document once all are here.

No transaction is open while bytes are awaited or a file is read: see `app.documents.parts`.
"""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from app.audit.record import ActorKind
from app.core.crypto import Sealer
from app.core.database import Database
from app.documents import service, uploads
from app.documents.errors import READING_ERRORS, DocumentError, TooComplex
from app.documents.extraction import Extractor
from app.documents.originals import ENDINGS
from app.documents.parts import EndedMeanwhile, Parts, pieces_of
from app.documents.segments import Extracted
from app.documents.service import DocumentView
from app.documents.upload_errors import ChecksumMismatch
from app.documents.uploads import UploadState, UploadView


@dataclass(frozen=True)
class Part:
    """Bytes `start` to before `end` of a file of `total`."""

    start: int
    end: int
    total: int


@dataclass(frozen=True)
class Receiver:
    """Takes the uploads of one member, who is a person or, as `actor_kind` says, a program."""

    database: Database
    extractor: Extractor
    sealer: Sealer
    tenant_id: UUID
    member_id: UUID
    actor_kind: ActorKind = ActorKind.MEMBER

    async def find(self, session_id: UUID) -> UploadView:
        """A session as it is now. Raises: `UploadSessionNotFound`."""
        async with self.database.tenant(self.tenant_id) as session:
            return await uploads.find(
                session,
                self.sealer,
                tenant_id=self.tenant_id,
                member_id=self.member_id,
                session_id=session_id,
            )

    async def take(self, session_id: UUID, part: Part, body: AsyncIterable[bytes]) -> UploadView:
        """Keep a part; gives the session after it. What had arrived before a break stays.

        One that has ended takes nothing more and is given back as it is. Raises: `InvalidRange`,
        `UploadSessionNotFound`, `BadRequest` if the body is not as long as the range, `TooComplex` where what has
        arrived shows that no reader would take the file; that ends the session.
        """
        view = await self.find(session_id)
        uploads.check_range(view, part.start, part.end, part.total)
        if view.state in (UploadState.COMPLETED, UploadState.REFUSED):
            return view
        pieces = pieces_of(body, part.end - part.start)
        try:
            await self._parts(session_id).write(pieces, name=view.name, start=part.start, total=part.total)
        except TooComplex as error:
            await self._refuse(session_id, error)
            raise
        return await self.find(session_id)

    async def finish(self, view: UploadView) -> DocumentView:
        """The document that a session of which every byte is here becomes, or has become.

        Two that finish one session at once get the same document. Raises: the errors of readers and
        `ChecksumMismatch`, which end the session; `ExtractionBusy`, which does not.
        """
        if view.refusal is not None:
            raise view.refusal
        if view.document_id is not None:
            return await self._document(view.document_id)
        fingerprint = _Fingerprint(self.sealer, view)
        try:
            extracted = await self._read(view, fingerprint)
        except DocumentError as error:
            if error.code in READING_ERRORS or isinstance(error, ChecksumMismatch):
                await self._refuse(view.id, error)
            raise
        except EndedMeanwhile:
            now = await self.find(view.id)
            if now.state is UploadState.RECEIVED:
                raise
            return await self.finish(now)
        return await self._keep(view, extracted, fingerprint)

    async def _read(self, view: UploadView, fingerprint: "_Fingerprint") -> Extracted:
        content = self._content(view, fingerprint)
        try:
            extracted = await self.extractor.extract_pieces(
                view.name, view.size_bytes, content, group=self.tenant_id
            )
        except DocumentError:
            # That the file changed on its way is the better reason.
            fingerprint.check()
            raise
        fingerprint.check()
        return extracted

    async def _content(self, view: UploadView, fingerprint: "_Fingerprint") -> AsyncIterator[bytes]:
        async for piece in self._parts(view.id).read(view.size_bytes):
            fingerprint.add(piece)
            yield piece

    def _parts(self, session_id: UUID) -> Parts:
        return Parts(self.database, self.sealer, self.tenant_id, self.member_id, session_id)

    async def _keep(
        self, view: UploadView, extracted: Extracted, fingerprint: "_Fingerprint"
    ) -> DocumentView:
        prepared = await service.prepare(
            self.sealer,
            name=view.name,
            size_bytes=view.size_bytes,
            sha256=fingerprint.keyed(),
            extracted=extracted,
        )
        async with self.database.tenant(self.tenant_id) as session:
            now = await uploads.find(
                session,
                self.sealer,
                tenant_id=self.tenant_id,
                member_id=self.member_id,
                session_id=view.id,
                lock=True,
            )
            if now.document_id is None:
                stored = await service.keep(
                    session,
                    prepared,
                    tenant_id=self.tenant_id,
                    member_id=self.member_id,
                    actor_kind=self.actor_kind,
                )
                await uploads.complete(
                    session,
                    tenant_id=self.tenant_id,
                    member_id=self.member_id,
                    session_id=view.id,
                    document_id=stored.id,
                    is_original=stored.media_type in ENDINGS,
                )
                return stored
        return await self._document(now.document_id)

    async def _refuse(self, session_id: UUID, error: DocumentError) -> None:
        async with self.database.tenant(self.tenant_id) as session:
            await uploads.refuse(
                session, error, tenant_id=self.tenant_id, member_id=self.member_id, session_id=session_id
            )

    async def _document(self, document_id: UUID) -> DocumentView:
        async with self.database.tenant(self.tenant_id) as session:
            found = await service.describe(
                session,
                self.sealer,
                tenant_id=self.tenant_id,
                member_id=self.member_id,
                document_ids=[document_id],
            )
        return found[0]


class _Fingerprint:
    """The hashes of a file that passes by in pieces."""

    def __init__(self, sealer: Sealer, view: UploadView) -> None:
        self._keyed = sealer.hasher("document")
        self._plain = hashlib.sha256()
        self._declared = view.sha256
        self._left = view.size_bytes

    def add(self, piece: bytes) -> None:
        """Count a piece in."""
        self._keyed.update(piece)
        if self._declared is not None:
            self._plain.update(piece)
        self._left -= len(piece)

    def check(self) -> None:
        """Compare a file that has passed whole with what was declared. Raises: `ChecksumMismatch`."""
        if self._declared is not None and not self._left and self._plain.digest() != self._declared:
            raise ChecksumMismatch

    def keyed(self) -> bytes:
        """What `Sealer.digest` gives for the whole file."""
        return self._keyed.digest()
