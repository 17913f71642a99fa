"""Sends the hostile corpus to an API that is a process of its own, and measures what that costs."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Self

import httpx
import psutil

from app.local.entra.registrations import ADDIN_CLIENT_ID, API_CLIENT_ID
from app.local.state import free_port
from tests.documents.hostile import Hostile
from tests.documents.uploading import Upload
from tests.house import House
from tests.processes import until
from tests.trust import PLAIN

SMALL_BYTES = 5 * 2**20
_EVERY_SECONDS = 0.005


@dataclass(frozen=True)
class Outcome:
    """What the door answered and what it cost: seconds of clock and of the API's and its children's CPU."""

    file: Hostile
    size_bytes: int
    status: int
    code: str
    message: str
    seconds: float
    cpu_seconds: float
    api_mb: float
    """Peak of the API's resident memory above what it held before."""
    child_mb: float
    """Peak of a reading process's resident memory."""


@dataclass
class Door:
    """An API process, its address, and a client of it."""

    process: psutil.Process
    client: httpx.AsyncClient

    async def send(self, file: Hostile) -> Outcome:
        """Upload a file in a session, whole in one part, and watch."""
        content = await asyncio.to_thread(file.make)
        async with self.watch() as seen:
            answer = await in_session(self.client, file.name, content)
        body = answer.json()
        refused = body.get("error", {"code": "", "message": ""})
        return Outcome(
            file=file,
            size_bytes=len(content),
            status=answer.status_code,
            code=refused["code"],
            message=refused["message"],
            seconds=seen.seconds,
            cpu_seconds=seen.cpu_seconds,
            api_mb=(seen.api - seen.api_before) / 2**20,
            child_mb=seen.child / 2**20,
        )

    def watch(self) -> "Watch":
        """Measure what happens within the context."""
        return Watch(self)

    def signed_in(self, token: str) -> httpx.AsyncClient:
        """A client of the process for whoever the token is of."""
        return _client(str(self.client.base_url), token)

    def _processes(self) -> Sequence[psutil.Process]:
        return [self.process, *self.process.children()]

    def cpu(self) -> float:
        """Seconds of CPU time that the API and its children have used."""
        total = 0.0
        for one in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                spent = one.cpu_times()
                total += spent.user + spent.system
        return total

    def resident(self) -> tuple[int, int]:
        """Bytes that the API holds, and the largest of its children."""
        sizes = []
        for one in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes.append(one.memory_info().rss)
        return sizes[0], max(sizes[1:], default=0)


class Watch:
    """Looks at the processes' memory all the while. Bytes; seconds of clock and CPU."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.api = self.child = self.api_before = 0
        self.seconds = self.cpu_seconds = 0.0

    async def __aenter__(self) -> Self:
        self._cpu_before, self.api_before = self._door.cpu(), self._door.resident()[0]
        self._started = time.perf_counter()
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._note()
        self.cpu_seconds = self._door.cpu() - self._cpu_before

    async def _look(self) -> None:
        while True:
            self._note()
            await asyncio.sleep(_EVERY_SECONDS)

    def _note(self) -> None:
        api, child = self._door.resident()
        self.api, self.child = max(self.api, api), max(self.child, child)


async def in_session(client: httpx.AsyncClient, name: str, content: bytes) -> httpx.Response:
    """Send a file in one part; gives the first answer that is not that of a session under way."""
    created = await client.post("/upload_sessions", json={"name": name, "size_bytes": len(content)})
    if created.status_code != 201:
        return created
    return await Upload(client, content, created.json()).put(0, len(content))


async def simply(client: httpx.AsyncClient, name: str, content: bytes) -> httpx.Response:
    """Send a file as the body of one request."""
    return await client.post("/documents", params={"name": name}, content=content)


@contextlib.asynccontextmanager
async def api_process(house: House, **settings: str) -> AsyncIterator[Door]:
    """The API as its own process over the house's database, with a signed-in client."""
    port = free_port()
    child = house.system.start(
        "api",
        "app.main",
        SWITCHBOARD_ENTRA_AUTHORITY=house.entra.url,
        SWITCHBOARD_ENTRA_CA=str(house.entra.ca),
        SWITCHBOARD_API_CLIENT_ID=API_CLIENT_ID,
        SWITCHBOARD_ADDIN_CLIENT_IDS=json.dumps([ADDIN_CLIENT_ID]),
        SWITCHBOARD_API_PORT=str(port),
        **settings,
    )
    client = _client(f"http://127.0.0.1:{port}/addin/v1", house.entra.token())

    async def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (await client.get("/me")).status_code == 200
        return False

    try:
        await until(answers, house.system.autopsy, seconds=60)
        yield Door(psutil.Process(child.pid), client)
    finally:
        await client.aclose()
        child.kill()


def _client(base_url: str, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=60.0,
        trust_env=False,
        verify=PLAIN,
    )
