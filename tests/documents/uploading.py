"""The verbs of a client that uploads in parts, over the real door."""

import hashlib
from dataclasses import dataclass
from typing import Any

import httpx

PIECE = 4 * 2**20
STEP = 64 * 2**10


@dataclass
class Upload:
    """An upload session of one person's client."""

    client: httpx.AsyncClient
    content: bytes
    session: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/upload_sessions/{self.session['id']}"

    async def put(
        self, start: int, end: int, *, total: int | None = None, content: bytes | None = None
    ) -> httpx.Response:
        """Send the bytes `start` to before `end`."""
        whole = len(self.content) if total is None else total
        return await self.client.put(
            self.path,
            content=self.content[start:end] if content is None else content,
            headers={"Content-Range": f"bytes {start}-{end - 1}/{whole}"},
        )

    async def finish(self) -> httpx.Response:
        """Ask for the document of a file of which every byte has arrived."""
        size = len(self.content)
        return await self.client.put(self.path, headers={"Content-Range": f"bytes */{size}"})

    async def status(self) -> dict[str, Any]:
        answer = await self.client.get(self.path)
        assert answer.status_code == 200, answer.text
        status: dict[str, Any] = answer.json()
        return status


async def begin(
    client: httpx.AsyncClient, name: str, content: bytes, *, checksum: bool = False, **fields: Any
) -> Upload:
    """Create a session for a file."""
    answer = await create(client, name, content, checksum=checksum, **fields)
    assert answer.status_code == 201, answer.text
    return Upload(client, content, answer.json())


async def create(
    client: httpx.AsyncClient, name: str, content: bytes, *, checksum: bool = False, **fields: Any
) -> httpx.Response:
    declared = {"sha256": hashlib.sha256(content).hexdigest()} if checksum else {}
    body = {"name": name, "size_bytes": len(content), **declared, **fields}
    return await client.post("/upload_sessions", json=body)


def error(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which must be in the one form of errors."""
    return answer.status_code, answer.json()["error"]["code"]


def expected(answer: httpx.Response) -> list[str]:
    """The ranges that a 416 names."""
    return [
        one["message"] for one in answer.json()["error"]["details"] if one["code"] == "next_expected_range"
    ]
