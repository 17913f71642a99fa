"""Upload sessions through the real door: parts, breaks, repetitions, limits, isolation."""

import asyncio
import hashlib
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from app.core.crypto import Place, Sealed, Sealer
from app.documents import service
from app.documents.extraction import Extractor
from app.documents.service import DocumentView
from app.documents.uploads import remove_expired
from app.local.postgres import EmbeddedPostgres
from tests.documents.files import many_entries, paragraph, word_file
from tests.documents.uploading import PIECE, STEP, Upload, begin, create, error, expected
from tests.entra import ADA, ALAN, GRACE
from tests.house import House, serve

LONG = "".join(
    f"Report {number}.\n" + "The harbour was closed. " * 1_000 + "\n\n" for number in range(200)
).encode()
"""Over 4 MiB, so that one part is more than one piece."""


async def rows(house: House, statement: str) -> list[dict[str, Any]]:
    return await house.system.rows(statement)


async def counts(house: House) -> tuple[int, int, int]:
    """Sessions, parts and documents in the database."""
    found = await rows(
        house,
        "SELECT (SELECT count(*) FROM upload_sessions) AS s, (SELECT count(*) FROM upload_parts) AS p,"
        " (SELECT count(*) FROM documents) AS d",
    )
    return found[0]["s"], found[0]["p"], found[0]["d"]


async def test_a_file_in_parts_becomes_the_document_that_it_is_in_one(house: House) -> None:
    upload = await begin(house.client(), "report.txt", LONG, checksum=True, media_type="text/plain")
    assert upload.session["state"] == "receiving"
    assert upload.session["next_expected_ranges"] == [f"0-{len(LONG) - 1}"]
    first = await upload.put(0, 3 * STEP)
    assert first.status_code == 202
    assert first.json()["next_expected_ranges"] == [f"{3 * STEP}-{len(LONG) - 1}"]
    last = await upload.put(3 * STEP, len(LONG))
    assert last.status_code == 201, last.text
    whole = await house.upload("report.txt", LONG)
    assert {**last.json(), "id": ""} == {**whole, "id": ""}
    digests = await rows(house, "SELECT DISTINCT sha256 FROM documents")
    assert len(digests) == 1
    status = await upload.status()
    assert (status["state"], status["document_id"]) == ("completed", last.json()["id"])
    assert (await counts(house)) == (1, 0, 2)


async def test_a_document_that_came_in_parts_can_be_worked_on(house: House) -> None:
    upload = await begin(house.client(), "a.txt", b"The harbour was closed for three days.")
    document = (await upload.put(0, len(upload.content))).json()
    assert (await house.submit({"input": {"documents": [document["id"]]}})).status_code == 202


async def test_nothing_of_an_upload_lies_in_the_tables_unsealed(house: House) -> None:
    upload = await begin(house.client(), "Kündigung.txt", LONG, checksum=True)
    await upload.put(0, STEP)
    shown = str(await rows(house, "SELECT s::text, p::text FROM upload_sessions s, upload_parts p"))
    for word in (b"harbour", "Kündigung".encode(), hashlib.sha256(LONG).digest()):
        assert word.hex() not in shown


async def test_a_part_that_is_sent_again_changes_nothing(house: House) -> None:
    upload = await begin(house.client(), "a.txt", LONG)
    for _ in range(2):
        answer = await upload.put(0, PIECE + STEP)
        assert (answer.status_code, answer.json()["received_bytes"]) == (202, PIECE + STEP)
    inner = await upload.put(STEP, PIECE)
    assert (inner.status_code, inner.json()["received_bytes"]) == (202, PIECE + STEP)
    assert (await counts(house))[1] == 2
    last = [await upload.put(PIECE + STEP, len(LONG)) for _ in range(2)]
    last.append(await upload.finish())
    assert [one.status_code for one in last] == [201] * 3
    assert len({one.json()["id"] for one in last}) == 1
    assert await counts(house) == (1, 0, 1)


