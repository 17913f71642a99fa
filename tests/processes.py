"""The system's real processes on a test's own database and Valkey: started, killed, frozen, watched."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import text

from app.copilot.prompt_files import load_prompt_files
from app.copilot.submit import Submission, submit
from app.core.clock import new_id
from app.core.crypto import Sealer
from app.core.keyring import LocalKeyring
from app.core.yaml_text import load_yaml
from app.documents import service as documents
from app.documents.reading import read
from app.pools.configuration import Configuration
from app.pools.seed import import_platform
from app.tenants.keys import TenantKeys
from app.vocabulary import Lane, OfficeHost
from tests.conftest import TestDatabase
from tests.forked import Forked, ready
from tests.imported import platform_imported

ROOT = Path(__file__).resolve().parents[1]
SEED = ROOT / "infra" / "seed.yaml"


async def until(
    condition: Callable[[], Awaitable[bool]], autopsy: Callable[[], str] = str, *, seconds: float = 30.0
) -> None:
    """Ask again and again until it is true. Raises: AssertionError with the autopsy when time is up.

    The longer it takes, the less often: asking costs what the processes that are waited for could use.
    """
    began = time.monotonic()
    while not await condition():
        waited = time.monotonic() - began
        assert waited < seconds, f"waited {seconds} s in vain\n{autopsy()}"
        await asyncio.sleep(min(max(0.02, waited / 10), 0.1))


@dataclass
class Child:
    """One process, with its log."""

    name: str
    process: Forked
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """kill -9, for this process and its children."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.pid).children(recursive=True):
                child.kill()
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def terminate(self, seconds: float = 20.0) -> int:
        self.process.terminate()
        return self.process.wait(seconds)


@dataclass
class System:
    """Workers, relay and reaper, and the verbs of a client that has already been let in."""

    database: TestDatabase
    redis_url: str
    folder: Path
    keyring: LocalKeyring
    lease_seconds: float = 2.0
    extra: Mapping[str, str] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
            "SWITCHBOARD_ENV": "development",
            "SWITCHBOARD_LOG_FORMAT": "console",
            "SWITCHBOARD_KEYRING": str(self.folder / "keyring.json"),
            "SWITCHBOARD_LEASE_SECONDS": str(self.lease_seconds),
            "SWITCHBOARD_SHUTDOWN_GRACE_SECONDS": "1",
            "SWITCHBOARD_WORKER_CONCURRENCY": "8",
            "DATABASE_URL": self.database.app_url,
            "DATABASE_SYSTEM_URL": self.database.system_url,
            "DATABASE_OWNER_URL": self.database.owner_url,
            "DATABASE_ERASER_URL": self.database.eraser_url,
            "REDIS_URL": self.redis_url,
            **self.extra,
        }

    def start(self, name: str, module: str | None = None, **extra: str) -> Child:
        """Start `worker`, `relay` or `reaper` (or a module under a name)."""
        modules = {"worker": "workers.celery_app", "relay": "workers.relay", "reaper": "workers.reaper"}
        log = self.folder / f"{name}-{len(self.children)}.log"
        log.touch()
        process = Forked(module or modules[name], environment={**self.environment(), **extra}, output=log)
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def start_all(self, *, workers: int = 1) -> list[Child]:
        """Relay, reaper and workers; gives the workers."""
        self.start("relay")
        self.start("reaper")
        return [self.start("worker") for _ in range(workers)]

    def stop(self) -> None:
        for child in self.children:
            if child.alive:
                child.thaw()
                child.kill()

    def autopsy(self) -> str:
        """Every log, with the stacks of what still runs; ends the processes."""
        for child in self.children:
            if child.alive:
                child.thaw()
                child.process.send_signal(signal.SIGABRT)
                child.process.wait(10)
        return "\n".join(f"=== {child.log.name}\n{child.log.read_text()[-4000:]}" for child in self.children)

    async def workers_ready(self, count: int) -> None:
        """Until so many processes say that they live."""

        async def ready() -> bool:
            rows = await self.rows(
                "SELECT 1 FROM worker_heartbeats WHERE capacity > 0 AND seen_at > clock_timestamp() - interval '3 s'"
            )
            return len(rows) >= count

        await until(ready, self.autopsy)

    async def configure(self, *, base_url: str | None = None, platform: dict[str, Any] | None = None) -> None:
        """Import the seed's pools, or a vendor's (`scripted`) alone in front of the extractive member."""
        if base_url is None and platform is None:
            await platform_imported(self.database)
            return
        seed = platform or load_yaml(SEED.read_text())["platform"]
        variables = {} if base_url is None else {"SWITCHBOARD_EMBEDDED_MODEL_URL": base_url}
        async with self.database.owner.system() as session:
            await import_platform(session, seed, load_prompt_files(), variables=variables)

    async def submit(
        self,
        content: str,
        *,
        lane: Lane = Lane.INTERACTIVE,
        host: OfficeHost = OfficeHost.WORD,
        idempotency: tuple[str, bytes] | None = None,
        **parameters: Any,
    ) -> UUID:
        """Accept a summary of a text for the tenant's first member."""
        tenant_id, member_id = self.database.tenant_id, self.database.member_id
        sealer = await self.sealer()
        configuration = Configuration(self.database.app)
        extracted = read("text.txt", content.encode())
        try:
            async with self.database.app.tenant(tenant_id) as session:
                stored = await documents.store(
                    session,
                    sealer,
                    tenant_id=tenant_id,
                    member_id=member_id,
                    name="text.txt",
                    size_bytes=len(content),
                    sha256=new_id().bytes * 2,
                    extracted=extracted,
                )
                submission = Submission(
                    task_type="summarize",
                    parameters=parameters,
                    host=host,
                    lane=lane,
                    documents=[stored],
                    idempotency=idempotency,
                )
                return await submit(
                    session,
                    sealer,
                    configuration,
                    submission,
                    tenant_id=tenant_id,
                    member_id=member_id,
                    deadline_seconds=600,
                )
        finally:
            await configuration.close()

    async def sealer(self) -> Sealer:
        return await TenantKeys(self.database.app, self.keyring).sealer(self.database.tenant_id)

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.database.owner.system() as session:
            return [dict(row) for row in (await session.execute(text(statement), values)).mappings()]

    async def job(self, job_id: UUID) -> dict[str, Any]:
        return (await self.rows("SELECT * FROM jobs WHERE id = :id", id=job_id))[0]

    async def finished(self, job_id: UUID, *, seconds: float = 60.0) -> dict[str, Any]:
        """Until the job has ended; gives its row."""

        async def over() -> bool:
            return (await self.job(job_id))["state"] in {"succeeded", "partial", "failed", "cancelled"}

        await until(over, self.autopsy, seconds=seconds)
        return await self.job(job_id)


@contextlib.contextmanager
def system(
    database: TestDatabase, redis_url: str, folder: Path, keyring: LocalKeyring, **options: Any
) -> Iterator[System]:
    """A system whose processes end with the test."""
    # Now, as no API of the test serves yet.
    ready()
    running = System(database, redis_url, folder, keyring, **options)
    try:
        yield running
    finally:
        running.stop()
