"""Microsoft Graph as far as we need it: a drive item's metadata, and its content over one redirect hop.

Ids go into a path, so they are matched whole against what Graph's ids are made of; nothing else of a
request reaches Graph. Content comes from a pre-authenticated address on the list of hosts, which never
sees the token.
"""

import base64
import binascii
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.core.outbound import (
    AddressNotAllowed,
    DownloadFailed,
    DownloadTooLarge,
    open_download,
)
from app.identity.errors import ClaimsChallenge
from app.identity.graph_errors import (
    DriveItemChanged,
    DriveItemNotAFile,
    DriveItemNotFound,
    DriveItemTooLarge,
    GraphThrottled,
    GraphUnavailable,
    InteractionRequired,
)
from app.identity.registrations import FILES_PERMISSION
from app.settings import GRAPH_HOSTS, Settings
from app.vocabulary import Environment

ID_PATTERN = r"[A-Za-z0-9!_-]{1,256}"
"""What ids of drives and items are made of: letters, digits, `!`, `_`, `-`. No dot, slash or percent."""
_ID = re.compile(ID_PATTERN)
_LARGEST_ANSWER = 256 * 1024
_CONNECT_SECONDS, _ANSWER_SECONDS, _DOWNLOAD_SECONDS = 5.0, 20.0, 120.0
_LONGEST_RETRY_SECONDS = 600.0
_CLAIMS = re.compile(r'(?:^|[\s,])claims="([A-Za-z0-9+/=_-]{1,8192})"')
_SELECT = "id,name,size,eTag,file"
_SELECT_ENTRY = "id,name,eTag,file,folder"
_PAGE = 100
"""Entries of a folder in one answer, which so stays far below what an answer may have."""


@dataclass(frozen=True)
class DriveItemRef:
    """A file somewhere in Microsoft 365. `etag` is the version that the caller has seen, or None."""

    drive_id: str
    item_id: str
    etag: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would not stay one segment of a path. Raises: `ValueError`."""
        if not (_ID.fullmatch(self.drive_id) and _ID.fullmatch(self.item_id)):
            raise ValueError("not the id of a drive or of an item")


@dataclass(frozen=True)
class DriveFile:
    """A file that is being fetched, and the version it is."""

    name: str
    etag: str
    pieces: AsyncIterator[bytes]
    """Its content as it comes. They end with an error if this is not the version that was asked for."""


@dataclass(frozen=True)
class DriveEntry:
    """What a folder holds: a file, or a folder again."""

    ref: DriveItemRef
    name: str
    is_folder: bool


def graph_scope(settings: Settings) -> str:
    """The delegated permission to read the files that a person may read, in the cloud of the settings."""
    host = settings.graph_url.removeprefix("https://")
    return f"https://{host if host in GRAPH_HOSTS else 'graph.microsoft.com'}/{FILES_PERMISSION}"


class Graph:
    """A client of Graph; make it on the loop that uses it, and close it there."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.graph_url.rstrip("/")
        self._hosts = settings.graph_download_hosts
        self._most_bytes = settings.max_upload_bytes
        self._ca = settings.entra_ca
        self._is_development = settings.env is Environment.DEVELOPMENT
        self._http = httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=str(self._ca)) if self._ca is not None else True,
            trust_env=False,
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    @asynccontextmanager
    async def open(self, token: str, ref: DriveItemRef) -> AsyncIterator[DriveFile]:
        """The file with its name and version; its size is known to fit before a byte of it is fetched.

        Raises: the errors of `graph_errors`, `ClaimsChallenge`, also while the pieces are read.
        """
        path = f"/v1.0/drives/{ref.drive_id}/items/{ref.item_id}"
        item = await self._item(token, path, ref.etag)
        if item["size"] > self._most_bytes:
            raise DriveItemTooLarge(self._most_bytes)
        answer, _ = await self._get(token, f"{path}/content")
        if answer.status_code != httpx.codes.FOUND:
            _refuse(answer)
            raise GraphUnavailable("no_redirect")
        async with self._download(answer.headers.get("location", "")) as pieces:
            yield DriveFile(item["name"], item["eTag"], self._unchanged(pieces, token, path, ref.etag))

    async def _unchanged(
        self, pieces: AsyncIterator[bytes], token: str, path: str, etag: str | None
    ) -> AsyncIterator[bytes]:
        async for piece in pieces:
            yield piece
        if etag is not None:
            # The content may be newer than what was looked at before: its address names no version.
            await self._item(token, path, etag)

    async def read(self, token: str, path: str) -> dict[str, Any]:
        """One JSON object about the person themselves. Raises: the errors of `graph_errors`, `ClaimsChallenge`."""
        answer, body = await self._get(token, path)
        _refuse(answer)
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise GraphUnavailable("unreadable_answer")
        return found

    async def children(self, token: str, folder: DriveItemRef) -> AsyncIterator[DriveEntry]:
        """What a folder holds, page by page; neither notebooks nor anything else without content.

        Raises: the errors of `graph_errors`, `ClaimsChallenge`.
        """
        path = f"/v1.0/drives/{folder.drive_id}/items/{folder.item_id}/children"
        query: str | None = f"$select={_SELECT_ENTRY}&$top={_PAGE}"
        while query is not None:
            page = await self.read(token, f"{path}?{query}")
            for one in _entries(page, folder.drive_id):
                yield one
            # Of Graph's address for the next page only the query is taken: the request stays at this folder.
            following = page.get("@odata.nextLink")
            query = urlsplit(following).query if isinstance(following, str) else None

    async def _item(self, token: str, path: str, etag: str | None) -> dict[str, Any]:
        """The metadata, if it is that of the version asked for. Raises: as `fetch`."""
        answer, body = await self._get(token, f"{path}?$select={_SELECT}")
        _refuse(answer)
        item = _item(body)
        if etag is not None and etag != item["eTag"]:
            raise DriveItemChanged
        return item

    async def _get(self, token: str, path: str) -> tuple[httpx.Response, bytes]:
        """One answer of Graph, of which no more is read than an answer may have."""
        body = bytearray()
        try:
            async with self._http.stream(
                "GET", f"{self._url}{path}", headers={"Authorization": f"Bearer {token}"}
            ) as answer:
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > _LARGEST_ANSWER:
                        raise GraphUnavailable("answer_too_large")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GraphUnavailable(type(error).__name__) from None
        return answer, bytes(body)

    @asynccontextmanager
    async def _download(self, address: str) -> AsyncIterator[AsyncIterator[bytes]]:
        try:
            async with open_download(
                address,
                allowed_hosts=self._hosts,
                largest_bytes=self._most_bytes,
                seconds=_DOWNLOAD_SECONDS,
                ca=self._ca,
                private_allowed=self._is_development,
            ) as pieces:
                yield pieces
        except DownloadTooLarge:
            raise DriveItemTooLarge(self._most_bytes) from None
        except (DownloadFailed, AddressNotAllowed) as error:
            raise GraphUnavailable(type(error).__name__) from None


