"""The verbs of the documents room: keep what was read, describe it, load it again."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record
from app.core.clock import new_id
from app.core.crypto import Place, Sealed, Sealer
from app.documents import uploads
from app.documents.language import main_language
from app.documents.repository import DocumentRepository
from app.documents.segments import Extracted, Segment, SensitivityLabel, dump_segments, load_segments
from app.documents.suspicion import Finding, FindingKind, look
from app.documents.tables import Document, DocumentPart
from app.documents.tokens import estimate_tokens
from app.vocabulary import SegmentKind

PART_BYTES = 4 * 2**20
_SEGMENTS_AT_ONCE = 1_000
_ASIDE = frozenset(
    {
        SegmentKind.HEADER,
        SegmentKind.COMMENT,
        SegmentKind.CODE,
        SegmentKind.CELL_RANGE,
        SegmentKind.MAIL_PART,
    }
)
"""Kinds that say little about a document's language."""


@dataclass(frozen=True)
class DocumentView:
    """A document as its member sees it. `segments` counts them; `language` is "und" if unclear."""

    id: UUID
    name: str
    media_type: str
    size_bytes: int
    segments: int
    estimated_tokens: int
    language: str
    notes: Mapping[str, int]
    labels: Sequence[SensitivityLabel] = ()
    findings: Sequence[Finding] = ()
    source: Mapping[str, str] = field(default_factory=dict)
    """Where it was fetched from; nothing for what was uploaded."""


@dataclass(frozen=True)
class DocumentReading:
    """What was found in a document, and what of it was left out or read in a certain way."""

    findings: Sequence[Finding]
    notes: Mapping[str, int]


@dataclass(frozen=True)
class SealedDocument:
    """The segments of a document as they are stored."""

    id: UUID
    parts: Sequence[Sealed]


@dataclass(frozen=True)
class PreparedDocument:
    """A document that has been described and sealed, but not yet kept."""

    view: DocumentView
    sha256: bytes
    sealed_name: Sealed
    sealed_source: Sealed | None
    sealed_labels: Sealed
    parts: Sequence[Sealed]
    original: UUID | None = None
    """The unlisted upload session that holds the file itself, which is kept with the document."""


async def prepare(
    sealer: Sealer,
    *,
    name: str,
    size_bytes: int,
    sha256: bytes,
    extracted: Extracted,
    source: Mapping[str, str] | None = None,
    original: UUID | None = None,
) -> PreparedDocument:
    """Describe a document and seal it: its segments in parts of at most 4 MiB, its name and `source` too.

    `source` says where it was fetched from; None for what was uploaded. A large document takes a second or
    more, far longer on a busy machine: do this before a transaction begins, because Postgres ends one in
    which nothing happens for so long.
    """
    document_id = new_id()
    view = await asyncio.to_thread(_describe, document_id, name, size_bytes, extracted)
    return PreparedDocument(
        view=view,
        sha256=sha256,
        sealed_name=sealer.seal(_name_place(document_id), name.encode()),
        sealed_source=None
        if source is None
        else sealer.seal(_source_place(document_id), json.dumps(dict(source)).encode()),
        sealed_labels=sealer.seal(_labels_place(document_id), _dump_labels(view.labels)),
        parts=await asyncio.to_thread(_seal, sealer, document_id, extracted.segments),
        original=original,
    )


async def keep(
    session: AsyncSession,
    prepared: PreparedDocument,
    *,
    tenant_id: UUID,
    member_id: UUID,
    actor_kind: ActorKind = ActorKind.MEMBER,
) -> DocumentView:
    """Write a prepared document for its member, who is a person or, as `actor_kind` says, a program."""
    view = prepared.view
    document = Document(
        tenant_id=tenant_id,
        id=view.id,
        member_id=member_id,
        sealed_name=prepared.sealed_name,
        media_type=view.media_type,
        size_bytes=view.size_bytes,
        sha256=prepared.sha256,
        segments=view.segments,
        estimated_tokens=view.estimated_tokens,
        language=view.language,
        notes=dict(view.notes),
        findings=[_finding_json(finding) for finding in view.findings],
        sealed_source=prepared.sealed_source,
        sealed_labels=prepared.sealed_labels,
    )
    parts = [
        DocumentPart(tenant_id=tenant_id, document_id=view.id, number=number, content=content)
        for number, content in enumerate(prepared.parts)
    ]
    await DocumentRepository(session, tenant_id).add(document, parts)
    if prepared.original is not None:
        await uploads.adopt(
            session,
            tenant_id=tenant_id,
            member_id=member_id,
            session_id=prepared.original,
            document_id=view.id,
        )
    await record(
        session,
        tenant_id=tenant_id,
        actor=Actor(actor_kind, member_id),
        action=AuditAction.DOCUMENT_UPLOAD,
        target_type="document",
        target_id=str(view.id),
        detail={
            "media_type": view.media_type,
            "size_bytes": view.size_bytes,
            "source": "upload" if prepared.sealed_source is None else "graph",
        },
    )
    return view


async def store(
    session: AsyncSession,
    sealer: Sealer,
    *,
    tenant_id: UUID,
    member_id: UUID,
    name: str,
    size_bytes: int,
    sha256: bytes,
    extracted: Extracted,
) -> DocumentView:
    """Prepare a document and keep it, in a session in which nothing has been done yet."""
    prepared = await prepare(sealer, name=name, size_bytes=size_bytes, sha256=sha256, extracted=extracted)
    return await keep(session, prepared, tenant_id=tenant_id, member_id=member_id)


