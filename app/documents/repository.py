"""Every query of the documents room."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.erasure import delete_some, table_of
from app.documents.errors import DocumentNotFound
from app.documents.tables import Document, DocumentPart, UploadPart, UploadSession
from app.documents.upload_errors import UploadSessionNotFound


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

    async def told(
        self, document_ids: Sequence[UUID]
    ) -> dict[UUID, tuple[list[dict[str, Any]], dict[str, Any]]]:
        """Findings and notes of these documents, as they are stored."""
        rows = await self._session.execute(
            select(Document.id, Document.findings, Document.notes).where(
                Document.tenant_id == self._tenant_id, Document.id.in_(document_ids)
            )
        )
        return {row.id: (row.findings, row.notes) for row in rows}

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

    async def ids_of_member(self, member_id: UUID, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """A member's documents in the order of their ids, after the one with that id."""
        query = (
            select(Document.id)
            .where(Document.tenant_id == self._tenant_id, Document.member_id == member_id)
            .order_by(Document.id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(Document.id > after)
        return (await self._session.scalars(query)).all()

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


class UploadRepository:
    """One member's upload sessions; those that have expired are not there."""

    def __init__(self, session: AsyncSession, tenant_id: UUID, member_id: UUID) -> None:
        self._session = session
        self.tenant_id = tenant_id
        self.member_id = member_id

    def _mine(self) -> list[ColumnElement[bool]]:
        return [
            UploadSession.tenant_id == self.tenant_id,
            UploadSession.member_id == self.member_id,
            UploadSession.expires_at > func.now(),
        ]

    async def count_open(self) -> int:
        """How many sessions wait for bytes; until the transaction ends, nobody else counts them."""
        key = f"upload_sessions|{self.tenant_id}|{self.member_id}"
        await self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
        is_open = [UploadSession.document_id.is_(None), UploadSession.refused_code.is_(None)]
        counted = select(func.count()).select_from(UploadSession).where(*self._mine(), *is_open)
        return await self._session.scalar(counted) or 0

    async def add(self, upload: UploadSession) -> None:
        """Write a new session."""
        self._session.add(upload)
        await self._session.flush()

    async def get(self, session_id: UUID, *, lock: bool = False) -> UploadSession:
        """A session as it is now; `lock` keeps it so until the end. Raises: `UploadSessionNotFound`."""
        query = select(UploadSession).where(*self._mine(), UploadSession.id == session_id)
        query = query.with_for_update() if lock else query
        found = await self._session.scalar(query.execution_options(populate_existing=True))
        if found is None:
            raise UploadSessionNotFound(session_id)
        return found

    async def delete(self, session_id: UUID) -> None:
        """Remove a session with its parts. Raises: `UploadSessionNotFound`."""
        gone = await self._session.execute(
            delete(UploadSession)
            .where(*self._mine(), UploadSession.id == session_id)
            .returning(UploadSession.id)
        )
        if gone.scalar_one_or_none() is None:
            raise UploadSessionNotFound(session_id)

    async def add_part(self, part: UploadPart) -> None:
        """Write a part of a session that is locked."""
        self._session.add(part)
        await self._session.flush()

    async def part_at(self, session_id: UUID, place: int) -> UploadPart | None:
        """The part that holds the byte at `place`, if it has arrived."""
        found: UploadPart | None = await self._session.scalar(
            select(UploadPart)
            .where(
                UploadPart.tenant_id == self.tenant_id,
                UploadPart.session_id == session_id,
                UploadPart.start <= place,
            )
            .order_by(UploadPart.start.desc())
            .limit(1)
        )
        return found if found is not None and place < found.start + found.length else None

    async def original(self, document_id: UUID, *, start: int | None = None) -> list[UploadPart]:
        """The parts that are a document's original, in order, or that which starts there; none where it is not kept."""
        of_document = (
            select(UploadSession.id)
            .where(
                UploadSession.tenant_id == self.tenant_id,
                UploadSession.member_id == self.member_id,
                UploadSession.document_id == document_id,
                UploadSession.is_original,
            )
            .order_by(UploadSession.id)
            .limit(1)
            .scalar_subquery()
        )
        query = (
            select(UploadPart)
            .where(UploadPart.tenant_id == self.tenant_id, UploadPart.session_id == of_document)
            .order_by(UploadPart.start)
        )
        if start is not None:
            query = query.where(UploadPart.start == start)
        return list(await self._session.scalars(query))

    async def has_original(self, document_id: UUID) -> bool:
        """Whether a document's original is kept."""
        found = (
            select(UploadPart.start)
            .join(
                UploadSession,
                and_(
                    UploadSession.tenant_id == UploadPart.tenant_id, UploadSession.id == UploadPart.session_id
                ),
            )
            .where(
                UploadSession.tenant_id == self.tenant_id,
                UploadSession.member_id == self.member_id,
                UploadSession.document_id == document_id,
                UploadSession.is_original,
            )
            .limit(1)
        )
        return await self._session.scalar(found) is not None

    async def delete_parts(self, session_id: UUID) -> None:
        """Remove the parts of a session that needs them no more."""
        await self._session.execute(
            delete(UploadPart).where(
                UploadPart.tenant_id == self.tenant_id, UploadPart.session_id == session_id
            )
        )


class SystemUploadRepository:
    """Upload sessions of all tenants, for the schedule that removes what has expired."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def delete_expired(self, *, limit: int) -> int:
        """Remove at most `limit` sessions whose time is over, with their parts; gives how many."""
        table = table_of(UploadSession)
        return await delete_some(
            self._session, table, table.c.expires_at <= func.now(), ~table.c.is_original, limit=limit
        )