def _item(body: bytes) -> dict[str, Any]:
    """The metadata, with the types we go by. Raises: `DriveItemNotAFile`, `GraphUnavailable`."""
    try:
        item = json.loads(body)
        if not isinstance(item.get("file"), dict):
            raise DriveItemNotAFile
        name, size, etag = item["name"], item["size"], item["eTag"]
    except (ValueError, KeyError, AttributeError):
        raise GraphUnavailable("unreadable_item") from None
    if not (isinstance(name, str) and isinstance(size, int) and isinstance(etag, str) and name):
        raise GraphUnavailable("unreadable_item")
    return {"name": name[:255], "size": size, "eTag": etag}


def _entries(page: dict[str, Any], drive_id: str) -> list[DriveEntry]:
    """The entries of a page, with the types we go by; what has none of a file's or folder's marks is left out."""
    found = []
    try:
        for one in page["value"]:
            is_folder = isinstance(one.get("folder"), dict)
            if is_folder or isinstance(one.get("file"), dict):
                ref = DriveItemRef(drive_id, one["id"], one["eTag"])
                found.append(DriveEntry(ref, str(one["name"])[:255], is_folder))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise GraphUnavailable("unreadable_page") from None
    return found


def _refuse(answer: httpx.Response) -> None:
    """What an answer other than the expected one means."""
    status = answer.status_code
    if status == httpx.codes.OK:
        return
    if status == httpx.codes.UNAUTHORIZED:
        claims = challenged_claims(answer.headers.get("www-authenticate", ""))
        raise InteractionRequired if claims is None else ClaimsChallenge(claims)
    if status in {httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND, httpx.codes.GONE}:
        raise DriveItemNotFound("denied" if status == httpx.codes.FORBIDDEN else "missing")
    seconds = _retry_after(answer)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise GraphThrottled(seconds)
    raise GraphUnavailable(f"status_{status}", retry_after_seconds=seconds)


def challenged_claims(header: str) -> str | None:
    """The claims (JSON) of a `WWW-Authenticate: Bearer ... error="insufficient_claims", claims="<base64>"`."""
    found = _CLAIMS.search(header)
    if found is None or "insufficient_claims" not in header:
        return None
    packed = found.group(1)
    with contextlib.suppress(binascii.Error, ValueError):
        claims = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_").decode()
        if isinstance(json.loads(claims), dict):
            return claims
    return None


def _retry_after(answer: httpx.Response) -> float:
    given = answer.headers.get("retry-after", "")
    return min(_LONGEST_RETRY_SECONDS, float(given)) if given.isascii() and given.isdigit() else 5.0
