"""The whole system for a story: API over loopback, development Entra, workers as processes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from app.addin.event_schemas import EVENTS
from app.core.keyring import LocalKeyring
from app.http.services import Services
from app.local.entra.registrations import ADDIN_CLIENT_ID, API_CLIENT_ID, DEVELOPMENT_SECRET
from app.local.graph.drives import DOWNLOAD_HOST
from app.local.state import free_port
from app.main import create_app, server_config
from app.settings import Settings
from tests.conftest import TestDatabase
from tests.entra import ADA, RunningEntra
from tests.imported import tenants_imported
from tests.processes import System, system, until
from tests.scripted_vendor import ScriptedVendor
from tests.trust import PLAIN


@dataclass(frozen=True)
class StreamEvent:
    """One server-sent event as a client sees it."""

    type: str
    data: dict[str, Any]
    id: str = ""


@dataclass
class House:
    """The API's address, and the verbs of an add-in."""

    system: System
    entra: RunningEntra
    api: str
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def client(self, login: str = ADA) -> httpx.AsyncClient:
        """A person's HTTP client with a fresh token."""
        if login not in self.clients:
            self.clients[login] = httpx.AsyncClient(
                base_url=f"{self.api}/addin/v1",
                headers={"Authorization": f"Bearer {self.entra.token(login)}"},
                timeout=30.0,
                trust_env=False,
                verify=PLAIN,
            )
        return self.clients[login]

    async def upload(self, name: str, content: bytes, login: str = ADA) -> dict[str, Any]:
        answer = await self.client(login).post("/documents", params={"name": name}, content=content)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def submit(
        self, body: dict[str, Any], login: str = ADA, *, key: str | None = None
    ) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.client(login).post(
            "/jobs", json={"task_type": "summarize", **body}, headers=headers
        )

    async def job(self, job_id: str, login: str = ADA) -> dict[str, Any]:
        answer = await self.client(login).get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def finished(self, job_id: str, login: str = ADA) -> dict[str, Any]:
        async def over() -> bool:
            return (await self.job(job_id, login))["finished_at"] is not None

        await until(over, self.system.autopsy)
        return await self.job(job_id, login)

    async def follow(
        self, job_id: str, login: str = ADA, *, after: str | None = None, most: int = 10_000
    ) -> list[StreamEvent]:
        """A job's events until the stream ends, or the first `most`."""
        headers = {} if after is None else {"Last-Event-ID": after}
        seen: list[StreamEvent] = []
        async with (
            asyncio.timeout(60),
            self.client(login).stream("GET", f"/jobs/{job_id}/events", headers=headers) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line and not line.startswith(":"):
                    fields[name] = value
                elif not line and "event" in fields:
                    data = json.loads(fields["data"])
                    # What the contract says of it holds for whatever any story sees.
                    EVENTS[fields["event"]].model_validate(data)
                    seen.append(StreamEvent(fields["event"], data, fields.get("id", "")))
                    fields = {}
                    if len(seen) == most:
                        break
        return seen


@pytest.fixture(scope="session")
def entra(service_folder: Path) -> Iterator[RunningEntra]:
    """One development Entra per test process."""
    folder = service_folder / "entra"
    folder.mkdir()
    with RunningEntra(folder) as running:
        yield running


@pytest.fixture
def vendor() -> Iterator[ScriptedVendor]:
    """A vendor over loopback that stands in for the small model."""
    with ScriptedVendor().on_thread() as running:
        yield running


@pytest.fixture
async def house(
    database: TestDatabase, redis_url: str, tmp_path: Path, keyring: LocalKeyring, entra: RunningEntra
) -> AsyncIterator[House]:
    """The API without workers; a story starts those that it needs with `house.system.start_all()`."""
    entra.reset()
    await tenants_imported(database)
    with system(database, redis_url, tmp_path, keyring, extra=process_settings(entra)) as running:
        await running.configure()
        async with serve(running, entra) as api:
            made = House(running, entra, api)
            yield made
            for client in made.clients.values():
                await client.aclose()


def process_settings(entra: RunningEntra) -> dict[str, str]:
    """What workers need to act on behalf of people."""
    return {
        "SWITCHBOARD_ENTRA_AUTHORITY": entra.url,
        "SWITCHBOARD_ENTRA_CA": str(entra.ca),
        "SWITCHBOARD_API_CLIENT_ID": API_CLIENT_ID,
        "SWITCHBOARD_ENTRA_CLIENT_SECRET": DEVELOPMENT_SECRET,
        "SWITCHBOARD_GRAPH_URL": entra.app.graph.url,
        "SWITCHBOARD_GRAPH_DOWNLOAD_HOSTS": json.dumps([DOWNLOAD_HOST]),
    }


@contextlib.asynccontextmanager
async def serve(running: System, entra: RunningEntra, **changes: Any) -> AsyncIterator[str]:
    """The API on a free port of loopback; gives its address."""
    async with serve_with_services(running, entra, **changes) as (address, _):
        yield address


@contextlib.asynccontextmanager
async def serve_with_services(
    running: System, entra: RunningEntra, **changes: Any
) -> AsyncIterator[tuple[str, Services]]:
    """The same; gives what the API holds as well."""
    port = free_port()
    settings = Settings.model_validate(
        {
            "env": "development",
            "database_url": running.database.app_url,
            "DATABASE_DIRECT_URL": running.extra.get("DATABASE_DIRECT_URL"),
            "redis_url": running.redis_url,
            "keyring": running.folder / "keyring.json",
            "entra_authority": entra.url,
            "entra_ca": entra.ca,
            "api_client_id": API_CLIENT_ID,
            "entra_client_secret": DEVELOPMENT_SECRET,
            "addin_client_ids": (ADDIN_CLIENT_ID,),
            "api_port": port,
            # Tests of limits set their own; no other test is to meet one.
            "rate_limit_member": 1_000_000,
            "rate_limit_tenant": 1_000_000,
            "rate_limit_sign_ins": 1_000_000,
            # Few tests send a document; theirs waits.
            "extraction_processes_ahead": 0,
            "graph_url": entra.app.graph.url,
            "graph_download_hosts": (DOWNLOAD_HOST,),
            **changes,
        }
    )
    app = create_app(settings)
    server = uvicorn.Server(server_config(app, settings))
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the API did not start"
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}", app.state.services
    finally:
        server.should_exit = True
        await task
