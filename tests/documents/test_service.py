import hashlib
import secrets
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from app.core.clock import new_id
from app.core.crypto import SealBroken, Sealer
from app.documents import service
from app.documents.errors import DocumentNotFound
from app.documents.reading import read
from app.documents.segments import SensitivityLabel, dump_segments
from app.documents.tables import Document, DocumentPart
from tests.conftest import TestDatabase
from tests.documents.files import paragraph, word_file

_GERMAN = "Der Ausschuss hat den Bericht geprüft und empfiehlt dem Vorstand, ihn anzunehmen."


@pytest.fixture
def sealer(database: TestDatabase) -> Sealer:
    return Sealer(database.tenant_id, {1: secrets.token_bytes(32)})


async def _store(database: TestDatabase, sealer: Sealer, name: str, content: bytes) -> service.DocumentView:
    async with database.app.tenant(database.tenant_id) as session:
        return await service.store(
            session,
            sealer,
            tenant_id=database.tenant_id,
            member_id=database.member_id,
            name=name,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).digest(),
            extracted=read(name, content),
        )


async def _describe(
    database: TestDatabase, sealer: Sealer, document_ids: list[UUID], *, tenant_id: UUID, member_id: UUID
) -> list[service.DocumentView]:
    async with database.app.tenant(tenant_id) as session:
        return await service.describe(
            session, sealer, tenant_id=tenant_id, member_id=member_id, document_ids=document_ids
        )


async def test_a_document_is_described_and_loaded_as_it_was_stored(
    database: TestDatabase, sealer: Sealer
) -> None:
    content = word_file("".join(paragraph(f"{_GERMAN} {number}") for number in range(20)))
    stored = await _store(database, sealer, "Prüfbericht 😀.docx", content)
    assert (stored.language, stored.segments, stored.size_bytes) == ("de", 20, len(content))
    assert stored.estimated_tokens == 20 * 25
    described = await _describe(
        database, sealer, [stored.id], tenant_id=database.tenant_id, member_id=database.member_id
    )
    assert described == [stored]
    async with database.app.tenant(database.tenant_id) as session:
        segments = await service.load(session, sealer, tenant_id=database.tenant_id, document_ids=[stored.id])
    assert tuple(segments) == read("a.docx", content).segments


async def test_several_documents_load_as_one_list_numbered_through(
    database: TestDatabase, sealer: Sealer
) -> None:
    first = await _store(database, sealer, "a.txt", b"one\n\ntwo")
    second = await _store(database, sealer, "b.md", b"# three")
    async with database.app.tenant(database.tenant_id) as session:
        sealed = await service.read_sealed(
            session, tenant_id=database.tenant_id, document_ids=[second.id, first.id]
        )
    segments = await service.open_all(sealer, sealed)
    assert [(segment.index, segment.text) for segment in segments] == [(0, "# three"), (1, "one"), (2, "two")]
    described = await _describe(
        database, sealer, [second.id, first.id], tenant_id=database.tenant_id, member_id=database.member_id
    )
    assert [view.name for view in described] == ["b.md", "a.txt"]


async def test_a_long_document_is_sealed_in_parts(
    database: TestDatabase, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PART_BYTES", 1_000)
    monkeypatch.setattr(service, "_SEGMENTS_AT_ONCE", 7)
    content = "\n\n".join(f"{_GERMAN} {number}" for number in range(30)).encode()
    stored = await _store(database, sealer, "a.txt", content)
    async with database.app.tenant(database.tenant_id) as session:
        parts = list(await session.scalars(select(DocumentPart)))
        segments = await service.load(session, sealer, tenant_id=database.tenant_id, document_ids=[stored.id])
    expected = read("a.txt", content).segments
    assert len(parts) == -(-len(dump_segments(expected)) // 1_000) > 3
    assert tuple(segments) == expected
    assert not any(bytes(part.content).count(b"Ausschuss") for part in parts)


async def test_neither_name_nor_text_stands_in_the_tables_unsealed(
    database: TestDatabase, sealer: Sealer
) -> None:
    await _store(database, sealer, "Kündigung Meier.txt", _GERMAN.encode())
    async with database.owner.system() as session:
        rows = await session.execute(
            text("SELECT documents::text, document_parts::text FROM documents, document_parts")
        )
        shown = str(rows.all())
    for words in ("Meier", "Ausschuss"):
        assert words not in shown
        assert words.encode().hex() not in shown


async def test_a_colleague_and_another_tenant_find_nothing(database: TestDatabase, sealer: Sealer) -> None:
    stored = await _store(database, sealer, "a.txt", b"mine")
    for tenant_id, member_id in (
        (database.tenant_id, database.colleague_id),
        (database.other_tenant_id, database.other_member_id),
        (database.other_tenant_id, database.member_id),
    ):
        with pytest.raises(DocumentNotFound, match=str(stored.id)):
            await _describe(database, sealer, [stored.id], tenant_id=tenant_id, member_id=member_id)
    async with database.app.tenant(database.other_tenant_id) as session:
        with pytest.raises(DocumentNotFound):
            await service.load(session, sealer, tenant_id=database.other_tenant_id, document_ids=[stored.id])
        # Row-level security stands behind the filter: another tenant's id in it shows nothing.
        with pytest.raises(DocumentNotFound):
            await service.load(session, sealer, tenant_id=database.tenant_id, document_ids=[stored.id])
        assert await session.scalar(select(func.count()).select_from(Document)) == 0


async def test_one_unknown_document_among_known_ones_is_named(database: TestDatabase, sealer: Sealer) -> None:
    stored = await _store(database, sealer, "a.txt", b"mine")
    unknown = new_id()
    with pytest.raises(DocumentNotFound, match=str(unknown)):
        await _describe(
            database,
            sealer,
            [stored.id, unknown],
            tenant_id=database.tenant_id,
            member_id=database.member_id,
        )


async def test_a_part_that_was_moved_does_not_open(database: TestDatabase, sealer: Sealer) -> None:
    first = await _store(database, sealer, "a.txt", b"one")
    second = await _store(database, sealer, "b.txt", b"two")
    async with database.app.tenant(database.tenant_id) as session:
        parts = {part.document_id: part for part in await session.scalars(select(DocumentPart))}
        parts[first.id].content = parts[second.id].content
    async with database.app.tenant(database.tenant_id) as session:
        with pytest.raises(SealBroken):
            await service.load(session, sealer, tenant_id=database.tenant_id, document_ids=[first.id])


async def test_labels_are_kept_sealed_and_shown(database: TestDatabase, sealer: Sealer) -> None:
    label = SensitivityLabel("11111111-2222-3333-4444-555555555555", None, "Geheim", is_enabled=False)
    async with database.app.tenant(database.tenant_id) as session:
        stored = await service.store(
            session,
            sealer,
            tenant_id=database.tenant_id,
            member_id=database.member_id,
            name="a.txt",
            size_bytes=1,
            sha256=b"",
            extracted=replace(read("a.txt", b"text"), labels=(label,)),
        )
        raw = await session.scalar(select(Document.sealed_labels).where(Document.id == stored.id))
    assert raw is not None
    assert b"Geheim" not in bytes(raw)
    described = await _describe(
        database, sealer, [stored.id], tenant_id=database.tenant_id, member_id=database.member_id
    )
    assert [view.labels for view in described] == [(label,)]
