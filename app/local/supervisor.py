"""The embedded system of one machine: everything that the environment does not name is started here.

    Postgres ─► roles, schema ─► seed ──┐
    Valkey ─────────────────────────────┤ in parallel
    development Entra ──────────────────┤
    small model ────────────────────────┴─► API, relay, worker, reaper ─► GET /health/ready

Every process runs under a watchdog: when this one ends, kill -9 included, nothing stays behind.
"""

import importlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from app.core.keyring import LocalKeyring
from app.local.entra.registrations import development_settings
from app.local.guarded import ServiceFailed
from app.local.postgres import EmbeddedPostgres
from app.local.process import AddressTaken, Child, Keeper, Say
from app.local.running import (
    Ports,
    Running,
    claim,
    is_ready,
    log_file,
    read_running,
    remove_running,
    running_file,
    write_running,
)
from app.local.signing_in import check_program, operator_settings, program
from app.local.state import ANCHORS, State, StateLocked
from app.local.valkey import EmbeddedValkey
from app.vocabulary import Environment

SEED = Path(__file__).resolve().parents[2] / "infra" / "seed.yaml"
NAME = "switchboard"
DEFAULT_API_PORT = 8720
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 10.0
_PORTS = 4
"""How many ports the API tries; two systems that start at once may want the same."""