async def describe(
    session: AsyncSession,
    sealer: Sealer,
    *,
    tenant_id: UUID,
    member_id: UUID,
    document_ids: Sequence[UUID],
) -> list[DocumentView]:
    """What is known of these documents, in this order. Raises: `DocumentNotFound`."""
    return describe_all(
        sealer, await DocumentRepository(session, tenant_id).of_member(member_id, document_ids)
    )


def describe_all(sealer: Sealer, documents: Sequence[Document]) -> list[DocumentView]:
    """What these rows say, opened."""
    return [
        DocumentView(
            id=document.id,
            name=sealer.open(_name_place(document.id), document.sealed_name).decode(),
            media_type=document.media_type,
            size_bytes=document.size_bytes,
            segments=document.segments,
            estimated_tokens=document.estimated_tokens,
            language=document.language,
            notes=document.notes,
            labels=_labels(sealer, document),
            findings=_findings(document.findings),
            source=_source(sealer, document),
        )
        for document in documents
    ]


async def load(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, document_ids: Sequence[UUID]
) -> list[Segment]:
    """`read_sealed` and `open_all` in one; the transaction waits meanwhile. Raises: `DocumentNotFound`."""
    return await open_all(sealer, await read_sealed(session, tenant_id=tenant_id, document_ids=document_ids))


async def read_sealed(
    session: AsyncSession, *, tenant_id: UUID, document_ids: Sequence[UUID]
) -> list[SealedDocument]:
    """These documents as they are stored. Raises: `DocumentNotFound`.

    For a job's own documents: who may use them was checked when the job was accepted.
    """
    repository = DocumentRepository(session, tenant_id)
    return [
        SealedDocument(document_id, [part.content for part in await repository.parts(document_id)])
        for document_id in document_ids
    ]


async def told(
    session: AsyncSession, *, tenant_id: UUID, document_ids: Sequence[UUID]
) -> list[DocumentReading]:
    """How each of a job's own documents was read; nothing of one that is gone."""
    found = await DocumentRepository(session, tenant_id).told(document_ids)
    rows = [found.get(document_id, ([], {})) for document_id in document_ids]
    return [DocumentReading(_findings(findings), notes) for findings, notes in rows]


async def open_all(sealer: Sealer, documents: Sequence[SealedDocument]) -> list[Segment]:
    """All documents as one list of segments; `index` counts over all, `document` says which it is of.

    Large ones take a second or more: do this when the transaction that read them is over.
    """
    segments: list[Segment] = []
    for number, one in enumerate(documents):
        opened = await asyncio.to_thread(_open, sealer, one.id, one.parts, len(segments))
        segments += [replace(segment, document=number) for segment in opened] if number else opened
    return segments


def _describe(document_id: UUID, name: str, size_bytes: int, extracted: Extracted) -> DocumentView:
    texts = [segment.text for segment in extracted.segments if segment.kind not in _ASIDE]
    return DocumentView(
        id=document_id,
        name=name,
        media_type=extracted.media_type,
        size_bytes=size_bytes,
        segments=len(extracted.segments),
        estimated_tokens=sum(estimate_tokens(segment.text) for segment in extracted.segments),
        language=main_language(texts),
        notes=dict(extracted.notes),
        labels=extracted.labels,
        findings=look(extracted, name=name),
    )


def _seal(sealer: Sealer, document_id: UUID, segments: Sequence[Segment]) -> list[Sealed]:
    blob = _dump(segments)
    return [
        sealer.seal(_part_place(document_id, number), blob[start : start + PART_BYTES])
        for number, start in enumerate(range(0, len(blob), PART_BYTES))
    ]


def _dump(segments: Sequence[Segment]) -> bytes:
    """The blob of `dump_segments`, made piecemeal: encoding JSON lets no other thread run."""
    batches = (
        dump_segments(segments[start : start + _SEGMENTS_AT_ONCE])[1:-1]
        for start in range(0, len(segments), _SEGMENTS_AT_ONCE)
    )
    return b"[" + b",".join(batches) + b"]"


def _open(sealer: Sealer, document_id: UUID, parts: Sequence[Sealed], offset: int) -> list[Segment]:
    blob = b"".join(
        sealer.open(_part_place(document_id, number), content) for number, content in enumerate(parts)
    )
    segments = load_segments(blob)
    return [replace(segment, index=offset + segment.index) for segment in segments] if offset else [*segments]


def _dump_labels(labels: Sequence[SensitivityLabel]) -> bytes:
    return json.dumps([asdict(label) for label in labels]).encode()


def _labels(sealer: Sealer, document: Document) -> tuple[SensitivityLabel, ...]:
    if document.sealed_labels is None:
        return ()
    opened = sealer.open(_labels_place(document.id), document.sealed_labels)
    return tuple(SensitivityLabel(**label) for label in json.loads(opened))


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {name: value for name, value in asdict(finding).items() if value is not None}


def _findings(stored: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    return tuple(Finding(FindingKind(one["kind"]), one["count"], one.get("segment")) for one in stored)


def _source(sealer: Sealer, document: Document) -> Mapping[str, str]:
    if document.sealed_source is None:
        return {}
    source: dict[str, str] = json.loads(sealer.open(_source_place(document.id), document.sealed_source))
    return source


def _name_place(document_id: UUID) -> Place:
    return Place("documents", document_id, "sealed_name")


def _source_place(document_id: UUID) -> Place:
    return Place("documents", document_id, "sealed_source")


def _labels_place(document_id: UUID) -> Place:
    return Place("documents", document_id, "sealed_labels")


def _part_place(document_id: UUID, number: int) -> Place:
    return Place("document_parts", f"{document_id}:{number}", "content")
