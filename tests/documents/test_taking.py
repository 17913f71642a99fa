"""Files that come in one go, by upload or from Microsoft 365: kept in sealed parts until they have been read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from app.core.crypto import Place, Sealed, Sealer
from app.documents.uploads import PIECE_BYTES
from tests.documents.files import bulky_word_file
from tests.documents.uploading import error
from tests.entra import ADA
from tests.house import House, serve
from tests.processes import until

LARGE = bulky_word_file(2 * PIECE_BYTES + 5_000)
"""A little more than two pieces."""
assert 2 * PIECE_BYTES < len(LARGE) < 3 * PIECE_BYTES


class _GoneError(Exception):
    """The sender goes away."""


async def _left(house: House) -> tuple[int, int, int]:
    """Sessions, parts and documents in the database."""
    (found,) = await house.system.rows(
        "SELECT (SELECT count(*) FROM upload_sessions) AS s, (SELECT count(*) FROM upload_parts) AS p,"
        " (SELECT count(*) FROM documents) AS d"
    )
    return found["s"], found["p"], found["d"]


async def _until_a_part_is_here(house: House) -> None:
    async def is_here() -> bool:
        return bool((await _left(house))[1])

    await until(is_here, house.system.autopsy)


@pytest.fixture
def sealed_lengths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How long the parts were that have been sealed."""
    lengths: list[int] = []
    seal = Sealer.seal

    def noting(sealer: Sealer, place: Place, content: bytes) -> Sealed:
        if place.table == "upload_parts":
            lengths.append(len(content))
        return seal(sealer, place, content)

    monkeypatch.setattr(Sealer, "seal", noting)
    return lengths


async def test_a_large_upload_lies_in_sealed_parts_that_become_the_documents_original(house: House) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield LARGE[: PIECE_BYTES + 1]
        await _until_a_part_is_here(house)
        (part,) = await house.system.rows("SELECT length, content FROM upload_parts")
        assert (part["length"], LARGE[1000:1016] in part["content"]) == (PIECE_BYTES, False)
        soon = "SELECT expires_at < now() + interval '61 minutes' AS soon, sealed_name FROM upload_sessions"
        (session,) = await house.system.rows(soon)
        assert (session["soon"], b"report" in session["sealed_name"]) == (True, False)
        yield LARGE[PIECE_BYTES + 1 :]

    answer = await house.client().post("/documents", params={"name": "a/report.docx"}, content=body())
    assert answer.status_code == 201, answer.text
    assert (answer.json()["name"], answer.json()["size_bytes"]) == ("report.docx", len(LARGE))
    assert await _left(house) == (1, 3, 1)


async def test_a_file_is_the_same_document_whichever_way_and_however_it_came(
    house: House, sealed_lengths: list[int]
) -> None:
    async def crumbs() -> AsyncIterator[bytes]:
        for start in range(0, len(LARGE), 100_003):
            yield LARGE[start : start + 100_003]

    whole = await house.upload("a.docx", LARGE)
    crumbled = await house.client().post("/documents", params={"name": "a.docx"}, content=crumbs())
    item = house.entra.app.graph.add(ADA, "a.docx", LARGE)
    fetched = await house.client().post(
        "/documents/drive-items", json={"drive_id": item.drive_id, "item_id": item.id, "etag": item.etag}
    )
    assert {**whole, "id": ""} == {**crumbled.json(), "id": ""} == {**fetched.json(), "id": ""}
    assert len(await house.system.rows("SELECT DISTINCT sha256 FROM documents")) == 1
    assert sealed_lengths == [PIECE_BYTES, PIECE_BYTES, len(LARGE) - 2 * PIECE_BYTES] * 3
    assert await _left(house) == (3, 9, 3)


async def test_a_small_file_is_in_memory_only(house: House, sealed_lengths: list[int]) -> None:
    text = b"The harbour was closed.\n" * (PIECE_BYTES // 24 + 1)
    await house.upload("a.txt", text[: PIECE_BYTES - 1])
    assert sealed_lengths == []
    await house.upload("a.txt", text[:PIECE_BYTES])
    assert sealed_lengths == [PIECE_BYTES]


async def test_nothing_is_left_of_a_file_whose_sender_goes_away(house: House) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield LARGE[: PIECE_BYTES + 1]
        await _until_a_part_is_here(house)
        raise _GoneError

    with pytest.raises(_GoneError):
        await house.client().post("/documents", params={"name": "a.docx"}, content=breaking())

    async def nothing_is_left() -> bool:
        return await _left(house) == (0, 0, 0)

    await until(nothing_is_left, house.system.autopsy)


async def test_nothing_is_left_of_a_file_that_turns_out_too_large(house: House) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        yield LARGE[: PIECE_BYTES + 1]
        await _until_a_part_is_here(house)
        yield LARGE[PIECE_BYTES + 1 :]

    async with serve(house.system, house.entra, max_upload_bytes=2 * PIECE_BYTES) as api:
        address = f"{api}/addin/v1/documents?name=a.docx"
        # Its connection is ended: the answer may be lost on a sender that is not done.
        with contextlib.suppress(httpx.TransportError):
            answer = await house.client().post(address, content=unannounced())
            assert error(answer) == (413, "file_too_large")

        async def nothing_is_left() -> bool:
            return await _left(house) == (0, 0, 0)

        await until(nothing_is_left, house.system.autopsy)


async def test_nothing_is_left_of_a_large_file_that_cannot_be_read(house: House) -> None:
    answer = await house.client().post("/documents", params={"name": "a.docx"}, content=LARGE[:-100])
    assert error(answer) == (422, "unreadable_file")
    assert await _left(house) == (0, 0, 0)


async def test_a_text_that_is_said_to_be_too_long_is_refused_before_it_comes(house: House) -> None:
    address = httpx.URL(house.api)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = (
        "POST /addin/v1/documents?name=a.txt HTTP/1.1",
        f"Host: {address.host}",
        f"Authorization: Bearer {house.entra.token(ADA)}",
        "Content-Length: 80000004",
        "",
        "",
    )
    writer.write("\r\n".join(head).encode())
    async with asyncio.timeout(30):
        answer = await reader.readuntil(b"}}")
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"too_complex"' in answer


async def test_nothing_is_left_of_a_large_file_that_changes_while_it_is_fetched(house: House) -> None:
    graph = house.entra.app.graph
    item = graph.add(ADA, "a.docx", LARGE)
    graph.on_content = lambda asked: graph.drives.change(asked.id)
    answer = await house.client().post(
        "/documents/drive-items", json={"drive_id": item.drive_id, "item_id": item.id, "etag": item.etag}
    )
    assert error(answer) == (409, "drive_item_changed")
    assert await _left(house) == (0, 0, 0)
