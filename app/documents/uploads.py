"""Upload sessions: a file arrives in parts, in order, and may be resumed after any break.

    POST ──► receiving ──parts──► received ──read──► completed (a document; see originals.py for its parts)
                 │                    │
                 │                    └── refused by a reader, or another SHA-256: the parts go
                 └── deleted by its member, or expired: everything goes

What has arrived is always the file's beginning. A process that dies loses at most the 4 MiB that it had
in memory. Each verb is one short transaction; `app.documents.receiving` puts them together.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id, now
from app.core.crypto import Place, Sealer
from app.core.database import Database
from app.core.errors import AppError
from app.documents.errors import EmptyFile, FileTooLarge
from app.documents.names import display_name
from app.documents.repository import SystemUploadRepository, UploadRepository
from app.documents.sniff import check_claim
from app.documents.tables import UploadPart, UploadSession
from app.documents.upload_errors import InvalidRange, TooManyUploadSessions, refusal

PIECE_BYTES = 4 * 2**20
"""The most that is held in memory, sealed and written at once."""
STEP_BYTES = 64 * 2**10
"""Every part but the last is a multiple of it, so that nobody makes a row of every byte. The 320 KiB that
clients of Microsoft Graph send in are one."""
_EXPIRED_AT_ONCE = 50
_UNLISTED_HOURS = 1.0
"""Many times as long as a body may take to arrive and then to be read."""


class UploadState(StrEnum):
    """Where an upload session stands."""

    RECEIVING = "receiving"
    RECEIVED = "received"
    """Every byte is here and the file waits to be read: send the last part, or `bytes */SIZE`, once more."""
    COMPLETED = "completed"
    REFUSED = "refused"


@dataclass(frozen=True)
class UploadLimits:
    """What a member may upload."""

    most_bytes: int
    most_sessions: int
    hours: float


@dataclass(frozen=True)
class NewUpload:
    """What a client says of the file that it will send. `sha256` is that of the whole file."""

    name: str
    size_bytes: int
    media_type: str | None = None
    sha256: bytes | None = None


@dataclass(frozen=True)
class UploadView:
    """A session as its member sees it."""

    id: UUID
    name: str
    size_bytes: int
    received_bytes: int
    sha256: bytes | None
    document_id: UUID | None
    refusal: AppError | None
    expires_at: datetime

    @property
    def state(self) -> UploadState:
        """Derived, so that it cannot disagree with the row."""
        if self.refusal is not None:
            return UploadState.REFUSED
        if self.document_id is not None:
            return UploadState.COMPLETED
        return UploadState.RECEIVING if self.received_bytes < self.size_bytes else UploadState.RECEIVED

    @property
    def expected(self) -> str:
        """The range to send next, "4194304-10485759"; "" if none is."""
        if self.state is not UploadState.RECEIVING:
            return ""
        return f"{self.received_bytes}-{self.size_bytes - 1}"


async def create(
    session: AsyncSession,
    sealer: Sealer,
    new: NewUpload,
    *,
    tenant_id: UUID,
    member_id: UUID,
    limits: UploadLimits,
) -> UploadView:
    """Begin an upload. What its name and type already rule out is refused before any byte is sent.

    Raises: `EmptyFile`, `FileTooLarge`, `UnsupportedFormat`, `MislabelledFile`, `TooComplex`,
    `TooManyUploadSessions`.
    """
    if new.size_bytes == 0:
        raise EmptyFile
    if new.size_bytes > limits.most_bytes:
        raise FileTooLarge(
            f"The file has {new.size_bytes / 2**20:.1f} MiB and may have {limits.most_bytes / 2**20:.0f};"
            " split it and send the parts."
        )
    name = display_name(new.name)
    check_claim(name, new.media_type, new.size_bytes)
    repository = UploadRepository(session, tenant_id, member_id)
    if await repository.count_open() >= limits.most_sessions:
        raise TooManyUploadSessions(limits.most_sessions)
    return _view(sealer, await _add(repository, sealer, replace(new, name=name), hours=limits.hours))


async def create_unlisted(
    session: AsyncSession, sealer: Sealer, name: str, *, tenant_id: UUID, member_id: UUID, most_bytes: int
) -> UUID:
    """A session for a file that comes in one go, of a size that only its end will tell; gives its id.

    Nobody is told of it. Whoever makes it deletes it; what a process that dies leaves behind expires soon.
    """
    repository = UploadRepository(session, tenant_id, member_id)
    return (await _add(repository, sealer, NewUpload(name, most_bytes), hours=_UNLISTED_HOURS)).id


async def find(
    session: AsyncSession,
    sealer: Sealer,
    *,
    tenant_id: UUID,
    member_id: UUID,
    session_id: UUID,
    lock: bool = False,
) -> UploadView:
    """A member's own session; `lock` keeps it as it is for the transaction. Raises: `UploadSessionNotFound`."""
    return _view(sealer, await UploadRepository(session, tenant_id, member_id).get(session_id, lock=lock))


