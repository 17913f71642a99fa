"""One process of the system: started under a watchdog, its lines passed on, started again when it dies.

    starting ──► settled ──► (dies) ──► waits 0.5, 1, 2 ... 10 s ──► starting again
        └► dies before it settled: failed; whoever starts the system gets the last lines

Nothing here sleeps blindly: every wait ends at once when the system stops.
"""

import collections
import contextlib
import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from app.local.guarded import Guarded, ServiceFailed

Say = Callable[[str, str], None]
"""Takes (name of the process, one line without its end)."""

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 10.0
_STABLE_SECONDS = 60.0
_KEPT_LINES = 15
_LONGEST_LINE = 4000
_TAKEN = os.strerror(errno.EADDRINUSE).lower()


class AddressTaken(ServiceFailed):
    """A process could not listen: another program has its port."""


class Backoff:
    """Waits between restarts: doubled each time, begun anew after a minute of good life."""

    def __init__(self) -> None:
        self._delay = _FIRST_DELAY_SECONDS / 2

    def next(self, lived_seconds: float) -> float:
        """The wait in seconds after a life of `lived_seconds`."""
        if lived_seconds >= _STABLE_SECONDS:
            self._delay = _FIRST_DELAY_SECONDS / 2
        self._delay = min(_LONGEST_DELAY_SECONDS, self._delay * 2)
        return self._delay


def describe(status: int) -> str:
    """An exit status in words; the watchdog reports signal N as 128 + N."""
    if status > 128:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(status - 128).name}"
    return f"exit status {status}"


def without_frames(lines: Sequence[str]) -> list[str]:
    """Lines for people: of a traceback only what was raised. The log has all of it."""
    if not any(line.startswith(("Traceback (", '  File "')) for line in lines):
        return list(lines)
    return [line for line in lines if line.strip() and not line.startswith((" ", "Traceback ("))]


class Child:
    """A command that runs until it is stopped. `name` marks its lines."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        say: Say,
        grace_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self.restarts = 0
        self._command = list(command)
        self._environment = dict(environment)
        self._say = say
        self._grace_seconds = grace_seconds
        self._lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._changed = threading.Condition()
        self._settled = False
        self._failed: str | None = None
        self._stopping = threading.Event()
        self._guarded: Guarded | None = None
        self._thread = threading.Thread(target=self._run, name=f"child-{name}", daemon=True)

    @property
    def watchdog_pid(self) -> int | None:
        """The process that guards the command now."""
        return self._guarded.process.pid if self._guarded is not None else None

    @property
    def settled(self) -> bool:
        """Whether it has said that it is ready, or was told that it works."""
        return self._settled

    def start(self) -> None:
        """Start the command and the thread that follows it."""
        self._thread.start()

    def settle(self) -> None:
        """It works: from now on an unexpected end is followed by a restart."""
        with self._changed:
            self._settled = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raises: `ServiceFailed` with the last lines when it ended before it settled; or `AddressTaken`."""
        if self._failed is not None:
            tail = "\n".join(f"  {line}" for line in without_frames(self._lines))
            kind = AddressTaken if _TAKEN in tail.lower() else ServiceFailed
            raise kind(f"{self.name} did not start ({self._failed}). Its last lines:\n{tail}")

    def wait_ready(self, seconds: float) -> None:
        """Wait for the line that begins with `ready`, or for the stop.

        Raises: `ServiceFailed` when it ends or says nothing in time.
        """
        with self._changed:
            known = self._changed.wait_for(
                lambda: self._settled or self._failed is not None or self._stopping.is_set(), seconds
            )
        self.check()
        if not known:
            raise ServiceFailed(f"{self.name} was not ready within {seconds:.0f} s")

    def ask_to_stop(self) -> None:
        """Begin to stop; does not wait."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
            if self._guarded is not None:
                self._guarded.ask_to_stop()

    def stop(self) -> None:
        """Stop the command and wait for its end."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join(self._grace_seconds + 5)
        if self._guarded is not None:
            self._guarded.stop()

    def _run(self) -> None:
        backoff = Backoff()
        while True:
            began = time.monotonic()
            with self._changed:
                if self._stopping.is_set():
                    return
                self._guarded = guarded = Guarded(
                    self._command,
                    output=subprocess.PIPE,
                    environment=self._environment,
                    grace_seconds=self._grace_seconds,
                )
            self._pass_on(guarded)
            ended = describe(guarded.process.wait())
            # It ended; this closes our ends of its pipes.
            guarded.stop()
            if self._stopping.is_set():
                return
            if not self._settled:
                with self._changed:
                    self._failed = ended
                    self._changed.notify_all()
                return
            delay = backoff.next(time.monotonic() - began)
            self._say(self.name, f"ended unexpectedly ({ended}); starting it again in {delay:.1f} s")
            if self._stopping.wait(delay):
                return
            self.restarts += 1

    def _pass_on(self, guarded: Guarded) -> None:
        output = guarded.process.stdout
        if output is None:
            return
        with output:
            for raw in iter(lambda: output.readline(_LONGEST_LINE), b""):
                line = raw.decode(errors="replace").rstrip()
                self._lines.append(line)
                self._say(self.name, line)
                if line.startswith("ready") and not self._settled:
                    self.settle()


class EmbeddedServer(Protocol):
    """Postgres and Valkey of this machine."""

    @property
    def running(self) -> bool:
        """Whether the server lives."""
        ...

    def start(self) -> object:
        """Start it on the same port, with the same password."""
        ...

    def stop(self) -> None:
        """Stop it."""
        ...


class Keeper:
    """Watches an embedded server that is running and starts it again when it dies."""

    def __init__(self, name: str, server: EmbeddedServer, *, say: Say, look_seconds: float = 0.5) -> None:
        self.name = name
        self._server = server
        self._say = say
        self._look_seconds = look_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"keeper-{name}", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Watch no longer; does not wait, and leaves the server running."""
        self._stopping.set()

    def stop(self) -> None:
        """Watch no longer and stop the server."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join()
        self._server.stop()

    def _run(self) -> None:
        backoff = Backoff()
        began = time.monotonic()
        while not self._stopping.wait(self._look_seconds):
            if self._server.running:
                continue
            delay = backoff.next(time.monotonic() - began)
            self._say(self.name, f"ended unexpectedly; starting it again in {delay:.1f} s")
            if self._stopping.wait(delay):
                return
            began = time.monotonic()
            try:
                self._server.start()
            except ServiceFailed as failure:
                self._say(self.name, str(failure))