@pytest.mark.parametrize(
    ("start", "end", "total", "words"),
    [
        (2 * STEP, 3 * STEP, None, "missing"),
        (0, 2 * STEP, None, "arrived before"),
        (STEP, 2 * STEP, 9 * STEP, "was said to have"),
        (STEP, STEP + 1, None, "multiple"),
        (STEP, 5 * STEP, None, "beyond the end"),
    ],
)
async def test_a_part_out_of_place_is_refused_with_the_range_that_is_expected(
    house: House, start: int, end: int, total: int | None, words: str
) -> None:
    upload = await begin(house.client(), "a.txt", LONG[: 4 * STEP])
    assert (await upload.put(0, STEP)).status_code == 202
    answer = await upload.put(start, end, total=total, content=bytes(end - start))
    assert error(answer) == (416, "invalid_range")
    assert expected(answer) == [f"{STEP}-{4 * STEP - 1}"]
    assert words in answer.json()["error"]["message"]
    assert (await upload.put(STEP, 4 * STEP)).status_code == 201


async def test_other_bytes_in_a_range_that_has_arrived_are_refused(house: House) -> None:
    upload = await begin(house.client(), "a.txt", LONG[: 4 * STEP])
    await upload.put(0, 2 * STEP)
    answer = await upload.put(0, STEP, content=bytes(STEP))
    assert error(answer) == (416, "invalid_range")
    assert (await upload.status())["received_bytes"] == 2 * STEP


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes 1-0/5", "bytes 0-4", "bytes 0-4/*", "items 0-4/5", "bytes ٠-٤/٥", "bytes -1-4/5"],
)
async def test_a_range_that_is_none_is_said_to_be_none(house: House, header: str) -> None:
    upload = await begin(house.client(), "a.txt", b"12345")
    answer = await house.client().put(
        upload.path, content=b"12345", headers=[(b"Content-Range", header.encode())]
    )
    assert error(answer) == (400, "bad_request")
    assert error(await house.client().put(upload.path, content=b"12345")) == (422, "malformed")
    assert (await upload.status())["received_bytes"] == 0


async def test_a_body_of_another_length_than_its_range_is_refused(house: House) -> None:
    upload = await begin(house.client(), "a.txt", LONG)

    async def chunked(length: int) -> Any:
        yield LONG[: length // 2]
        yield LONG[length // 2 : length]

    for length in (PIECE - 1, PIECE + 1, 2 * PIECE):
        assert error(await upload.put(0, PIECE, content=LONG[:length])) == (400, "bad_request")
        answer = await house.client().put(
            upload.path,
            content=chunked(length),
            headers={"Content-Range": f"bytes 0-{PIECE - 1}/{len(LONG)}"},
        )
        assert error(answer) == (400, "bad_request")
    assert (await upload.status())["received_bytes"] == 0


async def test_what_came_before_a_break_is_kept_and_the_rest_can_follow(house: House) -> None:
    upload = await begin(house.client(), "a.txt", LONG)

    class Gone(Exception):
        pass

    async def breaking() -> Any:
        yield LONG[: PIECE + STEP]
        raise Gone

    with pytest.raises(Gone):
        await house.client().put(
            upload.path, content=breaking(), headers={"Content-Range": f"bytes 0-{len(LONG) - 1}/{len(LONG)}"}
        )

    async def kept() -> bool:
        return bool((await upload.status())["received_bytes"] == PIECE)

    from tests.processes import until

    await until(kept)
    assert (await upload.put(PIECE, len(LONG))).status_code == 201


async def test_a_file_that_arrives_changed_is_refused_for_good(house: House) -> None:
    declared = hashlib.sha256(b"what was meant").hexdigest()
    upload = await begin(house.client(), "a.txt", b"what has come!", sha256=declared)
    for answer in (await upload.put(0, 14), await upload.put(0, 14), await upload.finish()):
        assert error(answer) == (422, "checksum_mismatch")
    status = await upload.status()
    assert (status["state"], status["error"]["code"]) == ("refused", "checksum_mismatch")
    assert await counts(house) == (1, 0, 0)


async def test_a_damaged_file_with_another_checksum_is_told_so_rather_than_that_it_is_damaged(
    house: House,
) -> None:
    content = word_file(paragraph("a"))
    declared = hashlib.sha256(content).hexdigest()
    upload = await begin(house.client(), "a.docx", content[:-30], sha256=declared)
    assert error(await upload.put(0, len(content) - 30)) == (422, "checksum_mismatch")


async def test_a_file_that_cannot_be_read_ends_its_session_with_the_reason(house: House) -> None:
    content = word_file(paragraph("a"))[:-30]
    upload = await begin(house.client(), "a.docx", content, checksum=True)
    first, again = await upload.put(0, len(content)), await upload.put(0, len(content))
    assert error(first) == error(again) == (422, "unreadable_file")
    assert first.json()["error"]["message"] == again.json()["error"]["message"]
    assert await counts(house) == (1, 0, 0)


async def test_two_clients_that_finish_at_once_get_one_document(house: House) -> None:
    content = LONG[: PIECE + 1000]
    upload = await begin(house.client(), "a.txt", content, checksum=True)
    assert (await upload.put(0, PIECE)).status_code == 202
    answers = await asyncio.gather(upload.put(PIECE, len(content)), upload.put(PIECE, len(content)))
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert await counts(house) == (1, 0, 1)


async def test_no_transaction_waits_while_a_file_is_described_and_sealed(
    house: House, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres ends a transaction that is idle for long; on a busy machine that was a 503 for large files."""
    waiting: dict[str, list[int]] = {}

    def look(doing: str) -> None:
        with psycopg.connect(postgres.url) as connection:
            found = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state LIKE 'idle in transaction%%'",
                [house.system.database.name],
            ).fetchone()
        waiting.setdefault(doing, []).append(-1 if found is None else found[0])

    describe, seal = service._describe, Sealer.seal

    def describe_seen(*given: Any) -> DocumentView:
        look("describe")
        return describe(*given)

    def seal_seen(sealer: Sealer, place: Place, content: bytes) -> Sealed:
        if place.table in {"document_parts", "upload_parts"}:
            look(f"seal {place.table}")
        return seal(sealer, place, content)

    monkeypatch.setattr(service, "_describe", describe_seen)
    monkeypatch.setattr(Sealer, "seal", seal_seen)
    upload = await begin(house.client(), "a.txt", b"The harbour was closed.")
    assert (await upload.put(0, len(upload.content))).status_code == 201
    await house.upload("b.txt", upload.content)
    accepted = await house.submit({"input": {"text": "The harbour was closed."}}, key="one")
    assert accepted.status_code == 202, accepted.text
    assert waiting == {"seal upload_parts": [0], "describe": [0] * 3, "seal document_parts": [0] * 3}


async def test_two_clients_of_one_whole_file_leave_one_document(house: House) -> None:
    upload = await begin(house.client(), "a.txt", LONG)
    answers = await asyncio.gather(*(upload.put(0, len(LONG)) for _ in range(3)))
    assert {one.status_code for one in answers} <= {201, 416}
    done = await upload.put(0, len(LONG))
    assert done.status_code == 201
    assert {one.json()["id"] for one in answers if one.status_code == 201} <= {done.json()["id"]}
    assert await counts(house) == (1, 0, 1)


async def test_a_deleted_session_is_gone_with_its_parts_and_its_document_stays(house: House) -> None:
    unfinished = await begin(house.client(), "a.txt", LONG)
    await unfinished.put(0, PIECE)
    finished = await begin(house.client(), "a.txt", b"text")
    await finished.put(0, 4)
    for upload in (unfinished, finished):
        assert (await upload.client.delete(upload.path)).status_code == 204
        assert error(await upload.client.delete(upload.path)) == (404, "upload_session_not_found")
        assert error(await upload.put(0, 4)) == (404, "upload_session_not_found")
    assert await counts(house) == (0, 0, 1)


@pytest.mark.parametrize("login", [ALAN, GRACE])
async def test_a_session_of_somebody_else_is_not_there(house: House, login: str) -> None:
    upload = await begin(house.client(ADA), "a.txt", b"mine")
    stranger = Upload(house.client(login), b"mine", upload.session)
    for answer in (
        await stranger.put(0, 4),
        await stranger.put(0, 2, content=b"xx"),
        await stranger.finish(),
        await stranger.client.get(stranger.path),
        await stranger.client.delete(stranger.path),
    ):
        assert error(answer) == (404, "upload_session_not_found")
    assert (await upload.status())["received_bytes"] == 0
    assert (await upload.put(0, 4)).status_code == 201


async def test_what_cannot_be_taken_is_refused_before_a_byte_is_sent(house: House) -> None:
    client = house.client()
    for fields, refused in (
        ({"name": "a.txt", "size_bytes": 100 * 2**20 + 1}, (413, "file_too_large")),
        ({"name": "a.txt", "size_bytes": 80_000_004}, (413, "too_complex")),
        ({"name": "a.txt", "size_bytes": 0}, (422, "empty_file")),
        ({"name": "a.docm", "size_bytes": 5}, (422, "unsupported_format")),
        ({"name": "a.exe", "size_bytes": 5}, (422, "unsupported_format")),
        (
            {"name": "a.txt", "size_bytes": 5, "media_type": "application/x-msdownload"},
            (422, "unsupported_format"),
        ),
        ({"name": "a.docx", "size_bytes": 5, "media_type": "application/pdf"}, (422, "mislabelled_file")),
        ({"name": "a" * 10_240 + ".txt", "size_bytes": 5}, (422, "malformed")),
        ({"name": "a.txt", "size_bytes": -1}, (422, "malformed")),
        ({"name": "a.txt", "size_bytes": 5, "sha256": "00"}, (422, "malformed")),
        ({"name": "a.txt", "size_bytes": 5, "tenant_id": "x"}, (422, "malformed")),
    ):
        assert error(await client.post("/upload_sessions", json=fields)) == refused, fields
    assert await counts(house) == (0, 0, 0)


@pytest.mark.parametrize("flags", [0, 8], ids=["by its first bytes", "by its last bytes"])
async def test_an_archive_of_too_many_parts_is_refused_before_it_is_read(
    house: House, monkeypatch: pytest.MonkeyPatch, flags: int
) -> None:
    async def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the file was read")

    monkeypatch.setattr(Extractor, "extract_pieces", never)
    content = many_entries(60_000, flags=flags, is_zip64=True)
    assert len(content) > PIECE
    upload = await begin(house.client(), "a.docx", content)
    refused = await upload.put(0, len(content))
    assert error(refused) == (413, "too_complex")
    status = await upload.status()
    assert (status["state"], status["received_bytes"]) == ("refused", 0 if not flags else len(content))
    assert await counts(house) == (1, 0, 0)
    again = await upload.put(0, len(content))
    assert again.json()["error"]["message"] == refused.json()["error"]["message"]


async def test_a_member_has_so_many_sessions_open_and_no_more(house: House) -> None:
    async with serve(house.system, house.entra, max_upload_sessions=3) as api:
        url = f"{api}/addin/v1/upload_sessions"
        body = {"name": "a.txt", "size_bytes": 4}
        answers = await asyncio.gather(*(house.client().post(url, json=body) for _ in range(8)))
        assert sorted(one.status_code for one in answers) == [201] * 3 + [429] * 5
        full = next(one for one in answers if one.status_code == 429)
        assert error(full) == (429, "too_many_upload_sessions")
        assert full.headers["Retry-After"]
        assert (await house.client(ALAN).post(url, json=body)).status_code == 201
        opened = next(one for one in answers if one.status_code == 201).json()
        done = await house.client().put(
            f"{url}/{opened['id']}", content=b"text", headers={"Content-Range": "bytes 0-3/4"}
        )
        assert done.status_code == 201
        assert (await house.client().post(url, json=body)).status_code == 201


async def test_an_expired_session_is_not_there_and_its_leftovers_are_removed(house: House) -> None:
    old = await begin(house.client(), "a.txt", LONG)
    await old.put(0, PIECE)
    young = await begin(house.client(), "b.txt", LONG)
    async with house.system.database.owner.system() as session:
        await session.execute(
            text("UPDATE upload_sessions SET expires_at = now() - interval '1 s' WHERE id = :id"),
            {"id": old.session["id"]},
        )
    assert error(await old.put(PIECE, len(LONG))) == (404, "upload_session_not_found")
    assert await remove_expired(house.system.database.system) == 1
    assert await counts(house) == (1, 0, 0)
    assert (await young.status())["state"] == "receiving"
    assert await remove_expired(house.system.database.system) == 0


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\ada\\report.txt", "report.txt"),
        ("a\x00b\r\n.txt", "ab.txt"),
        ("annual\u202etxt.txt", "annualtxt.txt"),
        ("Bericht  2026 😀.txt", "Bericht 2026 😀.txt"),
        ("..", "document"),
        ("e\u0301.txt", "é.txt"),
    ],
)
async def test_a_name_is_only_something_to_show(house: House, sent: str, shown: str) -> None:
    upload = await begin(house.client(), sent, b"text")
    document = (await upload.put(0, 4)).json()
    assert upload.session["name"] == document["name"] == shown
    assert (await house.upload(sent, b"text"))["name"] == shown
    assert (await create(house.client(), sent + "x" * 255, b"text")).status_code == 422