async def delete(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, session_id: UUID) -> None:
    """Give an upload up; a document that it became stays, with its original. Raises: `UploadSessionNotFound`."""
    repository = UploadRepository(session, tenant_id, member_id)
    upload = await repository.get(session_id, lock=True)
    if upload.is_original:
        upload.expires_at = now()
        await session.flush()
        return
    await repository.delete(session_id)


def check_range(view: UploadView, start: int, end: int, total: int) -> None:
    """Whether bytes `start` to before `end` may be sent: the next ones, or some that arrived before.

    Raises: `InvalidRange`.
    """
    if total != view.size_bytes:
        raise InvalidRange(f"The file was said to have {view.size_bytes} bytes", expected=view.expected)
    if end > total:
        raise InvalidRange("The range goes beyond the end of the file", expected=view.expected)
    if end < total and (end - start) % STEP_BYTES:
        raise InvalidRange(
            f"Every part but the last has a multiple of {STEP_BYTES} bytes", expected=view.expected
        )
    if start > view.received_bytes:
        raise InvalidRange("Bytes before this range are missing", expected=view.expected)
    if start < view.received_bytes < end:
        raise InvalidRange("A part of this range has arrived before", expected=view.expected)


async def append(
    session: AsyncSession,
    sealer: Sealer,
    content: bytes,
    *,
    tenant_id: UUID,
    member_id: UUID,
    session_id: UUID,
    start: int,
) -> None:
    """Keep the piece that begins at `start`; one that is there already is compared.

    Raises: `InvalidRange` if it does not follow what has arrived or differs from it, `UploadSessionNotFound`.
    """
    # Before the transaction begins: it would be idle meanwhile, and others wait for its lock.
    sealed = sealer.seal(part_place(session_id, start), content)
    repository = UploadRepository(session, tenant_id, member_id)
    upload = await repository.get(session_id, lock=True)
    view = _view(sealer, upload)
    if view.state in (UploadState.COMPLETED, UploadState.REFUSED):
        return
    if start == upload.received_bytes and start + len(content) <= upload.size_bytes:
        part = UploadPart(
            tenant_id=tenant_id,
            session_id=session_id,
            start=start,
            length=len(content),
            content=sealed,
        )
        await repository.add_part(part)
        upload.received_bytes = start + len(content)
        return
    if not await _arrived(repository, sealer, content, session_id, start):
        raise InvalidRange("Other bytes than these have arrived in this range", expected=view.expected)


async def piece(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, member_id: UUID, session_id: UUID, start: int
) -> bytes:
    """The piece of the file that holds the byte at `start`, from there on. Raises: `UploadSessionNotFound`."""
    repository = UploadRepository(session, tenant_id, member_id)
    found = await _bytes_at(repository, sealer, session_id, start)
    if not found:
        # The session went, or became a document, while it was read.
        await repository.get(session_id)
    return found


