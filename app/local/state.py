"""The one folder where the embedded system keeps everything; each installation has its own."""

import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ANCHORS = "audit-anchors.jsonl"
"""The embedded system's anchors of the audit record, in its folder."""
_INSTALLATION = Path(__file__).resolve().parents[2]


class StateLocked(Exception):
    """Another process of this installation holds the folder."""


class StateUnusable(Exception):
    """The folder cannot be made or is not ours."""


@dataclass(frozen=True)
class State:
    """The state folder. Its content is private to the user that runs the system."""

    path: Path

    @classmethod
    def default(cls) -> "State":
        """`SWITCHBOARD_HOME`, or a folder named after the place of this installation.

        As root it is under /var/lib: a home with mode 0700 is out of reach for the user that Postgres
        runs as.
        """
        given = os.environ.get("SWITCHBOARD_HOME")
        if given:
            return cls(Path(given).expanduser().resolve())
        name = hashlib.sha256(str(_INSTALLATION).encode()).hexdigest()[:12]
        if os.geteuid() == 0:
            return cls(Path("/var/lib/switchboard") / name)
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return cls(Path(home) / "switchboard" / name)

    def ensure(self) -> "State":
        """Make the folder, private. Of root others may pass through it: Postgres runs as another user.

        Raises: `StateUnusable`.
        """
        try:
            private_folder(self.path, passable=os.geteuid() == 0)
        except OSError as error:
            raise StateUnusable(
                f"the folder {self.path} cannot be made ({error.strerror});"
                " set SWITCHBOARD_HOME to a folder that you can write to"
            ) from error
        return self

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only system on this folder. Raises: `StateLocked`."""
        with private_file(self.path / "lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StateLocked(
                    f"another command starts, uses or stops the system of {self.path}; try again in a moment"
                ) from error
            yield


def private_folder(path: Path, *, passable: bool = False) -> Path:
    """Make the folder for its owner alone; `passable` lets others go through it, not read it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o711 if passable else 0o700)
    return path


def private_file(path: Path) -> Path:
    """Make the file for its owner alone, and take from others what an older one gave them."""
    handle = os.open(path, os.O_CREAT | os.O_RDONLY, 0o600)
    try:
        os.fchmod(handle, 0o600)
    finally:
        os.close(handle)
    return path


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
