"""Who is asked for a body, and how much of it: over raw sockets, because clients are too polite for this."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from app.identity.authenticate import Authenticator
from app.identity.principal import Principal
from tests.entra import ADA, part
from tests.house import House

_GIGABYTE = 2**30


@contextlib.asynccontextmanager
async def _connection(house: House) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    where = urlsplit(house.api)
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        yield reader, writer
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def _request(path: str, *fields: str) -> bytes:
    return "\r\n".join((f"POST {path} HTTP/1.1", "Host: doors", *fields, "", "")).encode()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *lines = head.strip().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = (await reader.readexactly(int(fields["content-length"]))).decode()
    return int(status.split(" ")[1]), fields, str(json.loads(body)["error"]["code"])


_PATHS = ["/addin/v1/documents?name=a.txt", "/automation/v1/documents?name=a.txt", "/addin/v1/jobs"]
_CREDENTIALS = {
    "no token": [],
    "no bearer": ["Authorization: Basic YTpi"],
    "nonsense": ["Authorization: Bearer a.b.c"],
    "two": ["Authorization: Bearer a.b.c", "Authorization: Bearer d.e.f"],
}


@pytest.mark.parametrize("credentials", _CREDENTIALS)
@pytest.mark.parametrize("path", _PATHS)
async def test_without_a_valid_token_a_body_is_not_waited_for(
    path: str, credentials: str, house: House
) -> None:
    length = _GIGABYTE if "documents" in path else 2**20
    async with _connection(house) as (reader, writer):
        writer.write(_request(path, f"Content-Length: {length}", *_CREDENTIALS[credentials]))
        # Not a byte of the body is ever sent.
        status, fields, code = await _answer(reader)
        assert (status, code) == (401, "invalid_token")
        if length == _GIGABYTE:
            assert fields["connection"] == "close"
            assert await reader.read() == b""


async def test_a_forged_token_is_answered_before_the_body_as_well(house: House) -> None:
    header = part({"alg": "RS256", "kid": house.entra.app.keys.current.kid})
    token = f"{header}.{part(house.entra.claims())}.AAAA"
    for path in _PATHS:
        async with _connection(house) as (reader, writer):
            writer.write(
                _request(path, "Content-Length: 1000000", f"Authorization: Bearer {token}")
                + b'{"task_type": "summ'
            )
            assert (await _answer(reader))[::2] == (401, "invalid_token")


async def test_who_asks_before_sending_is_told_no_without_being_told_to_continue(house: House) -> None:
    async with _connection(house) as (reader, writer):
        writer.write(_request(_PATHS[0], f"Content-Length: {_GIGABYTE}", "Expect: 100-continue"))
        status, _, _ = await _answer(reader)
    assert status == 401


async def test_an_announced_body_that_is_too_large_is_refused_before_it_is_sent(house: House) -> None:
    token = f"Authorization: Bearer {house.entra.token(ADA)}"
    for path in (_PATHS[0], _PATHS[2]):
        async with _connection(house) as (reader, writer):
            writer.write(_request(path, f"Content-Length: {_GIGABYTE}", token))
            status, fields, _ = await _answer(reader)
            assert (status, fields["connection"]) == (413, "close")


@pytest.mark.parametrize("length", ["-1", "+5", "1e9", "0x10", "5, 5", ""])
async def test_a_length_that_is_no_number_gets_no_further(house: House, length: str) -> None:
    async with _connection(house) as (reader, writer):
        writer.write(_request("/addin/v1/jobs", f"Content-Length: {length}"))
        status = (await reader.readline()).split(b" ")[1]
    assert status in {b"400", b"401", b"413"}


async def _pour(writer: asyncio.StreamWriter, megabytes: int) -> int:
    """Send a chunked body until the other side has enough; how many megabytes were taken."""
    piece = b"100000\r\n" + b"[" * 2**20 + b"\r\n"
    for sent in range(megabytes):
        try:
            writer.write(piece)
            await writer.drain()
        except ConnectionError:
            return sent
    return megabytes


@pytest.mark.parametrize(("path", "most"), [(_PATHS[2], 24), (_PATHS[0], 128)])
async def test_a_body_without_end_is_cut_off(house: House, path: str, most: int) -> None:
    token = f"Authorization: Bearer {house.entra.token(ADA)}"
    async with _connection(house) as (reader, writer):
        writer.write(_request(path, "Transfer-Encoding: chunked", "Content-Type: application/json", token))
        pouring = asyncio.create_task(_pour(writer, 1024))
        status, fields, _ = await _answer(reader)
        assert (status, fields["connection"]) == (413, "close")
        assert await pouring < most


async def test_a_stranger_body_without_end_is_cut_off_at_once(house: House) -> None:
    async with _connection(house) as (reader, writer):
        writer.write(_request(_PATHS[2], "Transfer-Encoding: chunked"))
        assert (await _answer(reader))[::2] == (401, "invalid_token")
        assert await _pour(writer, 64) < 16


async def test_a_document_of_usual_size_with_an_old_token_gets_its_answer(house: House) -> None:
    """The connection lives on: a pane that renews its token goes on with it."""
    content = b"x" * (4 * 2**20)
    async with _connection(house) as (reader, writer):
        for _ in range(2):
            writer.write(_request(_PATHS[0], f"Content-Length: {len(content)}") + content)
            await writer.drain()
            status, fields, _ = await _answer(reader)
            assert status == 401
            assert "connection" not in fields


async def test_asking_before_the_body_does_not_cost_a_second_look_at_the_token(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    usual = Authenticator.principal

    async def counting(self: Authenticator, raw_token: str, *, scope: str) -> Principal:
        asked.append(scope)
        return await usual(self, raw_token, scope=scope)

    monkeypatch.setattr(Authenticator, "principal", counting)
    answer = await house.submit({"input": {"text": "The harbour was closed for three days."}})

    assert answer.status_code == 202
    assert asked == ["Tasks.ReadWrite"]