async def complete(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    member_id: UUID,
    session_id: UUID,
    document_id: UUID,
    is_original: bool,
) -> None:
    """Say that a locked session became this document; its parts stay as the original, or go."""
    repository = UploadRepository(session, tenant_id, member_id)
    upload = await repository.get(session_id, lock=True)
    upload.document_id, upload.is_original = document_id, is_original
    if not is_original:
        await repository.delete_parts(session_id)


async def adopt(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID, session_id: UUID, document_id: UUID
) -> None:
    """Make the parts of an unlisted session this document's original. Raises: `UploadSessionNotFound`."""
    upload = await UploadRepository(session, tenant_id, member_id).get(session_id, lock=True)
    upload.document_id, upload.is_original, upload.expires_at = document_id, True, now()
    await session.flush()


async def refuse(
    session: AsyncSession, error: AppError, *, tenant_id: UUID, member_id: UUID, session_id: UUID
) -> None:
    """End a session because its file cannot be taken, unless it has ended already; its parts go."""
    repository = UploadRepository(session, tenant_id, member_id)
    upload = await repository.get(session_id, lock=True)
    if upload.document_id is None and upload.refused_code is None:
        upload.refused_code, upload.refused_message = error.code, error.message
        await repository.delete_parts(session_id)


async def remove_expired(system: Database) -> int:
    """Remove every session whose time is over, with its parts, a few at a time; gives how many."""
    total = 0
    while True:
        async with system.system() as session:
            gone = await SystemUploadRepository(session).delete_expired(limit=_EXPIRED_AT_ONCE)
        total += gone
        if gone < _EXPIRED_AT_ONCE:
            return total


async def _add(
    repository: UploadRepository, sealer: Sealer, new: NewUpload, *, hours: float
) -> UploadSession:
    session_id = new_id()
    upload = UploadSession(
        tenant_id=repository.tenant_id,
        id=session_id,
        member_id=repository.member_id,
        sealed_name=sealer.seal(_place(session_id, "sealed_name"), new.name.encode()),
        sealed_sha256=None
        if new.sha256 is None
        else sealer.seal(_place(session_id, "sealed_sha256"), new.sha256),
        size_bytes=new.size_bytes,
        received_bytes=0,
        expires_at=now() + timedelta(hours=hours),
    )
    await repository.add(upload)
    return upload


async def _arrived(
    repository: UploadRepository, sealer: Sealer, content: bytes, session_id: UUID, start: int
) -> bool:
    """Whether exactly these bytes stand from `start` on."""
    place, rest = start, memoryview(content)
    while rest:
        stored = await _bytes_at(repository, sealer, session_id, place)
        if not stored or stored[: len(rest)] != rest[: len(stored)]:
            return False
        place, rest = place + len(stored), rest[len(stored) :]
    return True


async def _bytes_at(repository: UploadRepository, sealer: Sealer, session_id: UUID, place: int) -> bytes:
    part = await repository.part_at(session_id, place)
    if part is None:
        return b""
    return sealer.open(part_place(session_id, part.start), part.content)[place - part.start :]


def _view(sealer: Sealer, upload: UploadSession) -> UploadView:
    sealed = upload.sealed_sha256
    code, message = upload.refused_code, upload.refused_message
    return UploadView(
        id=upload.id,
        name=sealer.open(_place(upload.id, "sealed_name"), upload.sealed_name).decode(),
        size_bytes=upload.size_bytes,
        received_bytes=upload.received_bytes,
        sha256=None if sealed is None else sealer.open(_place(upload.id, "sealed_sha256"), sealed),
        document_id=upload.document_id,
        refusal=None if code is None or message is None else refusal(code, message),
        expires_at=upload.expires_at,
    )


def _place(session_id: UUID, column: str) -> Place:
    return Place("upload_sessions", session_id, column)


def part_place(session_id: UUID, start: int) -> Place:
    """Where a part is sealed."""
    return Place("upload_parts", f"{session_id}:{start}", "content")
