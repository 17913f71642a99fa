"""Every query of the documents room."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.documents.errors import DocumentNotFound
from app.documents.tables import Document, DocumentPart


class DocumentRepository:
    """One tenant's documents. Every method filters by the tenant, and by the member where people ask."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, document: Document, parts: Sequence[DocumentPart]) -> None:
        """Write a document with its parts."""
        self._session.add(document)
        # The parts refer to the row and there is no relationship that would order them.
        await self._session.flush()
        self._session.add_all(parts)
        await self._session.flush()

    async def of_member(self, member_id: UUID, document_ids: Sequence[UUID]) -> list[Document]:
        """These documents of one member, in this order. Raises: `DocumentNotFound`."""
        rows = await self._session.scalars(
            select(Document).where(
                Document.tenant_id == self._tenant_id,
                Document.member_id == member_id,
                Document.id.in_(document_ids),
            )
        )
        found = {document.id: document for document in rows}
        missing = next((each for each in document_ids if each not in found), None)
        if missing is not None:
            raise DocumentNotFound(missing)
        return [found[each] for each in document_ids]

    async def parts(self, document_id: UUID) -> list[DocumentPart]:
        """The parts of one document in order. Raises: `DocumentNotFound`."""
        rows = await self._session.scalars(
            select(DocumentPart)
            .where(DocumentPart.tenant_id == self._tenant_id, DocumentPart.document_id == document_id)
            .order_by(DocumentPart.number)
        )
        parts = list(rows)
        if not parts:
            raise DocumentNotFound(document_id)
        return parts
