"""What an installation remembers between starts (its ports) and says while it runs (running.json)."""

import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.local.guarded import ServiceFailed
from app.local.state import State, free_port, private_file

_PATIENCE_SECONDS = 3.0
_LOOK_SECONDS = 0.1
_ANSWER_SECONDS = 4.0
_LONGEST_ANSWER = 65_536


@dataclass(frozen=True)
class Running:
    """Addresses of a running system: all that a client on this machine needs to sign in and to call it."""

    pid: int
    api: str
    authority: str
    ca: str | None
    client_id: str
    scope: str
    seed: str
    log: str
    instance: str = ""
    """What the API of this system answers as its own name."""
    vendors: tuple[str, ...] = ()
    """Models whose keys or servers were found at the start: each is asked first. None with `--offline`."""
    operator_tenant: str = ""
    """The directory of whoever operates the platform; empty if nobody does."""


def running_file(state: State) -> Path:
    """Where a running system describes itself."""
    return state.path / "running.json"


def log_file(state: State) -> Path:
    """Where the lines of all processes go."""
    return state.path / "switchboard.log"


def write_running(state: State, running: Running) -> None:
    """Publish the addresses."""
    _publish(running_file(state), asdict(running))


def _publish(file: Path, content: Mapping[str, object]) -> None:
    """Write in one step, so that a reader never sees half a file."""
    scratch = private_file(file.with_name(f"{file.name}.new"))
    scratch.write_text(json.dumps(content, indent=2))
    scratch.replace(file)


def read_running(state: State) -> Running | None:
    """The system that says it runs here, if its process lives. Whether it answers is another question."""
    try:
        told = json.loads(running_file(state).read_text())
        running = Running(**{**told, "vendors": tuple(told.get("vendors", ()))})
        os.kill(running.pid, 0)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return running


def is_ready(api: str, instance: str) -> bool:
    """Whether the API says that it can take work, and is the one called `instance`.

    Plain `http.client`: an httpx client loads certificates first, which costs more than all the rest.
    """
    place = urlsplit(api)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            return False
        answer = json.loads(response.read(_LONGEST_ANSWER))
    except (OSError, ValueError, http.client.HTTPException):
        return False
    else:
        # Another installation may listen here by now.
        return isinstance(answer, dict) and answer.get("instance", "") == instance
    finally:
        connection.close()


def find_running(state: State) -> Running | None:
    """The system of this installation, if it runs and answers."""
    running = read_running(state)
    return running if running is not None and is_ready(running.api, running.instance) else None


def remove_running(state: State) -> None:
    """Say that nothing runs here any more."""
    with contextlib.suppress(FileNotFoundError):
        running_file(state).unlink()


def claim(port: int) -> socket.socket | None:
    """Hold a port for a server that will listen there soon; None when another system holds it.

    The mark is the UDP port of the same number: nobody else wants it, a second holder is refused at
    once, and it goes with the process. Close the socket to let go.
    """
    mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        mark.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        return None
    return mark


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now, and no other system is about to."""
    mark = claim(port)
    if mark is None:
        return False
    mark.close()
    with socket.socket() as probe:
        # As servers do: a port whose last connections are only fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def in_use(state: State) -> Iterator[None]:
    """Tell whoever runs the system here that somebody works with it."""
    with private_file(state.path / "users.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


def retire(state: State) -> None:
    """Withdraw the addresses and wait until nobody works with the system any more."""
    # In this order: a client locks first and reads the addresses then, so none is overlooked.
    remove_running(state)
    with private_file(state.path / "users.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)


class Ports:
    """Ports by name, the same at every start as long as nobody else has taken them."""

    def __init__(self, state: State, *, patient: bool = False) -> None:
        """`patient` waits a little for a port that an earlier, killed system may still hold."""
        self._file = state.path / "ports.json"
        # Services start side by side, and each takes its own port.
        self._lock = threading.Lock()
        self._patience = _PATIENCE_SECONDS if patient else 0.0
        try:
            known: dict[str, int] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            known = {}
        self._known = known

    def known(self, name: str) -> int | None:
        """The port remembered under this name."""
        return self._known.get(name)

    def replace(self, name: str) -> int:
        """Another port than the one remembered, which somebody else was quicker to take."""
        return self._remember(name, free_port())

    def take(self, name: str, *, preferred: int | None = None) -> int:
        """The port remembered under this name, else the preferred one, else any free one."""
        for port in (self._known.get(name), preferred):
            if port is not None and self._becomes_free(port):
                return self._remember(name, port)
        return self._remember(name, free_port())

    def insist(self, port: int) -> int:
        """A port that somebody asked for. Raises: `ServiceFailed` when it is taken."""
        if not self._becomes_free(port):
            raise ServiceFailed(
                f"port {port} is taken by another program: stop that or choose another --port"
            )
        return port

    def _becomes_free(self, port: int) -> bool:
        waited = 0.0
        while not is_free(port):
            if waited >= self._patience:
                return False
            threading.Event().wait(_LOOK_SECONDS)
            waited += _LOOK_SECONDS
        return True

    def _remember(self, name: str, port: int) -> int:
        with self._lock:
            self._known[name] = port
            _publish(self._file, self._known)
        return port


def watch_parent(orphaned: Callable[[], None], *, look_seconds: float = 0.5) -> None:
    """Call `orphaned` once when the program that started this process ends.

    Not under `nohup`: whoever ignores the hang-up wants the system to stay. Polling works on Linux
    and macOS alike, and in a process that several threads belong to.
    """
    parent = os.getppid()
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return

    def look() -> None:
        never = threading.Event()
        while os.getppid() == parent:
            never.wait(look_seconds)
        orphaned()

    threading.Thread(target=look, name="watch-parent", daemon=True).start()
