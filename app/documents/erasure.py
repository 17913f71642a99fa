"""Which tables of this room hold a tenant's or a member's data."""

from app.core.erasure import Erasable, by_member, by_parent
from app.documents.tables import Document, DocumentPart, UploadPart, UploadSession

TABLES: tuple[Erasable, ...] = (
    by_member(Document),
    by_parent(DocumentPart, "document_id", Document),
    by_member(UploadSession),
    by_parent(UploadPart, "session_id", UploadSession),
)
