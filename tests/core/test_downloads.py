"""The one hop of a download: from a host on the list, over TLS, and nothing else goes along."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.core.outbound import (
    AddressNotAllowed,
    DownloadFailed,
    DownloadTooLarge,
    allowed_address,
    open_download,
)
from app.local.entra.certificates import certificates

_HOSTS = (".sharepoint.com", "files.contoso.example")


@dataclass
class _Files:
    """A server of files over TLS on loopback, with the answer that a test gives it."""

    port: int
    ca: Path
    answer: bytes = b""
    requests: list[str] = field(default_factory=list)

    async def fetch(self, **options: Any) -> bytes:
        """The whole of a file."""
        given = {
            "allowed_hosts": ("localhost",),
            "largest_bytes": 1000,
            "ca": self.ca,
            "private_allowed": True,
            **options,
        }
        url = given.pop("url", f"https://localhost:{self.port}/file?sig=1")
        async with open_download(url, **given) as pieces:
            return b"".join([piece async for piece in pieces])


def _answer(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", "Connection: close", *fields, "", "")).encode() + body


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[_Files]:
    made = certificates(tmp_path / "tls")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server)
    running = _Files(0, made.ca)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.requests.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(running.answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    running.port = server.sockets[0].getsockname()[1]
    yield running
    server.close()
    await server.wait_closed()


async def test_a_file_comes_without_token_cookie_or_packing(files: _Files) -> None:
    files.answer = _answer(b"content", "Content-Length: 7", "Set-Cookie: a=b")

    assert await files.fetch() == b"content"
    assert await files.fetch() == b"content"
    for request in files.requests:
        assert request.startswith("get /file?sig=1 http/1.1")
        assert "accept-encoding: identity" in request
        assert "authorization" not in request
        assert "cookie" not in request


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
async def test_a_second_hop_is_not_made(files: _Files, status: str) -> None:
    files.answer = _answer(b"", f"Location: https://localhost:{files.port}/elsewhere", status=status)

    with pytest.raises(DownloadFailed) as refused:
        await files.fetch()
    assert refused.value.answered == int(status[:3])
    assert len(files.requests) == 1


async def test_more_than_is_taken_is_not_read_whether_announced_or_not(files: _Files) -> None:
    files.answer = _answer(b"x" * 1000, "Content-Length: 1000")
    assert len(await files.fetch()) == 1000
    for answer in (_answer(b"", "Content-Length: 1001"), _answer(b"x" * 1001)):
        files.answer = answer
        with pytest.raises(DownloadTooLarge):
            await files.fetch()


async def test_what_is_packed_although_nobody_asked_is_refused(files: _Files) -> None:
    files.answer = _answer(b"\x1f\x8b", "Content-Length: 2", "Content-Encoding: gzip")

    with pytest.raises(DownloadFailed):
        await files.fetch()


async def test_a_file_that_breaks_off_is_not_taken_for_whole(files: _Files) -> None:
    files.answer = _answer(b"half", "Content-Length: 8")

    with pytest.raises(DownloadFailed):
        await files.fetch()


async def test_a_certificate_of_somebody_else_is_refused(files: _Files) -> None:
    with pytest.raises(DownloadFailed):
        await files.fetch(ca=None)
    assert files.requests == []


async def test_outside_of_development_a_host_on_the_list_may_not_lead_inside(files: _Files) -> None:
    with pytest.raises(AddressNotAllowed):
        await files.fetch(private_allowed=False, url="https://localhost/file")
    assert files.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://contoso.sharepoint.com/file",
        "https://sharepoint.com/file",
        "https://evilsharepoint.com/file",
        "https://contoso.sharepoint.com.evil.example/file",
        "https://evil.example/contoso.sharepoint.com",
        "https://evil.example?.sharepoint.com",
        "https://evil.example#.sharepoint.com",
        "https://evil.example\\.sharepoint.com/file",
        "https://contoso.sharepoint.com@evil.example/file",
        "https://evil.example@contoso.sharepoint.com/file",
        "https://contoso.sharepoint.com:22/file",
        "https://contoso.sharepoint.com:8443/file",
        "https://contoso.sharepoint.com./file",
        "https://.sharepoint.com/file",
        "https://127.0.0.1/file",
        "https://[::1]/file",
        "https://2130706433/file",
        "https://files.contoso.example.evil.example/file",
        "https://more.files.contoso.example/file",
        "https://contoso.ｓharepoint.com/file",
        "https://contoso。sharepoint.com/file",
        "https://contoso.sharepoint.com/file\r\nX: y",
        "https://contoso.sharepoint.com:port/file",
        "//contoso.sharepoint.com/file",
        "file://contoso.sharepoint.com/etc/passwd",
        "",
    ],
)
def test_an_address_that_is_not_on_the_list_is_not_fetched(url: str) -> None:
    with pytest.raises(AddressNotAllowed):
        allowed_address(url, allowed_hosts=_HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "https://contoso.sharepoint.com/file?tempauth=1",
        "https://contoso-my.SharePoint.com:443/file",
        "https://files.contoso.example/a",
    ],
)
def test_an_address_on_the_list_is_fetched(url: str) -> None:
    assert allowed_address(url, allowed_hosts=_HOSTS).scheme == "https"