class Supervisor:
    """One embedded system. Use it as a context manager; `running` is set once it is ready."""

    def __init__(
        self,
        state: State,
        *,
        say: Say,
        environ: Mapping[str, str] | None = None,
        offline: bool = False,
        port: int | None = None,
    ) -> None:
        self._state = state
        self._say = say
        self._offline = offline
        self._port = port
        self._given = dict(os.environ if environ is None else environ)
        self._instance = secrets.token_hex(8)
        self._environment = dict(self._given)
        self._children: list[Child] = []
        self._keepers: list[Keeper] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._moves = 0
        self._stack = ExitStack()
        self.announcements: list[str] = []
        self.running: Running | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ask_to_stop(self) -> None:
        """Give up starting or running, from any thread or a signal handler; `stop` does the work."""
        self._stopping.set()

    def wait(self) -> None:
        """Until somebody asks to stop."""
        # Short waits: a signal handler runs between them, whatever the platform.
        while not self._stopping.wait(1.0):
            pass

    def stop(self) -> None:
        """Stop everything, last started first; idempotent."""
        self.ask_to_stop()
        for keeper in self._keepers:
            keeper.ask_to_stop()
        # First those that hold work, while what they need to hand it back still answers.
        for wave in (True, False):
            children = [child for child in self._children if (child.name in _PROCESSES) is wave]
            for child in children:
                child.ask_to_stop()
            for child in children:
                child.stop()
        for keeper in reversed(self._keepers):
            keeper.stop()
        if self.running is not None:
            remove_running(self._state)
            self.running = None
        self._stack.close()

    def _start(self) -> None:
        self._refuse_production()
        # Not above: commands for a system that is up load no driver of a database.
        from app.local.requirements import check_environment

        check_environment(self._given)
        self._state.ensure()
        self._stack.enter_context(self._lock_state())
        ports = Ports(self._state, patient=running_file(self._state).exists())
        remove_running(self._state)
        api_port = self._api_port(ports)
        self._describe_environment(ports, api_port)
        with ThreadPoolExecutor(max_workers=5, thread_name_prefix="start") as pool:
            loading = pool.submit(importlib.import_module, "app.local.preparation")
            started = [
                pool.submit(self._start_database, ports),
                pool.submit(self._start_valkey, ports),
                pool.submit(self._start_entra),
                pool.submit(self._start_model),
            ]
        loading.result()
        for future in started:
            future.result()
        for name, module in _PROCESSES.items():
            self._start_child(name, module)
        self._wait_until_ready(ports)

    @contextmanager
    def _lock_state(self) -> Iterator[None]:
        """Raises: `StateLocked` saying who has it and how to stop that."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self._state.lock())
            except StateLocked as locked:
                other = read_running(self._state)
                if other is None:
                    raise
                raise StateLocked(
                    f"the system already runs here: process {other.pid}, {other.api}; use that, or stop it"
                    f" with Ctrl-C in its terminal or `kill {other.pid}`"
                ) from locked
            yield

    def _refuse_production(self) -> None:
        if self._given.get("SWITCHBOARD_ENV") == Environment.PRODUCTION:
            raise ServiceFailed(
                "SWITCHBOARD_ENV=production, and this is the development system: unset it, or start"
                " the processes of production one by one (python -m app.main, python -m workers.relay, ...)"
            )

    def _api_port(self, ports: Ports) -> int:
        asked = self._asked_port()
        if asked:
            port = ports.insist(asked)
            if not self._hold(port):
                raise ServiceFailed(f"port {port} was just taken by another system: choose another --port")
            return port
        wanted = ports.known("api") or DEFAULT_API_PORT
        port = ports.take("api", preferred=DEFAULT_API_PORT)
        while not self._hold(port):
            port = ports.replace("api")
        if port != wanted:
            self._say(NAME, f"port {wanted} is taken by another program; the API listens on {port}")
        return port

    def _hold(self, port: int) -> bool:
        """Keep other systems from choosing this port while ours is not listening yet."""
        mark = claim(port)
        if mark is not None:
            self._stack.callback(mark.close)
        return mark is not None

    def _asked_port(self) -> int:
        """The port that somebody insists on, or 0."""
        return self._port or int(self._given.get("SWITCHBOARD_API_PORT") or 0)

    def _describe_environment(self, ports: Ports, api_port: int) -> None:
        """Everything a process needs that is known before anything runs; what is given stays."""
        check_program(self._given)
        keyring = self._state.path / "keyring.json"
        if "SWITCHBOARD_KEYRING" not in self._given:
            LocalKeyring.create(keyring)
        entra = self._state.path / "entra"
        defaults = {
            "SWITCHBOARD_LOG_FORMAT": "console",
            "SWITCHBOARD_KEYRING": str(keyring),
            "SWITCHBOARD_AUDIT_ANCHORS": str(self._state.path / ANCHORS),
            "SWITCHBOARD_SEED": str(seed_file(self._given)),
        }
        if "SWITCHBOARD_ENTRA_AUTHORITY" not in self._given:
            authority = f"https://127.0.0.1:{ports.take('entra')}"
            defaults |= development_settings(authority, entra / "ca.pem")
            defaults |= operator_settings(seed_file(self._given))
        if "SWITCHBOARD_EMBEDDED_MODEL_URL" not in self._given:
            defaults["SWITCHBOARD_EMBEDDED_MODEL_URL"] = f"http://127.0.0.1:{ports.take('model')}/v1"
        self._environment = {
            **defaults,
            **self._given,
            "SWITCHBOARD_ENV": Environment.DEVELOPMENT.value,
            "SWITCHBOARD_API_PORT": str(api_port),
            "SWITCHBOARD_INSTANCE": self._instance,
            "PYTHONUNBUFFERED": "1",
        }

    def _start_database(self, ports: Ports) -> None:
        if "DATABASE_URL" not in self._given:
            port = ports.take("postgres")
            server = EmbeddedPostgres(self._state.path / "postgres", port=port)
            self._keep("postgres", server)
            # Alembic and SQLAlchemy: loaded by another thread meanwhile, and never by a plain `run`.
            from app.local.migrate import prepare

            urls = prepare(server.url, self._state.path / "postgres-roles.json")
            self._add(urls.environment())
        if "DATABASE_OWNER_URL" not in self._environment:
            self._say(
                NAME, "DATABASE_OWNER_URL is not set: the schema is taken as it is (switchboard migrate)"
            )
            self._vendors_as_they_are()
            return
        from app.local.preparation import prepare_database

        prepared = prepare_database(self._environment, offline=self._offline)
        for line in prepared.lines:
            self._say(NAME, line)
        self.announcements = prepared.announcements

    def _vendors_as_they_are(self) -> None:
        """Without the owner's role nothing is offered or taken out: what an earlier start offered stays.

        Raises: `ServiceFailed` when that could break the promise of `--offline`.
        """
        from app.local.vendors import found_keys

        self.announcements = [
            f"{offer.deployment.model_name} may be asked" for offer in found_keys(self._given)
        ]
        if self._offline and self.announcements:
            raise ServiceFailed(
                "--offline cannot be kept: this database may hold the vendors of an earlier start, and their"
                " keys are set; set DATABASE_OWNER_URL, so that they are taken out, or unset the keys"
            )

    def _start_valkey(self, ports: Ports) -> None:
        if "REDIS_URL" not in self._given:
            server = EmbeddedValkey(self._state.path / "valkey", port=ports.take("valkey"))
            self._keep("valkey", server)
            self._add({"REDIS_URL": server.url})

    def _start_entra(self) -> None:
        if "SWITCHBOARD_ENTRA_AUTHORITY" not in self._given:
            port = httpx.URL(self._environment["SWITCHBOARD_ENTRA_AUTHORITY"]).port
            place = ["--host", "127.0.0.1", "--port", str(port), "--state", str(self._state.path / "entra")]
            seed = ["--seed", self._environment["SWITCHBOARD_SEED"]]
            self._start_child("entra", "app.local.entra", *place, *seed).wait_ready(_START_SECONDS)

    def _start_model(self) -> None:
        if "SWITCHBOARD_EMBEDDED_MODEL_URL" not in self._given:
            port = httpx.URL(self._environment["SWITCHBOARD_EMBEDDED_MODEL_URL"]).port
            child = self._start_child("model", "app.local.model_server", "--port", str(port))
            child.wait_ready(_START_SECONDS)

    def _api(self) -> str:
        return f"http://127.0.0.1:{self._environment['SWITCHBOARD_API_PORT']}"

    def _add(self, values: Mapping[str, str]) -> None:
        with self._lock:
            self._environment = {**self._environment, **values}

    def _environment_of(self, name: str) -> dict[str, str]:
        """What a process may know: the owner's address is for migrations, secrets for the product alone."""
        withheld = ("DATABASE_OWNER_",) if name in _PROCESSES else ("DATABASE_", "REDIS_")
        return {
            key: value
            for key, value in self._environment.items()
            if not key.startswith(withheld)
            and (name in _PROCESSES or not key.endswith(("_API_KEY", "_SECRET")))
        }

    def _keep(self, name: str, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        server.start()
        keeper = Keeper(name, server, say=self._say)
        with self._lock:
            self._keepers.append(keeper)
        keeper.start()

    def _start_child(self, name: str, module: str, *arguments: str) -> Child:
        child = Child(
            name,
            [sys.executable, "-m", module, *arguments],
            environment=self._environment_of(name),
            say=self._say,
            grace_seconds=_GRACE_SECONDS,
        )
        with self._lock:
            if self._stopping.is_set():
                raise StopRequested
            self._children.append(child)
        child.start()
        return child

    def _worker_listens(self) -> bool:
        """A job that is submitted before that would wait for the worker to connect."""
        return all(child.settled for child in self._children if child.name == "worker")

    def _check_children(self, ports: Ports) -> None:
        """Raises: `ServiceFailed` when one has ended, but for an API whose port was lost: that moves."""
        for child in list(self._children):
            try:
                child.check()
            except AddressTaken as taken:
                if child.name != "api":
                    raise
                self._move_api(child, ports, taken)

    def _move_api(self, child: Child, ports: Ports, taken: AddressTaken) -> None:
        lost = int(self._environment["SWITCHBOARD_API_PORT"])
        if self._asked_port():
            ports.insist(lost)
        self._moves += 1
        if self._asked_port() or self._moves == _PORTS:
            raise taken
        port = ports.replace("api")
        self._say(NAME, f"port {lost} was taken meanwhile by another program; the API listens on {port}")
        self._add({"SWITCHBOARD_API_PORT": str(port)})
        child.stop()
        self._children.remove(child)
        self._start_child("api", _PROCESSES["api"])

    def _wait_until_ready(self, ports: Ports) -> None:
        """Ask GET /health/ready until our own API says yes. Raises: `ServiceFailed`, `StopRequested`."""
        end = time.monotonic() + _START_SECONDS
        while not (is_ready(api := self._api(), self._instance) and self._worker_listens()):
            self._check_children(ports)
            if time.monotonic() > end:
                raise ServiceFailed(
                    f"{api}/health/ready or the worker was not ready within {_START_SECONDS:.0f} s"
                )
            if self._stopping.wait(_LOOK_SECONDS):
                raise StopRequested
        for child in self._children:
            child.settle()
        client_id, scope = program(self._environment)
        self.running = Running(
            pid=os.getpid(),
            api=api,
            authority=self._environment["SWITCHBOARD_ENTRA_AUTHORITY"],
            ca=self._environment.get("SWITCHBOARD_ENTRA_CA"),
            client_id=client_id,
            scope=scope,
            seed=self._environment["SWITCHBOARD_SEED"],
            log=str(log_file(self._state)),
            instance=self._instance,
            operator_tenant=self._environment.get("SWITCHBOARD_OPERATOR_TENANT", ""),
            vendors=tuple(self.announcements),
        )
        write_running(self._state, self.running)


class StopRequested(Exception):
    """Somebody asked to stop while the system was starting."""


_PROCESSES = {
    "api": "app.main",
    "relay": "workers.relay",
    "worker": "workers.celery_app",
    "reaper": "workers.reaper",
}


def seed_file(environ: Mapping[str, str]) -> Path:
    """The configuration file that the system starts with."""
    return Path(environ.get("SWITCHBOARD_SEED") or SEED)
