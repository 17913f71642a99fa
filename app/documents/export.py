"""A member's own documents, opened for that member: the copy that data protection law gives a right to."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealer
from app.documents.repository import DocumentRepository
from app.documents.service import describe, load


async def export_documents(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, member_id: UUID, after: UUID | None, limit: int
) -> Sequence[dict[str, Any]]:
    """Documents in the order of their ids, after the one with that id, with the text that was read of each."""
    ids = await DocumentRepository(session, tenant_id).ids_of_member(member_id, after=after, limit=limit)
    views = await describe(session, sealer, tenant_id=tenant_id, member_id=member_id, document_ids=ids)
    return [
        {
            "id": view.id,
            "name": view.name,
            "media_type": view.media_type,
            "size_bytes": view.size_bytes,
            "language": view.language,
            "text": [
                segment.text
                for segment in await load(session, sealer, tenant_id=tenant_id, document_ids=[view.id])
            ],
        }
        for view in views
    ]
