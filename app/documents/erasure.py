"""Which tables of this room hold a tenant's or a member's data, and what retention deletes."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.erasure import Erasable, by_member, by_parent, delete_found, older_than, table_of
from app.documents.tables import Document, DocumentPart, UploadPart, UploadSession

TABLES: tuple[Erasable, ...] = (
    by_member(Document),
    by_parent(DocumentPart, "document_id", Document),
    by_member(UploadSession),
    by_parent(UploadPart, "session_id", UploadSession),
)


async def delete_outdated_documents(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    days: float,
    in_use: Select[UUID],
    except_members: Collection[UUID],
    limit: int,
) -> Sequence[UUID]:
    """Delete documents older than `days` that are not `in_use`; gives their ids. Eraser role."""
    table = table_of(Document)
    return await delete_found(
        session,
        table,
        table.c.tenant_id == tenant_id,
        older_than(table, "created_at", days),
        table.c.id.not_in(in_use),
        table.c.member_id.not_in(except_members),
        limit=limit,
    )


async def delete_unused(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    member_id: UUID,
    document_ids: Collection[UUID],
    in_use: Select[UUID],
) -> Sequence[UUID]:
    """Delete those of a member's documents that are not `in_use`; gives their ids. The member's session."""
    mine = (
        Document.tenant_id == tenant_id,
        Document.member_id == member_id,
        Document.id.in_(document_ids),
    )
    # A job that is being submitted holds its documents; only a statement after it has committed sees its inputs.
    await session.execute(select(Document.id).where(*mine).order_by(Document.id).with_for_update())
    gone = await session.scalars(
        delete(Document)
        .where(*mine, Document.id.not_in(in_use))
        .returning(Document.id)
        .execution_options(synchronize_session=False)
    )
    return gone.all()
