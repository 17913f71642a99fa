"""A member's own documents, opened for that member: the copy that data protection law gives a right to."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealer
from app.documents.repository import DocumentRepository
from app.documents.service import describe_all, open_all, read_sealed

Opening = Callable[[], Awaitable[Sequence[dict[str, Any]]]]


async def export_documents(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, member_id: UUID, after: UUID | None, limit: int
) -> Opening:
    """Documents in the order of their ids, after the one with that id, with the text that was read of each.

    What comes back opens them; call it when the transaction is over.
    """
    repository = DocumentRepository(session, tenant_id)
    ids = await repository.ids_of_member(member_id, after=after, limit=limit)
    rows = await repository.of_member(member_id, ids)
    sealed = await read_sealed(session, tenant_id=tenant_id, document_ids=ids)

    async def opened() -> Sequence[dict[str, Any]]:
        return [
            {
                "id": view.id,
                "name": view.name,
                "media_type": view.media_type,
                "size_bytes": view.size_bytes,
                "language": view.language,
                "text": [segment.text for segment in await open_all(sealer, [parts])],
            }
            for view, parts in zip(describe_all(sealer, rows), sealed, strict=True)
        ]

    return opened
