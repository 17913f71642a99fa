"""Originals: the sealed bytes of an uploaded file that a new file may be made of, kept as long as its document.

They are the parts of the upload session that the file came in; nothing is written a second time. Only files that
`documents.writing` can write are kept.
"""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealed, Sealer
from app.documents.errors import OriginalNotKept
from app.documents.repository import UploadRepository
from app.documents.uploads import part_place

_OFFICE = "application/vnd.openxmlformats-officedocument"
ENDINGS: Mapping[str, str] = {
    f"{_OFFICE}.wordprocessingml.document": "docx",
    f"{_OFFICE}.presentationml.presentation": "pptx",
    f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
}
"""Of files that can be written, by media type."""


async def is_kept(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, document_id: UUID) -> bool:
    """Whether the original of a member's document is here."""
    return await UploadRepository(session, tenant_id, member_id).has_original(document_id)


async def read_sealed(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID, document_id: UUID
) -> list[tuple[UUID, int, Sealed]]:
    """The parts as they are stored. Raises: `OriginalNotKept`."""
    parts = await UploadRepository(session, tenant_id, member_id).original(document_id)
    if not parts:
        raise OriginalNotKept
    return [(part.session_id, part.start, part.content) for part in parts]


async def read_part(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, member_id: UUID, document_id: UUID, start: int
) -> bytes | None:
    """The part that starts there, opened; None behind the last, or where nothing is kept."""
    parts = await UploadRepository(session, tenant_id, member_id).original(document_id, start=start)
    return next((sealer.open(part_place(one.session_id, one.start), one.content) for one in parts), None)


async def open_parts(sealer: Sealer, parts: Sequence[tuple[UUID, int, Sealed]]) -> bytes:
    """The file. Do this when the transaction that read the parts is over."""
    return await asyncio.to_thread(
        lambda: b"".join(
            sealer.open(part_place(session_id, start), content) for session_id, start, content in parts
        )
    )
